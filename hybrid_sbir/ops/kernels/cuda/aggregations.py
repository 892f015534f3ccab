"""Aggregation and softmax aggregation: what the kernels are launched with.

Shapes: N batch, C aggregated channels, G weight channels, Q = C / G channels that share a weight, H, W input size,
OH, OW output size, P = OH * OW output positions, K window positions. The operators' contract is
:mod:`hybrid_sbir.ops.reference`; arguments have been checked at the door.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hybrid_sbir.ops.accumulation import accumulation_type
from hybrid_sbir.ops.kernels.cuda.launch import Argument, launch
from hybrid_sbir.ops.kernels.cuda.programs import make_program
from hybrid_sbir.ops.kernels.cuda.tiling import PLANES, Direction, Tiling, planes_of, tile, without_tile
from hybrid_sbir.ops.window import Window


def aggregation(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    """As :func:`hybrid_sbir.ops.reference.aggregation`; sums in float32 at least."""
    y = _empty_outputs(x, window)
    _run("aggregation", [x.contiguous(), weight.contiguous(), y, None], window)
    return y


def aggregation_backward(
    grad: Tensor, x: Tensor, weight: Tensor, window: Window, needed: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`aggregation`: of x, and of the weights in the weights' own layout."""
    grad, x, dense = grad.to(x.dtype).contiguous(), x.contiguous(), weight.contiguous()
    grad_x = _grad_x(grad, x, dense, None, window) if needed[0] else None
    grad_weight = _grad_weight(grad, x, dense, None, None, window) if needed[1] else None
    return grad_x, _as_laid_out(grad_weight, weight)


def softmax_aggregation(x: Tensor, logits: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """As :func:`hybrid_sbir.ops.reference.softmax_aggregation`, in one pass over the logits: y and the log divisor."""
    y = _empty_outputs(x, window)
    shape = (*logits.shape[:2], logits.shape[3])
    lse = torch.empty(shape, dtype=accumulation_type(x.dtype, logits.dtype), device=x.device)
    _run("aggregation", [x.contiguous(), logits.contiguous(), y, lse], window)
    return y, lse


def softmax_aggregation_backward(
    grad: Tensor, x: Tensor, logits: Tensor, y: Tensor, lse: Tensor, window: Window, needed: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`softmax_aggregation`'s y: of x, and of the logits in the logits' own layout."""
    grad, x, dense = grad.to(x.dtype).contiguous(), x.contiguous(), logits.contiguous()
    y, lse = y.to(x.dtype).contiguous(), lse.to(accumulation_type(x.dtype, logits.dtype)).contiguous()
    grad_x = _grad_x(grad, x, dense, lse, window) if needed[0] else None
    grad_logits = _grad_weight(grad, x, dense, y, lse, window) if needed[1] else None
    return grad_x, _as_laid_out(grad_logits, logits)


def _empty_outputs(x: Tensor, window: Window) -> Tensor:
    return x.new_empty(*x.shape[:2], *window.output_size(*x.shape[-2:]))


def _as_laid_out(result: Tensor | None, like: Tensor) -> Tensor | None:
    """``result`` with the strides of ``like``, which lies as [N, G, K, P] or as [N, P, K, G]."""
    if result is None or like.is_contiguous():
        return result
    return torch.empty_like(like).copy_(result)


def _grad_x(grad: Tensor, x: Tensor, weight: Tensor, lse: Tensor | None, window: Window) -> Tensor:
    grad_x = torch.empty_like(x)
    _run("aggregation_grad_x", [grad, weight, lse, grad_x], window)
    return grad_x


def _grad_weight(
    grad: Tensor, x: Tensor, weight: Tensor, y: Tensor | None, lse: Tensor | None, window: Window
) -> Tensor:
    grad_weight = torch.empty_like(weight)
    _run("aggregation_grad_weight", [grad, x, weight, y, lse, grad_weight], window)
    return grad_weight


# Each kernel: where its arguments hold the input or what has the input's shape, the weights, the log divisor.
_PLACES = {"aggregation": (0, 1, 3), "aggregation_grad_x": (3, 1, 2), "aggregation_grad_weight": (1, 2, 4)}


def _run(kernel: str, tensors: Sequence[Tensor | None], window: Window) -> None:
    """Launch ``kernel`` with its tensors, in its order; a log divisor makes it the softmax's."""
    x, weight, lse = (tensors[place] for place in _PLACES[kernel])
    assert x is not None  # only the log divisor and y may be missing
    assert weight is not None
    (channels, height, width), groups = x.shape[1:], weight.shape[1]
    out_size = window.output_size(height, width)
    planes = planes_of(channels // groups)
    direction: Direction = "inputs" if kernel == "aggregation_grad_x" else "outputs"
    tiling = tile((height, width) if direction == "inputs" else out_size, window, planes, x.itemsize, direction)
    all_planes = kernel == "aggregation_grad_weight"  # a block adds over all channels that share its weight
    if all_planes and channels // groups > PLANES:
        tiling = without_tile(tiling)
    constants = {"PLANES": planes, "TILED": int(tiling.tiled), "SOFTMAX": int(lse is not None)}
    program = make_program(("tiles", kernel), window, {"x_t": x, "weight_t": weight}, constants, tuple(tensors))
    plane_blocks = 1 if all_planes else -(-(channels // groups) // planes)
    grid = x.shape[0] * groups * tiling.tiles * plane_blocks
    sizes = _sizes(channels, groups, height, width, *out_size, window, tiling)
    launch(program, kernel, grid, tiling.threads, [*tensors, *sizes], tiling.shared_bytes(planes, x.itemsize))


def _sizes(
    channels: int, groups: int, height: int, width: int, oh: int, ow: int, window: Window, tiling: Tiling
) -> list[Argument]:
    """SIZE_ARGUMENTS of tiles.cu."""
    cut = tiling.rows, tiling.columns, tiling.source_rows, tiling.source_columns
    return [channels, groups, height, width, oh, ow, window.stride, window.border, window.dilation, *cut]
