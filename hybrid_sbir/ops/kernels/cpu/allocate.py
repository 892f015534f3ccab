"""Where kernels get their memory; tests replace these functions to poison results and to guard scratch."""

import torch
from torch import Tensor

_LINE = 64  # bytes of a cache line: two threads' scratch never share one


def result(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """An uninitialised tensor that a kernel fills completely."""
    return torch.empty(shape, dtype=dtype)


def scratch(elements: int, dtype: torch.dtype) -> Tensor:
    """Uninitialised working memory: a row of at least ``elements`` numbers for each of torch's threads."""
    unit = _LINE // dtype.itemsize
    return torch.empty((torch.get_num_threads(), -(-elements // unit) * unit), dtype=dtype)
