"""Aggregation and softmax aggregation against the definitions: any window, type and layout, output and gradients."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from hybrid_sbir.ops import Window, reference
from hybrid_sbir.ops.kernels.cuda import implementation as cuda
from tests.ops.arguments import GEOMETRIES, geometries
from tests.ops.kernels.cuda.agreement import CHECKS, aggregation_arguments, assert_within
from tests.ops.kernels.cuda.variants import BFLOAT, DOUBLE, HALF, SINGLE

OPERATORS = list(CHECKS)


@pytest.fixture(params=OPERATORS)
def check(request):
    return CHECKS[request.param]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: "-".join(f"{k}={v}" for k, v in g.items()))
def test_agrees_with_the_definition(device, check, geometry):
    window = Window(**geometry)
    check(device, *aggregation_arguments(window, (5, 8)), window)


@given(case=geometries())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_the_definition_on_any_window(device, check, case):
    window = Window(**case[0])
    check(device, *aggregation_arguments(window, case[1]), window)


@pytest.mark.parametrize(
    ("window", "size"),
    [
        (Window(7), (4, 5)),  # the smallest map that a border of 3 can mirror: two images on both sides
        (Window(5, dilation=2), (5, 6)),
        (Window(3), (21, 30)),  # several tiles on both axes, the last ones partial
        (Window(7, padding_mode="zeros"), (3, 300)),  # wider than a block
        (Window(3, dilation=40, padding_mode="zeros"), (50, 41)),  # no tile would fit shared memory
        (Window(3, stride=4), (17, 18)),  # a tile would not pay
        (Window(9, stride=2), (12, 40)),
        (Window(3, stride=2), (40, 41)),  # the first output of a tile of inputs lies between two strides
        (Window(3, stride=2), (3, 300)),
        (Window(5, stride=3), (41, 40)),
    ],
    ids=[
        "smallest",
        "smallest-dilated",
        "tiles",
        "wide",
        "far",
        "strided",
        "strided-tiles",
        "stride-2",
        "stride-2-wide",
        "stride-3",
    ],
)
def test_agrees_on_maps_of_every_kind(device, check, window, size):
    check(device, *aggregation_arguments(window, size, batch=1), window)


@pytest.mark.parametrize(("channels", "groups"), [(3, 3), (3, 1), (10, 5), (16, 2), (20, 1), (33, 3)])
def test_any_number_of_channels_may_share_a_weight(device, check, channels, groups):
    check(device, *aggregation_arguments(Window(3), (4, 6), channels, groups), Window(3))


@pytest.mark.parametrize(
    "dtypes",
    [(SINGLE,), (HALF,), (BFLOAT,), (HALF, SINGLE), (SINGLE, HALF), (BFLOAT, SINGLE), (DOUBLE, HALF), (HALF, DOUBLE)],
    ids=lambda pair: "-".join(str(d).removeprefix("torch.") for d in pair),
)
def test_any_types_within_derived_bounds(device, check, dtypes):
    check(device, *aggregation_arguments(Window(3), (9, 13), 8, 1, dtypes=dtypes), Window(3))


def run(operator, device, x, weight, grad, window):
    """Results and gradients on the CPU."""
    x, weight, grad = (t.to(device) for t in (x, weight, grad))
    if operator == "aggregation":
        found = (cuda.aggregation(x, weight, window),)
        extra = ()
    else:
        found = extra = cuda.softmax_aggregation(x, weight, window)
    backward = getattr(cuda, f"{operator}_backward")
    return [t.cpu() for t in (*found, *backward(grad, x, weight, *extra, window, (True, True)))]


@pytest.mark.parametrize("operator", OPERATORS)
def test_layouts_change_no_bit(device, operator):
    x, weight, grad = aggregation_arguments(Window(3), (5, 6))
    dense = run(operator, device, x, weight, grad, Window(3))
    last = [t.to(memory_format=torch.channels_last) for t in (x, grad)]
    permuted = weight.permute(0, 3, 2, 1).contiguous().permute(0, 3, 2, 1)
    strided = [torch.stack([t, t + 1], -1)[..., 0] for t in (x, weight, grad)]
    for other in ((last[0], permuted, last[1]), tuple(strided)):
        for a, b in zip(run(operator, device, *other, Window(3)), dense, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert run(operator, device, last[0], permuted, last[1], Window(3))[-1].stride() == permuted.stride()


@pytest.mark.parametrize("operator", OPERATORS)
def test_results_are_contiguous_maps_of_their_own(device, operator):
    x, weight, grad = aggregation_arguments(Window(3), (5, 6))
    x = x.to(memory_format=torch.channels_last)
    for result in run(operator, device, x, weight, grad, Window(3)):
        assert result.is_contiguous()
        assert result._base is None


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_empty_batch(device, operator):
    found = run(operator, device, *aggregation_arguments(Window(3), (5, 6), batch=0), Window(3))
    assert [t.shape[0] for t in found] == [0] * len(found)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("needed", [(True, False), (False, True), (False, False)])
def test_only_what_is_needed_is_computed(host_launcher, operator, needed):
    x, weight, grad = aggregation_arguments(Window(3), (5, 6))
    extra = () if operator == "aggregation" else cuda.softmax_aggregation(x, weight, Window(3))
    host_launcher.launched.clear()
    found = getattr(cuda, f"{operator}_backward")(grad, x, weight, *extra, Window(3), needed)
    assert [t is not None for t in found] == list(needed)
    names = [
        name for name, wanted in zip(["aggregation_grad_x", "aggregation_grad_weight"], needed, strict=True) if wanted
    ]
    assert [kernel for _, kernel in host_launcher.launched] == names


@pytest.mark.parametrize("operator", OPERATORS)
def test_same_bits_on_every_run(device, operator):
    arguments = aggregation_arguments(Window(7), (14, 14), 16, 2, dtypes=(HALF, SINGLE))
    first, second = (run(operator, device, *arguments, Window(7)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("window", "size"), [(Window(7), (14, 29)), (Window(3, stride=2), (9, 9))])
def test_no_bit_depends_on_the_order_of_threads(host_launcher, operator, window, size):
    """What a missing barrier, or two threads that write the same place, would change."""
    arguments = aggregation_arguments(window, size, 10, 1)
    forward = run(operator, "cpu", *arguments, window)
    host_launcher.reversed = True
    for a, b in zip(run(operator, "cpu", *arguments, window), forward, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("channels", [8, 10])
def test_wide_offsets_change_no_bit(device, wide_launcher, operator, channels):
    arguments = aggregation_arguments(Window(3), (5, 6), channels, 1)
    narrow = run(operator, device, *arguments, Window(3))
    with wide_launcher() as programs:
        wide = run(operator, device, *arguments, Window(3))
    assert programs
    assert all(program.wide for program in programs)
    for a, b in zip(wide, narrow, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_masked_and_huge_logits_in_half(device):
    """Minus infinity is a weight of zero, in the first row of the window too; exp(60000) does not overflow."""
    window = Window(3)
    x, logits, grad = aggregation_arguments(window, (6, 6), 4, 2, dtypes=(HALF,))
    logits[:, :, :4, ::2] = float("-inf")
    logits[:, :, 5, ::3] = 60000.0
    logits[:, :, 1:, 7] = float("-inf")
    found = run("softmax_aggregation", device, x, logits, grad, window)
    inputs = [t.double().requires_grad_() for t in (x, logits)]
    expected, lse = reference.softmax_aggregation(*inputs, window)
    gradients = torch.autograd.grad(expected, inputs, grad.double())
    assert all(bool(t.isfinite().all()) for t in found)
    # float32 holds lse = 60000 to 2 ** -9, which the weights that the gradients are made with repeat.
    for actual, wanted in zip(found, (expected, lse, *gradients), strict=True):
        torch.testing.assert_close(actual.double(), wanted, rtol=2**-8, atol=2**-8)


def test_only_masked_logits_give_nan_as_the_definition_does(device):
    x, logits, _ = aggregation_arguments(Window(3), (3, 3))
    logits[0, 0, :, 4] = float("-inf")
    y, lse = (t.cpu() for t in cuda.softmax_aggregation(x.to(device), logits.to(device), Window(3)))
    expected = reference.softmax_aggregation(x, logits, Window(3))
    torch.testing.assert_close(y, expected[0], equal_nan=True)
    torch.testing.assert_close(lse, expected[1])
    assert y.isnan().sum() == 3


def test_an_error_of_half_a_digit_is_seen():
    """The bounds are no rubber: the error of an accumulation in half is outside them."""
    x, weight, _ = aggregation_arguments(Window(7), (7, 7), dtypes=(HALF,))
    exact = reference.aggregation(x.double(), weight.double(), Window(7))
    size = reference.aggregation(x.double().abs(), weight.double().abs(), Window(7))
    in_half = torch.zeros_like(x)
    for k in range(49):
        in_half += reference.aggregation(x, weight * (torch.arange(49) == k)[:, None], Window(7))
    with pytest.raises(AssertionError, match="times the bound"):
        assert_within(in_half, exact, size, 2 * 7 + 4, SINGLE)
