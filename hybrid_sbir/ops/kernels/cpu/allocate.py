"""Where kernels get their memory; tests replace these functions to poison results and to guard scratch."""

import ctypes
import functools
import mmap
from collections.abc import Callable

import torch
from torch import Tensor

_LINE = 64  # bytes of a cache line: two threads' scratch never share one
_LARGE = 4 << 20  # bytes from which two or more huge pages of 2 MiB fit inside for sure


@functools.cache
def _madvise() -> Callable[[int, int, int], int] | None:
    """madvise(2) of the C library; None where it or huge pages do not exist."""
    function = getattr(ctypes.CDLL(None), "madvise", None)
    if function is None or not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return function


def _ask_for_huge_pages(memory: Tensor) -> None:
    """Hint that a large result may lie in huge pages.

    The C library maps large tensors anew each time, and the kernel hands them out page by page: for the gradient of the
    weights (39 MB at 28 x 28) that takes longer than its computation, with huge pages a quarter. A refusal changes
    nothing.
    """
    advise = _madvise()
    if advise is not None and memory.nbytes >= _LARGE:
        start = -(-memory.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        advise(start, (memory.data_ptr() + memory.nbytes - start) // mmap.PAGESIZE * mmap.PAGESIZE, mmap.MADV_HUGEPAGE)


def result(shape: tuple[int, ...], dtype: torch.dtype, order: tuple[int, ...] | None = None) -> Tensor:
    """An uninitialised tensor that a kernel fills completely; no view, so that autograd lets it be changed in place.

    Args:
        shape: its size in each dimension.
        dtype: its type.
        order: dimensions as they lie in memory, the last one side by side; by default as they are.
    """
    memory = torch.empty_permuted(shape, order or tuple(range(len(shape))), dtype=dtype)
    _ask_for_huge_pages(memory)
    return memory


def scratch(elements: int, dtype: torch.dtype) -> Tensor:
    """Uninitialised working memory: a row of at least ``elements`` numbers for each of torch's threads."""
    unit = _LINE // dtype.itemsize
    return torch.empty((torch.get_num_threads(), -(-elements // unit) * unit), dtype=dtype)
