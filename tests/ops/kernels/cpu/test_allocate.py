"""Memory for kernels: aligned, a row of scratch for each thread, and large results advised to lie in huge pages."""

import mmap
from pathlib import Path

import pytest
import torch

from hybrid_sbir.ops.kernels.cpu import allocate

SMAPS = Path("/proc/self/smaps")


def flags_at(address):
    """The kernel's flags of the mapping that holds an address."""
    inside = False
    for line in SMAPS.read_text().splitlines():
        first = line.split()[0]
        if not first.endswith(":"):
            low, high = (int(part, 16) for part in first.split("-"))
            inside = low <= address < high
        elif inside and first == "VmFlags:":
            return line.split()[1:]
    return []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scratch_has_a_row_of_whole_cache_lines_for_each_thread(dtype):
    torch.set_num_threads(2)
    scratch = allocate.scratch(17, dtype)
    assert scratch.shape == (2, {torch.float32: 32, torch.float64: 24}[dtype])
    assert scratch.stride(0) * dtype.itemsize % 64 == 0
    assert scratch.data_ptr() % 64 == 0


@pytest.mark.skipif(
    not (hasattr(mmap, "MADV_HUGEPAGE") and SMAPS.exists() and Path("/sys/kernel/mm/transparent_hugepage").exists()),
    reason="needs Linux with huge pages and /proc/self/smaps",
)
def test_large_results_are_advised_to_lie_in_huge_pages():
    large = allocate.result((9, 1 << 20), torch.float32)
    assert "hg" in flags_at(large.data_ptr() + large.nbytes // 2)
    assert large.fill_(1).sum() == 9 << 20


@pytest.mark.parametrize("order", [None, (0, 3, 2, 1)])
def test_a_result_is_no_view(order):
    """Autograd forbids to change a view in place that a custom operator returned."""
    result = allocate.result((2, 3, 4, 5), torch.float32, order)
    assert not result._is_view()
    assert result.permute(order or (0, 1, 2, 3)).is_contiguous()


def test_results_are_the_same_where_there_are_no_huge_pages(monkeypatch):
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    allocate._madvise.cache_clear()
    assert allocate._madvise() is None
    assert allocate.result((5, 1 << 20), torch.float64).shape == (5, 1 << 20)
    monkeypatch.undo()
    allocate._madvise.cache_clear()
