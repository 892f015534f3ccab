"""The patchwise relation and its gradients: what the kernels are launched with.

Shapes: N batch, R relation channels, S hidden channels, H, W input size, OH, OW output size, P = OH * OW output
positions, K window positions, J = K + 1 (the centre first, then the neighbours). The operators' contract is
:mod:`hybrid_sbir.ops.reference`; arguments have been checked at the door.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hybrid_sbir.ops import shifted
from hybrid_sbir.ops.kernels.cuda.relation_launch import (
    BLOCKS,
    Maps,
    ceil_div,
    cut,
    hidden_gradient,
    tile_columns,
    tile_rows,
)
from hybrid_sbir.ops.kernels.cuda.subtractions import subtraction_backward
from hybrid_sbir.ops.shifted import Gradients
from hybrid_sbir.ops.shifted_relations import chunks
from hybrid_sbir.ops.window import Window


def patch_relation(phi: Tensor, psi: Tensor, scale: Tensor, shift: Tensor, hidden: Tensor, window: Window) -> Tensor:
    """As :func:`hybrid_sbir.ops.reference.patch_relation`; the result has ``phi``'s type."""
    maps, n, channels = Maps.of(phi, psi, window, scale, shift, hidden), len(phi), len(hidden)
    rows = tile_rows(channels)
    tiles = ceil_div(channels, rows) * ceil_div(n * maps.positions, tile_columns(rows))
    splits, share = cut(window.positions + 1, BLOCKS // max(1, tiles))
    out = maps.empty(splits, n, channels, maps.positions)
    affine = [maps.parameter(t, 1, 0) for t in (scale, shift)]
    tensors = [*affine, maps.parameter(hidden, 2, 1, 0), out]
    parts = ("places", "relation_tile", "patch_relation")
    maps.run(parts, tiles * splits, tensors, [share, n], channels, maps.phi.dtype, {"TILE_ROWS": rows})
    return (out[0] if splits == 1 else out.sum(0)).to(phi.dtype)


def patch_relation_backward(
    grad: Tensor,
    phi: Tensor,
    psi: Tensor,
    scale: Tensor,
    shift: Tensor,
    hidden: Tensor,
    window: Window,
    needed: Sequence[bool],
) -> Gradients:
    """Gradients of :func:`patch_relation`; what the ReLU lets pass is computed again."""
    maps, grad = Maps.of(phi, psi, window, grad, scale, shift, hidden), grad.contiguous()
    affine = [maps.parameter(t, 1, 0) for t in (scale, shift)]
    grad_phi, grad_psi = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (phi, psi))
    sums = maps.empty(2, *affine[0].shape, dtype=torch.float64).zero_()
    sample = affine[0].numel() * maps.positions * maps.accumulation.itemsize
    for part in chunks(len(phi) if any(needed[:4]) else 0, sample, phi.device):
        sums += _gradients(grad[part], maps.samples(part), affine, hidden, grad_phi[part], grad_psi[part])
    grad_scale, grad_shift = (t.new_empty(t.shape).copy_(s.T) for t, s in zip((scale, shift), sums, strict=True))
    grad_hidden = hidden.new_empty(hidden.shape) if needed[4] else None
    if grad_hidden is not None:
        grad_hidden.copy_(hidden_gradient(maps, grad, *affine).permute(1, 2, 0))
    found = (grad_phi, grad_psi, grad_scale, grad_shift) if any(needed[:4]) else (None,) * 4
    return *found, grad_hidden


def _gradients(
    grad: Tensor, maps: Maps, affine: Sequence[Tensor], hidden: Tensor, grad_phi: Tensor, grad_psi: Tensor
) -> Tensor:
    """Write the gradients of some samples' maps; return scale's and shift's, (2, J, R), in float64."""
    (n, relations), channels, (height, width) = maps.phi.shape[:2], len(hidden), maps.size
    rows, positions = tile_rows(relations), maps.window.positions
    tiles = ceil_div(n * maps.positions, tile_columns(rows))
    layers = ceil_div(relations, rows) * (positions + 1)
    splits, share = cut(tiles, BLOCKS // layers)
    centres = maps.empty(n, relations, *maps.window.output_size(height, width))
    neighbours = maps.empty(n, relations, positions, maps.positions)
    sums = maps.empty(2, splits, positions + 1, relations)
    tensors = [*affine, maps.parameter(hidden, 2, 0, 1), grad, centres, neighbours, sums]
    parts = ("places", "relation_tile", "patch_gradient")
    maps.run(parts, layers * splits, tensors, [splits, share, n], channels, grad.dtype, {"TILE_ROWS": rows})
    grad_phi.copy_(shifted.spread_centres(centres, maps.window, height, width))
    grad_psi.copy_(subtraction_backward(neighbours, height, width, maps.window, (False, True))[1])
    return sums.sum(1, dtype=torch.float64)
