"""How many threads a few images are embedded with.

One image is a hundred short jobs, after each of which torch's threads wait for one another. On a quiet machine a second
thread saves up to half of the time; on a busy one each wait takes a time slice, and two threads took 7 and 15 times
as long as one (experiments/benchmarks/encoding.json).

Shapes: N images, C channels, H, W size.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

ONE_THREAD = 224 * 224
"""Up to so many pixels, N * H * W, one thread works alone."""


@contextmanager
def threads_for(images: Tensor) -> Iterator[None]:
    """Work in one thread inside a ``with`` block if the images (N, C, H, W) on a CPU are few and small."""
    before = torch.get_num_threads()
    small = images.ndim == 4 and images.shape[0] * images.shape[2] * images.shape[3] <= ONE_THREAD
    if before == 1 or not small:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
