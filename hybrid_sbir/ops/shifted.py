"""The operators as loops over K shifted views of the padded map: no unfold, so no K-fold copy of the input.

Shapes: N batch, C aggregated channels, G weight channels, Q = C / G channels that share a weight, R relation channels,
OH, OW output size, P = OH * OW output positions, K window positions.
"""

from typing import Any

import torch
from torch import Tensor

from hybrid_sbir.ops import reference
from hybrid_sbir.ops.window import Window

# torch.sum adds this many numbers in a row before it adds the subtotals. Adding in its order keeps the result closest
# to the definition's (the published models' gradients pass ReLUs that lie within float32's rounding of zero), and the
# error grows with 16 + K / 16 instead of K.
_BLOCK = 16


def _views(padded: Tensor, window: Window, size: tuple[int, int]) -> list[Tensor]:
    """The K neighbours as strided views (..., OH, OW) of a padded map (..., H, W)."""
    reach_y, reach_x = (window.stride * (s - 1) + 1 for s in size)
    return [padded[..., y : y + reach_y : window.stride, x : x + reach_x : window.stride] for y, x in window.offsets()]


def _gather(padded: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
    """The neighbours of a padded map as a tensor of its own, (N, R, K, P)."""
    out = padded.new_empty(*padded.shape[:2], window.positions, size[0] * size[1])
    for k, view in enumerate(_views(padded, window, size)):
        out[:, :, k].unflatten(2, size).copy_(view)
    return out


def _fold(grad: Tensor, window: Window, padded_size: torch.Size) -> Tensor:
    """Add each neighbour's part (N, R, K, OH, OW) to where it came from in the padded map."""
    padded = grad.new_zeros(padded_size)
    for k, view in enumerate(_views(padded, window, (grad.shape[-2], grad.shape[-1]))):
        view.add_(grad[:, :, k])
    return padded


class _Aggregation(torch.autograd.Function):
    """Aggregate an already padded map; the border's gradient is left to the differentiable padding."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, weight: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(padded, weight)
        ctx.window, ctx.size = window, size
        n, c = padded.shape[:2]
        grouped = padded.unflatten(1, (c // weight.shape[1], weight.shape[1]))
        weights = weight.unflatten(3, size)
        out = padded.new_zeros(n, c, *size)
        total, block = out.view(grouped.shape[:3] + size), torch.zeros_like(out).view(grouped.shape[:3] + size)
        for k, view in enumerate(_views(grouped, window, size)):
            block.add_(view * weights[:, None, :, k])
            if k % _BLOCK == _BLOCK - 1:
                total.add_(block)
                block.zero_()
        total.add_(block)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        padded, weight = ctx.saved_tensors
        groups = (padded.shape[1] // weight.shape[1], weight.shape[1])
        views = _views(padded.unflatten(1, groups), ctx.window, ctx.size)
        weights, grad = weight.unflatten(3, ctx.size), grad.unflatten(1, groups)
        grad_padded = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_padded = torch.zeros_like(padded, memory_format=torch.contiguous_format)
            for k, view in enumerate(_views(grad_padded.unflatten(1, groups), ctx.window, ctx.size)):
                view.addcmul_(grad, weights[:, None, :, k])
        if ctx.needs_input_grad[1]:
            grad_weight = torch.empty_like(weight, memory_format=torch.contiguous_format)
            for k, view in enumerate(views):
                grad_weight[:, :, k] = (grad * view).sum(1).flatten(2)
        return grad_padded, grad_weight, None, None


class _Subtraction(torch.autograd.Function):
    """Subtract the neighbours of an already padded map from the centres, written straight to the output."""

    @staticmethod
    def forward(ctx: Any, centre: Tensor, padded: Tensor, window: Window) -> Tensor:
        size = (centre.shape[-2], centre.shape[-1])
        ctx.window, ctx.size, ctx.padded_size = window, size, padded.shape
        return _gather(padded, window, size).neg_().add_(centre.flatten(2).unsqueeze(2))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        grad = grad.unflatten(3, ctx.size)
        return grad.sum(2), _fold(grad, ctx.window, ctx.padded_size).neg_(), None


class _Windows(torch.autograd.Function):
    """Gather the neighbours of an already padded map; autograd's own slices would allocate a map for each of the K."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
        ctx.window, ctx.size, ctx.padded_size = window, size, padded.shape
        return _gather(padded, window, size)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _fold(grad.unflatten(3, ctx.size), ctx.window, ctx.padded_size), None, None


def windows(x: Tensor, window: Window) -> Tensor:
    """As :func:`reference.windows`; nothing but the result is allocated."""
    size = window.output_size(*x.shape[-2:])
    return _Windows.apply(reference.pad(x, window), window, size)


def aggregation(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    """As :func:`reference.aggregation`; N * C * P extra memory instead of K times that.

    Half precision and mixed types (autocast leaves softmax in float32) are summed in float32: K additions in
    bfloat16 would lose the small weights.
    """
    dtype = torch.promote_types(x.dtype, weight.dtype)
    if dtype in (torch.float16, torch.bfloat16):
        dtype = torch.float32
    padded, size = reference.pad(x.to(dtype), window), window.output_size(*x.shape[-2:])
    return _Aggregation.apply(padded, weight.to(dtype), window, size).to(x.dtype)


def subtraction(phi: Tensor, psi: Tensor, window: Window) -> Tensor:
    """As :func:`reference.subtraction`; nothing but the result is allocated."""
    return _Subtraction.apply(reference.centres(phi, window).contiguous(), reference.pad(psi, window), window)
