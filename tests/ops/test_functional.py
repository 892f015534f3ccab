"""Every operator against explicit loops, in output and gradient, on any window; and what the front doors refuse."""

import pytest
import torch
from hypothesis import given, settings

from hybrid_sbir import ops
from hybrid_sbir.ops import Window, reference
from tests.ops import oracle
from tests.ops.arguments import GEOMETRIES, geometries, make_arguments

OPERATORS = [
    "windows",
    "aggregation",
    "softmax_aggregation",
    "subtraction",
    "pair_relation",
    "pair_moments",
    "pair_attention",
    "patch_relation",
    "patch_attention",
]


@pytest.fixture(params=GEOMETRIES, ids=lambda g: "-".join(f"{k}={v}" for k, v in g.items()))
def geometry(request):
    return request.param


def run(operator, arguments, geometry):
    out = getattr(ops, operator)(*arguments, **geometry)
    return torch.cat(out) if operator == "pair_moments" else out[0] if isinstance(out, tuple) else out


def expected(operator, arguments, geometry):
    if operator == "windows":
        return oracle.neighbours(*arguments, **geometry)[0]
    if operator == "softmax_aggregation":
        return oracle.aggregation(arguments[0], arguments[1].softmax(2), **geometry)
    out = getattr(oracle, operator)(*arguments, **geometry)
    return torch.cat(out) if operator == "pair_moments" else out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("operator", OPERATORS)
def test_agrees_with_explicit_loops(operator, geometry):
    arguments = make_arguments(operator, geometry, (5, 8))
    torch.testing.assert_close(run(operator, arguments, geometry), expected(operator, arguments, geometry))


@pytest.mark.parametrize("operator", OPERATORS)
@given(case=geometries())
@settings(max_examples=25, deadline=None)
def test_agrees_with_explicit_loops_on_any_window(operator, case):
    arguments = make_arguments(operator, *case)
    torch.testing.assert_close(run(operator, arguments, case[0]), expected(operator, arguments, case[0]))


@pytest.mark.parametrize("operator", OPERATORS)
def test_gradients(operator, geometry):
    arguments = [a.requires_grad_() for a in make_arguments(operator, geometry, (5, 5), batch=1)]
    fast = geometry["kernel_size"] == 7  # all of its thousands of numbers one by one take half a minute
    assert torch.autograd.gradcheck(lambda *a: run(operator, a, geometry), arguments, nondet_tol=0.0, fast_mode=fast)


@pytest.mark.parametrize("operator", ["windows", "aggregation", "subtraction"])
@given(case=geometries())
@settings(max_examples=25, deadline=None)
def test_gradients_agree_with_the_definition(operator, case):
    first, second = ([a.requires_grad_() for a in make_arguments(operator, *case)] for _ in range(2))
    run(operator, first, case[0]).square().sum().backward()
    getattr(reference, operator)(*second, Window(**case[0])).square().sum().backward()
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_empty_batch_gives_an_empty_result(operator):
    arguments = make_arguments(operator, {"kernel_size": 3}, (4, 4), batch=0)
    out = run(operator, arguments, {"kernel_size": 3})
    assert out.isnan().all() if operator == "pair_moments" else out.shape[0] == 0


@pytest.mark.parametrize("operator", OPERATORS)
def test_strided_and_channels_last_input(operator):
    dense = make_arguments(operator, {"kernel_size": 3}, (4, 6))
    last = [a.to(memory_format=torch.channels_last) if a.ndim == 4 else a for a in dense]
    strided = [torch.stack([a, a + 1], -1)[..., 0] for a in dense]
    for other in (last, strided):
        torch.testing.assert_close(run(operator, other, {"kernel_size": 3}), run(operator, dense, {"kernel_size": 3}))


@pytest.mark.parametrize(
    "operator", [name for name in OPERATORS if name not in ("softmax_aggregation", "pair_attention")]
)
def test_a_result_may_be_changed_in_place(operator):
    arguments = [a.requires_grad_() for a in make_arguments(operator, {"kernel_size": 3}, (4, 4))]
    run(operator, arguments, {"kernel_size": 3}).mul_(2).sum().backward()
    assert all(a.grad is not None for a in arguments)


@pytest.mark.parametrize("operator", ["softmax_aggregation", "pair_attention"])
def test_a_result_that_the_gradient_needs_may_not_be_changed_in_place(operator):
    """As for torch.softmax: PyTorch says so, rather than returning a wrong gradient."""
    arguments = [a.requires_grad_() for a in make_arguments(operator, {"kernel_size": 3}, (4, 4))]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        run(operator, arguments, {"kernel_size": 3}).mul_(2).sum().backward()


def test_the_log_divisor_is_the_softmaxs():
    x, logits = make_arguments("softmax_aggregation", {"kernel_size": 3}, (4, 4))
    divisor = ops.softmax_aggregation(x, logits.requires_grad_(), kernel_size=3)[1]
    torch.testing.assert_close((logits - divisor.unsqueeze(2)).exp(), logits.softmax(2))
    assert not divisor.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_sums_in_single(dtype):
    """With weights of 1/K a sum in half would be off by many roundings; in float32 only the last one remains."""
    x = torch.randn(1, 2, 9, 9, generator=torch.Generator().manual_seed(0)).to(dtype)
    weight = torch.full((1, 1, 49, 81), 1 / 49)
    half, single = (ops.aggregation(t, weight, kernel_size=7) for t in (x, x.float()))
    assert half.dtype == dtype
    torch.testing.assert_close(half, single.to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: ops.aggregation(x, x, kernel_size=3), r"weight is \(1, 4, 5, 5\).*must be \(1, G, 9, 25\)"),
        (lambda x: ops.aggregation(x, torch.zeros(1, 3, 9, 25), kernel_size=3), "3 channels; they must divide the 4"),
        (lambda x: ops.softmax_aggregation(x, x, kernel_size=3), "logits is"),
        (lambda x: ops.subtraction(x, x[:, :2], kernel_size=3), r"psi is \(1, 2, 5, 5\)"),
        (lambda x: ops.windows(x[0], kernel_size=3), r"x is \(4, 5, 5\).*\(N, C, H, W\)"),
        (lambda x: ops.windows(x[:, :0], kernel_size=3), r"phi is \(1, 0, 5, 5\); only the batch may be empty"),
        (lambda x: ops.windows(x, kernel_size=4), "kernel_size is 4.*odd"),
        (lambda x: ops.windows(x, kernel_size=3, stride=0), "stride is 0"),
        (lambda x: ops.windows(x, kernel_size=3, padding=2), "padding is 2; it must lie between 0 and 1"),
        (lambda x: ops.windows(x, kernel_size=3, padding_mode="wrap"), "padding_mode is 'wrap'"),
        (lambda x: ops.windows(x, kernel_size=11), r"reflects 5 positions, but the map is only 5 x 5; use at least 6"),
        (lambda x: ops.windows(x, kernel_size=7, padding=0), "does not fit a map of 5 x 5"),
    ],
)
def test_a_refusal_says_what_was_got_and_what_is_allowed(call, words):
    with pytest.raises(ValueError, match=words):
        call(torch.zeros(1, 4, 5, 5))
