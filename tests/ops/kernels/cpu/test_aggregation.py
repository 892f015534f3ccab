"""The C kernels of the aggregation and its softmax against the definitions: outputs, gradients, layouts, threads."""

import itertools
from math import inf, nan

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_sbir.ops import Window, reference
from hybrid_sbir.ops.kernels.cpu import build, implementation
from tests.ops.arguments import GEOMETRIES, geometries
from tests.ops.kernels.cpu.guarded import guarded

OPERATORS = ["aggregation", "softmax_aggregation"]
LAYOUTS = list(itertools.product([False, True], repeat=2))
# How many channels share a weight, and how many weights: fewer than a vector has lanes, as many, more, odd ones.
CHANNELS = [(1, 1), (8, 2), (8, 8), (3, 5), (20, 3), (8, 16), (8, 32), (1, 33), (20, 17), (7, 1), (5, 4)]


@pytest.fixture(autouse=True, scope="module")
def _kernels():
    works, reason = build.available()
    if not works:
        pytest.skip(reason)


def arguments(window, size, channels=(8, 2), batch=2, dtype=torch.float64):
    """Seeded x, weight and gradient of the output."""
    (share, groups), (oh, ow) = channels, window.output_size(*size)
    shapes = [
        (batch, share * groups, *size),
        (batch, groups, window.positions, oh * ow),
        (batch, share * groups, oh, ow),
    ]
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


def laid_out(tensors, maps_last, weight_last):
    x, weight, grad = tensors
    if maps_last:
        x, grad = (t.contiguous(memory_format=torch.channels_last) for t in (x, grad))
    return [x, weight.permute(0, 3, 2, 1).contiguous().permute(0, 3, 2, 1) if weight_last else weight, grad]


def defined(operator, tensors, window):
    """Outputs and gradients by the definition, in float64."""
    x, weight, grad = (t.double() for t in tensors)
    leaves = x.requires_grad_(), weight.requires_grad_()
    results = getattr(reference, operator)(*leaves, window)
    results = results if isinstance(results, tuple) else (results,)
    return [*(r.detach() for r in results), *torch.autograd.grad(results[0], leaves, grad)]


def computed(operator, tensors, window, needed=(True, True)):
    """Outputs and gradients by the kernels."""
    x, weight, grad = tensors
    with guarded():
        results = getattr(implementation, operator)(x, weight, window)
        results = results if isinstance(results, tuple) else (results,)
        saved = results if len(results) == 2 else ()
        gradients = getattr(implementation, f"{operator}_backward")(grad, x, weight, *saved, window, needed)
    return [*results, *gradients]


def assert_agree(operator, tensors, window):
    for got, want in zip(computed(operator, tensors, window), defined(operator, tensors, window), strict=True):
        torch.testing.assert_close(got.double(), want, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("operator", OPERATORS)
def test_agrees_with_the_definition(operator, geometry, layout):
    window = Window(**geometry)
    assert_agree(operator, laid_out(arguments(window, (5, 8)), *layout), window)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_any_number_of_channels(operator, channels, layout):
    window = Window(3)
    assert_agree(operator, laid_out(arguments(window, (5, 7), channels), *layout), window)


@pytest.mark.parametrize("operator", OPERATORS)
@given(
    case=geometries(),
    layout=st.sampled_from(LAYOUTS),
    channels=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    batch=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_on_any_window(operator, case, layout, channels, batch):
    window = Window(**case[0])
    assert_agree(operator, laid_out(arguments(window, case[1], channels, batch), *layout), window)


@pytest.mark.parametrize("size", [(4, 4), (4, 9), (9, 4), (14, 14), (7, 7)])
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_seven_by_seven_window_from_the_smallest_map_on(operator, size):
    assert_agree(operator, arguments(Window(7), size, (8, 8)), Window(7))


@pytest.mark.parametrize(("batch", "size"), [(1, (12, 9)), (4, (9, 600))])
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_map_that_is_worked_on_in_strips(operator, batch, size):
    """One sample, so that its rows are shared out; and rows so wide that few of them fit a core's cache."""
    assert_agree(operator, arguments(Window(3), size, (8, 8), batch), Window(3))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [(8, 2), (8, 32), (20, 17)])
@pytest.mark.parametrize("operator", OPERATORS)
def test_single_precision(operator, channels, layout):
    tensors = arguments(Window(7), (8, 9), channels, dtype=torch.float32)
    for got, want in zip(
        computed(operator, laid_out(tensors, *layout), Window(7)), defined(operator, tensors, Window(7)), strict=True
    ):
        assert got.dtype == torch.float32
        assert (got - want).norm() < 2e-6 * want.norm()


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_layout_changes_no_bit_of_a_sum(operator):
    tensors = arguments(Window(5), (9, 9), (8, 32), dtype=torch.float32)
    plain = computed(operator, tensors, Window(5))
    for layout in LAYOUTS:
        other = computed(operator, laid_out(tensors, *layout), Window(5))
        assert all(map(torch.equal, plain, other))
        assert other[-1].permute(0, 3, 2, 1).is_contiguous() == layout[1]
        assert all(t.is_contiguous() for t in other[:-1])


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("batch", "channels"), [(1, (8, 2)), (1, (8, 32)), (3, (20, 3))])
def test_threads_and_repetition_change_no_bit(operator, batch, channels):
    tensors = arguments(Window(7), (30, 11), channels, batch, torch.float32)
    one = computed(operator, tensors, Window(7))
    for threads in (2, 2, 3):
        torch.set_num_threads(threads)
        assert all(map(torch.equal, one, computed(operator, tensors, Window(7))))


@pytest.mark.parametrize("layout", [(False, False), (True, True)])
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_gradient_alone_is_the_same(operator, layout):
    tensors = laid_out(arguments(Window(3), (5, 6), (8, 16), dtype=torch.float32), *layout)
    *_, grad_x, grad_weight = computed(operator, tensors, Window(3))
    assert torch.equal(computed(operator, tensors, Window(3), (True, False))[-2], grad_x)
    assert torch.equal(computed(operator, tensors, Window(3), (False, True))[-1], grad_weight)
    assert computed(operator, tensors, Window(3), (False, False))[-2:] == [None, None]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("operator", OPERATORS)
def test_half_types_are_summed_in_single_precision(operator, dtype):
    tensors = arguments(Window(7), (8, 8), dtype=dtype)
    half = computed(operator, tensors, Window(7))
    single = computed(operator, [t.float() for t in tensors], Window(7))
    for got, want in zip(half, single, strict=True):
        assert torch.equal(got.double(), want.to(got.dtype).double())
    assert [t.dtype for t in half] == (
        [dtype] * 3 if operator == "aggregation" else [dtype, torch.float32, dtype, dtype]
    )


@pytest.mark.parametrize("operator", OPERATORS)
def test_mixed_types(operator):
    """Under autocast x is in half and the softmax's weights in float32; each result has its own input's type."""
    x, weight, grad = arguments(Window(3), (5, 5), dtype=torch.float32)
    y, *_, grad_x, grad_weight = computed(operator, [x.bfloat16(), weight, grad.bfloat16()], Window(3))
    assert (y.dtype, grad_x.dtype, grad_weight.dtype) == (torch.bfloat16, torch.bfloat16, torch.float32)
    y, *_, grad_x, grad_weight = computed(operator, [x, weight.double(), grad], Window(3))
    assert (y.dtype, grad_x.dtype, grad_weight.dtype) == (torch.float32, torch.float32, torch.float64)


@pytest.mark.parametrize("operator", OPERATORS)
def test_any_strides(operator):
    tensors = arguments(Window(3), (5, 6))
    strided = [torch.stack([t, t + 1], -1)[..., 0] for t in tensors]
    assert all(map(torch.equal, computed(operator, strided, Window(3)), computed(operator, tensors, Window(3))))


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("batch", "channels"), [(0, (8, 2)), (2, (0, 2))])
def test_nothing_to_aggregate(operator, batch, channels):
    assert_agree(operator, arguments(Window(3), (4, 5), channels, batch), Window(3))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["reflect", "zeros"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_what_is_not_finite_goes_where_the_definition_sends_it(operator, mode, layout):
    window = Window(3, padding_mode=mode)
    for place, value in itertools.product(range(3), [nan, inf, -inf]):
        tensors = arguments(window, (5, 6), (3, 5), batch=1)
        tensors[place].view(1, -1, 30)[0, 2::7, 8] = value
        wanted = defined(operator, tensors, window)
        for got, want in zip(computed(operator, laid_out(tensors, *layout), window), wanted, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11, equal_nan=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_softmax_without_a_winner_or_with_only_one(layout):
    tensors = arguments(Window(3), (5, 6), batch=1)
    tensors[1][:, :, :, 3] = -inf
    tensors[1][:, :, 4, 7] = 900.0
    wanted = defined("softmax_aggregation", tensors, Window(3))
    for got, want in zip(computed("softmax_aggregation", laid_out(tensors, *layout), Window(3)), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11, equal_nan=True)
