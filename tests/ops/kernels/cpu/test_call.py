"""What the call layer hands to C, and what it refuses to hand over."""

import ctypes
import sys
from types import SimpleNamespace

import pytest
import torch

from hybrid_sbir.ops import Window
from hybrid_sbir.ops.kernels.cpu import call


@pytest.fixture
def received(monkeypatch):
    """The arguments that a C function would get."""
    got = []
    monkeypatch.setattr(
        call, "library", lambda real: SimpleNamespace(kernel=lambda *values: got.append((real, *values)))
    )
    return got


def test_pointers_sizes_and_threads(received):
    tensor = torch.zeros(2, 3, dtype=torch.float64)
    torch.set_num_threads(2)
    call.call("kernel", torch.float64, tensor, None, 7)
    real, pointer, nothing, size, threads = received[0]
    assert (real, pointer.value, nothing.value, size.value, threads.value) == ("double", tensor.data_ptr(), None, 7, 2)
    assert type(size) is type(threads) is ctypes.c_int64


def test_a_geometry_has_the_fields_of_the_c_struct(monkeypatch):
    place = call.geometry(Window(5, stride=2, padding=1, dilation=3, padding_mode="zeros"), 20, 30)
    assert [getattr(place, name) for name, _ in place._fields_] == [20, 30, 5, 10, 5, 2, 3, 1, 0]


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.zeros(4, 4)[:, :2], r"shape \(4, 2\) and strides \(4, 1\)"),
        (torch.zeros(3).expand(2, 3), r"strides \(0, 1\)"),
        (torch.zeros(2, 3).double(), "torch.float64 tensor.*takes dense torch.float32"),
        (torch.zeros(2, 3, device="meta"), "on meta"),
    ],
)
def test_what_would_be_misread_is_refused(received, tensor, words):
    with pytest.raises(ValueError, match=f"kernel got a .*{words}"):
        call.call("kernel", torch.float32, tensor)
    assert not received


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, 3, 4, 5),
        torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        torch.zeros(2, 3, 4, 5).permute(0, 3, 2, 1),
        torch.zeros(1, 3)[:, :],
        torch.zeros(0, 4)[:, :2],
    ],
)
def test_any_order_of_dimensions_without_gaps_is_dense(tensor):
    assert call.is_dense(tensor)


@pytest.mark.skipif(sys.byteorder != "little", reason="reads the first byte of a number")
def test_numbers_from_c_come_back(monkeypatch):
    monkeypatch.setattr(call, "library", lambda real: ctypes.CDLL(None))
    assert call.measure("labs", torch.float32, -(2**40)) == 2**40
