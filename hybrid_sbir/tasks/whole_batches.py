"""Evaluation in batches of one size. N images of a batch, C channels, H, W image size."""

from collections.abc import Callable

import torch
from torch import Tensor


def in_whole_batch(apply: Callable[[Tensor], Tensor], image: Tensor, size: int | None) -> Tensor:
    """Apply a network to images (N, C, H, W) filled up to ``size`` with repeats of the first, to be cut off again.

    Matrix products of other sizes round differently: a sample's result would depend on how many others share its
    batch, and so on the number of processes.
    """
    missing = (size or 0) - len(image)
    if missing <= 0 or not len(image):
        return apply(image)
    return apply(torch.cat([image, image[:1].expand(missing, -1, -1, -1)]))[: len(image)]
