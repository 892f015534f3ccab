"""Implementation "torch": loops over K shifted views of the padded map, so no K-fold copy of the input by unfold.

Each operator has a backward of its own; :mod:`hybrid_sbir.ops.library` ties the two together. Sums run in the
accumulation type (:mod:`hybrid_sbir.ops.accumulation`), results return in their input's.

Shapes: N batch, C aggregated channels, G weight channels, Q = C / G channels that share a weight, R relation channels,
H, W input size, OH, OW output size, P = OH * OW output positions, K window positions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hybrid_sbir.ops import reference
from hybrid_sbir.ops.accumulation import accumulation_dtype
from hybrid_sbir.ops.window import Window

# torch.sum adds this many numbers in a row before it adds the subtotals. Adding in its order keeps the result closest
# to the definition's (the published models' gradients pass ReLUs that lie within float32's rounding of zero), and the
# error grows with 16 + K / 16 instead of K.
_BLOCK = 16

Gradients = tuple[Tensor | None, ...]


def padded_views(padded: Tensor, window: Window, size: tuple[int, int]) -> list[Tensor]:
    """The K neighbours as strided views (..., OH, OW) of a padded map (..., H, W)."""
    reach_y, reach_x = (window.stride * (s - 1) + 1 for s in size)
    return [padded[..., y : y + reach_y : window.stride, x : x + reach_x : window.stride] for y, x in window.offsets()]


def fold_border(padded: Tensor, window: Window, height: int, width: int) -> Tensor:
    """The gradient of the padding: what reached the border goes back to where it came from."""
    border = window.border
    if not border:
        return padded
    if window.padding_mode == "zeros":
        return padded[..., border : border + height, border : border + width].contiguous()
    if not padded.numel():
        return padded.new_zeros(*padded.shape[:-2], height, width)
    inner = padded[..., border : border + height, border : border + width]  # only its shape is read
    return torch.ops.aten.reflection_pad2d_backward(padded, inner, [border] * 4)


def spread_centres(grad: Tensor, window: Window, height: int, width: int) -> Tensor:
    """The gradient of :func:`reference.centres`: (N, R, OH, OW) put back among zeros, (N, R, H, W)."""
    out = grad.new_zeros(*grad.shape[:2], height, width)
    reference.centres(out, window).copy_(grad)
    return out


def aggregation(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    """As :func:`reference.aggregation`; N * C * P extra memory instead of K times that."""
    dtype, size = accumulation_dtype(x, weight), window.output_size(*x.shape[-2:])
    groups = (x.shape[1] // weight.shape[1], weight.shape[1])
    padded = reference.pad(x.to(dtype), window).unflatten(1, groups)
    weights = weight.to(dtype).unflatten(3, size)
    out = padded.new_zeros(*x.shape[:2], *size)
    total = out.unflatten(1, groups)
    block = torch.zeros_like(total)
    for k, view in enumerate(padded_views(padded, window, size)):
        block.add_(view * weights[:, None, :, k])
        if k % _BLOCK == _BLOCK - 1:
            total.add_(block)
            block.zero_()
    total.add_(block)
    return out.to(x.dtype)


def aggregation_backward(
    grad: Tensor, x: Tensor, weight: Tensor, window: Window, needed: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`aggregation`."""
    dtype, size = accumulation_dtype(x, weight), window.output_size(*x.shape[-2:])
    groups = (x.shape[1] // weight.shape[1], weight.shape[1])
    grad = grad.to(dtype).contiguous().unflatten(1, groups)
    grad_x = grad_weight = None
    if needed[0]:
        weights, border = weight.to(dtype).unflatten(3, size), 2 * window.border
        padded_grad = grad.new_zeros(*grad.shape[:3], x.shape[2] + border, x.shape[3] + border)
        for k, view in enumerate(padded_views(padded_grad, window, size)):
            view.addcmul_(grad, weights[:, None, :, k])
        grad_x = fold_border(padded_grad.flatten(1, 2), window, x.shape[2], x.shape[3]).to(x.dtype)
    if needed[1]:
        padded = reference.pad(x.to(dtype), window).unflatten(1, groups)
        grad_weight = torch.empty_like(weight)
        for k, view in enumerate(padded_views(padded, window, size)):
            grad_weight[:, :, k] = (grad * view).sum(1).flatten(2)
    return grad_x, grad_weight


def softmax_aggregation(x: Tensor, logits: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """As :func:`reference.softmax_aggregation`."""
    logits = logits.to(accumulation_dtype(x, logits))
    return aggregation(x, logits.softmax(2), window), logits.logsumexp(2)


def softmax_aggregation_backward(
    grad: Tensor, x: Tensor, logits: Tensor, y: Tensor, lse: Tensor, window: Window, needed: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`softmax_aggregation`: p * (gp - <gy, y>) for the logits, p the softmax, gp its gradient."""
    weight = (logits.to(lse.dtype) - lse.unsqueeze(2)).exp_()
    grad_x, grad_logits = aggregation_backward(grad, x, weight, window, needed)
    if grad_logits is not None:
        share = grad.to(lse.dtype) * y.to(lse.dtype)
        mean = share.flatten(2).unflatten(1, (-1, logits.shape[1])).sum(1)
        grad_logits = grad_logits.sub_(mean.unsqueeze(2)).mul_(weight).to(logits.dtype)
    return grad_x, grad_logits


def gather(padded: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
    """The neighbours of a padded map as a tensor of its own, (N, R, K, P)."""
    out = padded.new_empty(*padded.shape[:2], window.positions, size[0] * size[1])
    for k, view in enumerate(padded_views(padded, window, size)):
        out[:, :, k].unflatten(2, size).copy_(view)
    return out


def subtraction(phi: Tensor, psi: Tensor, window: Window) -> Tensor:
    """As :func:`reference.subtraction`; nothing but the result is allocated."""
    dtype, size = accumulation_dtype(phi, psi), window.output_size(*phi.shape[-2:])
    near = gather(reference.pad(psi.to(dtype), window), window, size)
    return near.neg_().add_(reference.centres(phi.to(dtype), window).flatten(2).unsqueeze(2)).to(phi.dtype)


def subtraction_backward(
    grad: Tensor, height: int, width: int, window: Window, needed: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`subtraction`, (N, R, H, W) each."""
    size, dtype = window.output_size(height, width), accumulation_dtype(grad)
    grad_phi = grad_psi = None
    if needed[0]:
        total = grad.sum(2, dtype=dtype).unflatten(2, size)
        grad_phi = spread_centres(total, window, height, width).to(grad.dtype)
    if needed[1]:
        border = 2 * window.border
        padded = torch.zeros(*grad.shape[:2], height + border, width + border, dtype=dtype, device=grad.device)
        for k, view in enumerate(padded_views(padded, window, size)):
            view.sub_(grad[:, :, k].unflatten(2, size))
        grad_psi = fold_border(padded, window, height, width).to(grad.dtype)
    return grad_phi, grad_psi
