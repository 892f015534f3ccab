"""Sums whose bits depend on the numbers alone: not on threads, devices, or how many rows were summed with them."""

from torch import Tensor


def ordered_sum(values: Tensor) -> Tensor:
    """Sum over the last dimension, (..., W) to (...), by adding halves until one number is left.

    Each step is an elementwise addition, which every machine rounds alike; a library's own sum chooses its order by
    shape, threads and device. Zeros appended to a row change nothing.
    """
    width = values.shape[-1]
    if width == 0:
        return values.new_zeros(values.shape[:-1])
    half = 1 << max(0, (width - 1).bit_length() - 1)  # the largest power of two below the width
    total = values[..., :half].clone()
    total[..., : width - half] += values[..., half:]
    while half > 1:
        half //= 2
        total[..., :half] += total[..., half : 2 * half]
        total = total[..., :half]
    return total[..., 0]
