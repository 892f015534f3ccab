"""The C kernels of the subtraction against the definition: outputs, gradients, types, threads."""

from math import inf, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_sbir.ops import Window, reference
from hybrid_sbir.ops.kernels.cpu import build, implementation
from tests.ops.arguments import GEOMETRIES, geometries, make_arguments
from tests.ops.kernels.cpu.guarded import guarded


@pytest.fixture(autouse=True, scope="module")
def _kernels():
    works, reason = build.available()
    if not works:
        pytest.skip(reason)


def gradient_of(d):
    return torch.randn(d.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(d.dtype)


def computed(phi, psi, window, needed=(True, True)):
    """The relation and its gradients by the kernels."""
    with guarded():
        d = implementation.subtraction(phi, psi, window)
        grads = implementation.subtraction_backward(gradient_of(d), phi.shape[2], phi.shape[3], window, needed)
    return [d, *grads]


def defined(phi, psi, window):
    """The same by the definition."""
    leaves = phi.clone().requires_grad_(), psi.clone().requires_grad_()
    d = reference.subtraction(*leaves, window)
    return [d.detach(), *torch.autograd.grad(d, leaves, gradient_of(d))]


def assert_agree(phi, psi, window):
    for got, want in zip(computed(phi, psi, window), defined(phi, psi, window), strict=True):
        assert got.is_contiguous()
        torch.testing.assert_close(got, want, equal_nan=True)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_agrees_with_the_definition(geometry):
    assert_agree(*make_arguments("subtraction", geometry, (5, 8)), Window(**geometry))


@given(case=geometries(), batch=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_agrees_on_any_window(case, batch):
    assert_agree(*make_arguments("subtraction", *case, batch=batch), Window(**case[0]))


@pytest.mark.parametrize("size", [(4, 4), (4, 9), (9, 4)])
def test_the_smallest_maps_of_a_seven_by_seven_window(size):
    assert_agree(*make_arguments("subtraction", {"kernel_size": 7}, size), Window(7))


def test_channels_last_and_any_strides():
    tensors = make_arguments("subtraction", {"kernel_size": 3}, (5, 6))
    assert_agree(*(t.contiguous(memory_format=torch.channels_last) for t in tensors), Window(3))
    assert_agree(*(torch.stack([t, t + 1], -1)[..., 0] for t in tensors), Window(3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_rounded_once(dtype):
    half = make_arguments("subtraction", {"kernel_size": 3}, (5, 6), dtype=dtype)
    got, want = computed(*half, Window(3)), computed(*(t.float() for t in half), Window(3))
    assert [t.dtype for t in got] == [dtype] * 3
    assert torch.equal(got[0], want[0].to(dtype))


def test_threads_and_repetition_change_no_bit():
    tensors = make_arguments("subtraction", {"kernel_size": 7}, (9, 12), dtype=torch.float32)
    one = computed(*tensors, Window(7))
    for threads in (2, 2, 3):
        torch.set_num_threads(threads)
        assert all(map(torch.equal, one, computed(*tensors, Window(7))))


def test_only_what_is_needed_is_returned():
    tensors = make_arguments("subtraction", {"kernel_size": 3}, (4, 4))
    assert computed(*tensors, Window(3), (True, False))[2] is None
    assert computed(*tensors, Window(3), (False, True))[1] is None


@pytest.mark.parametrize("mode", ["reflect", "zeros"])
def test_what_is_not_finite_goes_where_the_definition_sends_it(mode):
    for place, value in ((0, nan), (0, -inf), (1, nan), (1, inf)):
        tensors = make_arguments("subtraction", {"kernel_size": 3}, (4, 5))
        tensors[place][0, :, 1, 2] = value
        assert_agree(*tensors, Window(3, padding_mode=mode))
