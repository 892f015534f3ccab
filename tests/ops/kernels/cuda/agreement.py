"""The kernels against the definitions in float64, with bounds derived from the arithmetic and not from experience.

A sum of n products in floating point is off by at most about n * u * (sum of the absolute products), u the unit
roundoff of the accumulator (Higham, 2002, section 3.1); storing the result adds u of its type. Expected values are made
from the very numbers the kernels get, rounded to their types.

Shapes: N batch, C aggregated channels, G weight channels, Q = C / G, R relation channels, P positions, K neighbours.
"""

import torch
from torch import Tensor

from hybrid_sbir.ops import Window, reference
from hybrid_sbir.ops.accumulation import accumulation_type
from hybrid_sbir.ops.kernels.cuda import implementation as cuda

UNIT = {torch.float64: 2.0**-53, torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}

# What rounds to zero: below half's last digit; below float32's normal numbers, which CuPy's modules take for zero.
_TINY = {torch.float64: 2.0**-1022, torch.float32: 2.0**-126, torch.float16: 2.0**-25, torch.bfloat16: 2.0**-126}


def draw(*shapes: tuple[int, ...], dtypes=(torch.float64,), seed=0) -> list[Tensor]:
    """Seeded normal numbers of each shape; the last of ``dtypes`` serves for all that follow."""
    generator = torch.Generator().manual_seed(seed)
    types = [dtypes[min(i, len(dtypes) - 1)] for i in range(len(shapes))]
    return [torch.randn(s, generator=generator, dtype=torch.float64).to(t) for s, t in zip(shapes, types, strict=True)]


def aggregation_arguments(window: Window, size, channels=6, groups=2, batch=2, dtypes=(torch.float64,), seed=0):
    """x, weight and a gradient of the result."""
    oh, ow = window.output_size(*size)
    x, weight, grad = draw(
        (batch, channels, *size),
        (batch, groups, window.positions, oh * ow),
        (batch, channels, oh, ow),
        dtypes=(dtypes[0], dtypes[-1], dtypes[0]),
        seed=seed,
    )
    return x, weight, grad


def assert_within(actual: Tensor, expected: Tensor, size: Tensor, terms: float, accumulator: torch.dtype, slack=0.0):
    """|actual - expected| <= 2 * terms * u * size, and the rounding of the result; ``slack`` is added."""
    bound = 2 * terms * UNIT[accumulator] * size + UNIT[actual.dtype] * expected.abs() + _TINY[actual.dtype] + slack
    error = (actual.double().cpu() - expected).abs()
    assert actual.shape == expected.shape
    worst = (error / bound).max() if error.numel() else 0.0
    assert bool((error <= bound).all()), f"{worst} times the bound; largest error {error.max()}"


def _to(device: str, *tensors: Tensor) -> list[Tensor]:
    return [t.detach().to(device) for t in tensors]


def _gradients(result: Tensor, of: list[Tensor], grad: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(result, of, grad)


def _doubles(*tensors: Tensor) -> list[Tensor]:
    return [t.detach().double().requires_grad_() for t in tensors]


def check_aggregation(device: str, x: Tensor, weight: Tensor, grad: Tensor, window: Window) -> None:
    """Output and gradients of the aggregation."""
    inputs, side, share = _doubles(x, weight), window.kernel_size, x.shape[1] // weight.shape[1]
    accumulator = accumulation_type(x.dtype, weight.dtype)
    expected = reference.aggregation(*inputs, window)
    sizes = _doubles(x.abs(), weight.abs())
    size = reference.aggregation(*sizes, window)
    args = _to(device, x, weight)
    assert_within(cuda.aggregation(*args, window), expected, size, 2 * side + 4, accumulator)
    found = cuda.aggregation_backward(grad.to(device), *args, window, (True, True))
    expected = _gradients(expected, inputs, grad.double())
    size = _gradients(size, sizes, grad.double().abs())
    assert_within(found[0], expected[0], size[0], 10 * side + 4, accumulator)
    assert_within(found[1], expected[1], size[1], share + 4, accumulator)
    assert [t.dtype for t in found] == [x.dtype, weight.dtype]


def check_softmax_aggregation(device: str, x: Tensor, logits: Tensor, grad: Tensor, window: Window) -> None:
    """Output, log divisor and gradients of the softmax aggregation."""
    inputs, side, (n, c) = _doubles(x, logits), window.kernel_size, x.shape[:2]
    groups, g = logits.shape[1], grad.double()
    accumulator = accumulation_type(x.dtype, logits.dtype)
    expected, lse = reference.softmax_aggregation(*inputs, window)
    p = inputs[1].softmax(2).detach().requires_grad_()
    sizes = [x.double().abs().requires_grad_(), p]
    size = reference.aggregation(*sizes, window)
    # An exponential is off by u times its argument; arguments reach the logits' spread, and their distance to lse.
    spread = float(logits.double().max() - logits.double().min())
    reach = spread + float(lse.abs().max())
    args = _to(device, x, logits)
    y, divisor = cuda.softmax_aggregation(*args, window)
    terms = 2 * (spread + 2 * side + 8)
    assert_within(y, expected, size, terms, accumulator)
    assert_within(divisor, lse, 1 + lse.abs(), terms, accumulator)
    found = cuda.softmax_aggregation_backward(grad.to(device), *args, y, divisor, window, (True, True))
    expected_x, expected_logits = _gradients(expected, inputs, g)
    size_x, size_p = _gradients(size, sizes, g.abs())
    projection = (g * expected).abs().view(n, c // groups, groups, 1, -1).sum(1).detach()
    assert_within(found[0], expected_x, size_x, reach + 10 * side + 8, accumulator)
    rounded = p.detach() * projection * UNIT[x.dtype]  # y was rounded to x's type before it came back
    size_logits = p.detach() * (size_p + projection)
    assert_within(found[1], expected_logits, size_logits, reach + 2 * c // groups + 8, accumulator, rounded)
    assert [t.dtype for t in (y, divisor, *found)] == [x.dtype, accumulator, x.dtype, logits.dtype]


def check_subtraction(device: str, phi: Tensor, psi: Tensor, grad: Tensor, window: Window) -> None:
    """Output and gradients of the subtraction; the gradients have the type of ``grad``."""
    inputs, accumulator = _doubles(phi, psi), accumulation_type(phi.dtype, psi.dtype)
    expected = reference.subtraction(*inputs, window)
    assert_within(cuda.subtraction(*_to(device, phi, psi), window), expected, expected.abs(), 2, accumulator)
    height, width = phi.shape[2:]
    found = cuda.subtraction_backward(grad.to(device), height, width, window, (True, True))
    size = reference.subtraction(*inputs, window)
    wanted = _gradients(expected, inputs, grad.double())
    sizes = [t.abs() for t in _gradients(size, inputs, grad.double().abs())]
    for actual, value, magnitude in zip(found, wanted, sizes, strict=True):
        assert_within(actual, value, magnitude, 10 * window.kernel_size, accumulation_type(grad.dtype))
        assert actual.dtype == grad.dtype


CHECKS = {"aggregation": check_aggregation, "softmax_aggregation": check_softmax_aggregation}
