"""The operators in C, as functions of tensors that :mod:`hybrid_sbir.ops.functional` has checked.

Shapes: N batch, C aggregated channels, G weight channels (C is a multiple of G), R relation channels, H, W input size,
OH, OW output size, P = OH * OW output positions, K window positions.

Sums are made in float64 if an input is float64, else in float32. Half types are converted whole on entry: they serve
mixed precision, which is meant for other devices.
"""

import torch
from torch import Tensor

from hybrid_sbir.ops.accumulation import accumulation_dtype
from hybrid_sbir.ops.kernels.cpu import allocate
from hybrid_sbir.ops.kernels.cpu.call import Problem, call, geometry, measure
from hybrid_sbir.ops.kernels.cpu.relations import (
    pair_attention,
    pair_attention_backward,
    pair_moments,
    pair_moments_backward,
    pair_relation,
    pair_relation_backward,
    patch_attention,
    patch_attention_backward,
    patch_relation,
    patch_relation_backward,
)
from hybrid_sbir.ops.window import Window

__all__ = [
    "aggregation",
    "aggregation_backward",
    "pair_attention",
    "pair_attention_backward",
    "pair_moments",
    "pair_moments_backward",
    "pair_relation",
    "pair_relation_backward",
    "patch_attention",
    "patch_attention_backward",
    "patch_relation",
    "patch_relation_backward",
    "softmax_aggregation",
    "softmax_aggregation_backward",
    "subtraction",
    "subtraction_backward",
]

Needed = tuple[bool, ...]


def _map(tensor: Tensor, dtype: torch.dtype) -> tuple[Tensor, bool]:
    """A map (N, C, H, W) that is dense, and whether its channels lie side by side."""
    tensor = tensor.to(dtype)
    if tensor.is_contiguous():
        return tensor, False
    last = tensor.is_contiguous(memory_format=torch.channels_last)
    return (tensor if last else tensor.contiguous()), last


def _weights(tensor: Tensor, dtype: torch.dtype) -> tuple[Tensor, bool]:
    """Weights (N, G, K, P) that are dense, and whether they lie as (N, P, K, G)."""
    tensor = tensor.to(dtype)
    if tensor.is_contiguous():
        return tensor, False
    last = tensor.permute(0, 3, 2, 1).is_contiguous()
    return (tensor if last else tensor.contiguous()), last


def _weights_result(shape: tuple[int, ...], dtype: torch.dtype, last: bool) -> Tensor:
    """Uninitialised weights in the given layout."""
    return allocate.result(shape, dtype, (0, 3, 2, 1) if last else None)


def _problem(x: Tensor, weight: Tensor, window: Window, x_last: bool, weight_last: bool, grad_last: bool) -> Problem:
    place = geometry(window, x.shape[2], x.shape[3])
    return Problem(place, x.shape[0], x.shape[1], weight.shape[1], x_last, weight_last, grad_last)


def _aggregate(x: Tensor, weight: Tensor, window: Window, softmax: bool) -> tuple[Tensor, Tensor | None]:
    """Both forward passes."""
    dtype, (oh, ow) = accumulation_dtype(x, weight), window.output_size(x.shape[2], x.shape[3])
    (dense_x, x_last), (dense_weight, weight_last) = _map(x, dtype), _weights(weight, dtype)
    y = allocate.result((*x.shape[:2], oh, ow), dtype)
    lse = allocate.result((x.shape[0], weight.shape[1], oh * ow), dtype) if softmax else None
    problem = _problem(x, weight, window, x_last, weight_last, False)
    rows = measure("aggregation_rows", dtype, problem)
    scratch = allocate.scratch(measure("aggregation_scratch", dtype, problem, rows), dtype)
    call("aggregation", dtype, dense_x, dense_weight, y, lse, scratch, problem, scratch.shape[1], rows)
    return y.to(x.dtype), lse


def _aggregate_backward(
    grad: Tensor, x: Tensor, weight: Tensor, lse: Tensor | None, window: Window, needed: Needed
) -> tuple[Tensor | None, Tensor | None]:
    """Both backward passes."""
    dtype = accumulation_dtype(x, weight)
    (dense_grad, grad_last), (dense_x, x_last) = _map(grad, dtype), _map(x, dtype)
    dense_weight, weight_last = _weights(weight, dtype)
    grad_x = allocate.result(tuple(x.shape), dtype) if needed[0] else None
    grad_weight = _weights_result(tuple(weight.shape), dtype, weight_last) if needed[1] else None
    if not x.shape[1] and grad_weight is not None:
        return grad_x, grad_weight.zero_().to(weight.dtype)  # sums of nothing
    if not any(needed):
        return None, None
    problem = _problem(x, weight, window, x_last, weight_last, grad_last)
    scratch = allocate.scratch(measure("aggregation_backward_scratch", dtype, problem), dtype)
    tensors = (dense_grad, dense_x, dense_weight, lse, grad_x, grad_weight, scratch)
    call("aggregation_backward", dtype, *tensors, problem, scratch.shape[1])
    return (
        None if grad_x is None else grad_x.to(x.dtype),
        None if grad_weight is None else grad_weight.to(weight.dtype),
    )


def aggregation(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    """y[n, c, p] = sum over k of weight[n, c mod G, k, p] * x[n, c, k-th neighbour of p].

    Args:
        x: (N, C, H, W), contiguous or channels last; other layouts are copied.
        weight: (N, G, K, P), contiguous or lying as (N, P, K, G), the faster one.
        window: the geometry.

    Returns:
        (N, C, OH, OW), contiguous, of ``x``'s type.
    """
    return _aggregate(x, weight, window, softmax=False)[0]


def aggregation_backward(
    grad: Tensor, x: Tensor, weight: Tensor, window: Window, needed: Needed
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`aggregation` for ``x`` and, in its layout, ``weight``; None where not ``needed``."""
    return _aggregate_backward(grad, x, weight, None, window, needed)


def softmax_aggregation(x: Tensor, logits: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """:func:`aggregation` with the softmax of ``logits`` over K; and the log of its divisor, (N, G, P)."""
    y, lse = _aggregate(x, logits, window, softmax=True)
    assert lse is not None
    return y, lse


def softmax_aggregation_backward(
    grad: Tensor, x: Tensor, logits: Tensor, y: Tensor, lse: Tensor, window: Window, needed: Needed
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`softmax_aggregation`'s ``y`` for ``x`` and, in its layout, ``logits``; ``y`` is not read."""
    return _aggregate_backward(grad, x, logits, lse.contiguous(), window, needed)


def _plane_scratch(window: Window, height: int, width: int, dtype: torch.dtype) -> Tensor:
    """A padded plane for each thread."""
    return allocate.scratch((height + 2 * window.border) * (width + 2 * window.border), dtype)


def subtraction(phi: Tensor, psi: Tensor, window: Window) -> Tensor:
    """phi_i - psi_j, (N, R, K, P), for maps (N, R, H, W) of any layout; of ``phi``'s type."""
    dtype, (n, r, height, width) = accumulation_dtype(phi, psi), phi.shape
    oh, ow = window.output_size(height, width)
    d = allocate.result((n, r, window.positions, oh * ow), dtype)
    scratch = _plane_scratch(window, height, width, dtype)
    maps = (phi.to(dtype).contiguous(), psi.to(dtype).contiguous())
    call("subtraction", dtype, *maps, d, scratch, geometry(window, height, width), n * r, scratch.shape[1])
    return d.to(phi.dtype)


def subtraction_backward(
    grad: Tensor, height: int, width: int, window: Window, needed: Needed
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`subtraction` for ``phi`` and ``psi``, both of ``grad``'s type and made at once."""
    dtype, (n, r) = accumulation_dtype(grad), grad.shape[:2]
    gradients = [allocate.result((n, r, height, width), dtype) for _ in range(2)]
    scratch, dense = _plane_scratch(window, height, width, dtype), grad.to(dtype).contiguous()
    call(
        "subtraction_backward",
        dtype,
        dense,
        *gradients,
        scratch,
        geometry(window, height, width),
        n * r,
        scratch.shape[1],
    )
    grad_phi, grad_psi = (
        gradient.to(grad.dtype) if wanted else None for gradient, wanted in zip(gradients, needed, strict=True)
    )
    return grad_phi, grad_psi
