"""The pairwise relation, what is made of it, and gradients: what the kernels are launched with.

Shapes: N batch, R relation channels, S hidden channels, H, W input size, P output positions, K window positions,
Q = K * P, T tiles of Q. The operators' contract is :mod:`hybrid_sbir.ops.reference`; arguments have been checked at the
door.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hybrid_sbir.ops.kernels.cuda.relation_launch import Maps, ceil_div, hidden_gradient, tile_columns, tile_rows
from hybrid_sbir.ops.kernels.cuda.subtractions import subtraction_backward
from hybrid_sbir.ops.shifted import Gradients
from hybrid_sbir.ops.shifted_relations import chunks
from hybrid_sbir.ops.window import Window

# What a product becomes before it is stored, as in pair_relation.cu.
_PLAIN, _SCALED, _ACTIVATED, _MOMENTS = range(4)


def pair_relation(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> Tensor:
    """As :func:`hybrid_sbir.ops.reference.pair_relation`; the result has ``phi``'s type."""
    return _relation(Maps.of(phi, psi, window, position, hidden), position, hidden, phi.dtype)


def pair_relation_activated(
    phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, scale: Tensor, shift: Tensor, window: Window
) -> Tensor:
    """relu(scale * z + shift) of the pairwise relation z: its second batch norm and ReLU before it is stored.

    Args:
        phi: (N, R, H, W).
        psi: (N, R, H, W).
        position: (1, S, K, P).
        hidden: (S, R).
        scale: (S,).
        shift: (S,).
        window: the geometry.

    Returns:
        (N, S, K, P), of ``phi``'s type.
    """
    maps = Maps.of(phi, psi, window, position, hidden, scale, shift)
    return _relation(maps, position, hidden, phi.dtype, _ACTIVATED, scale, shift)


def pair_moments(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """As :func:`hybrid_sbir.ops.reference.pair_moments`; the relation is never stored.

    Each block leaves mean and squared distances of its columns; they are joined in float64, as Chan et al. (1979) do.
    """
    maps, n, channels = Maps.of(phi, psi, window, position, hidden), len(phi), len(hidden)
    columns, q = tile_columns(tile_rows(channels)), window.positions * maps.positions
    tiles = ceil_div(q, columns)
    parts = maps.empty(2, n, tiles, channels)
    _launch(maps, position, hidden, parts, _MOMENTS)
    means, squares = parts.double()
    counts = torch.full((tiles, 1), columns, dtype=torch.float64, device=phi.device)
    counts[-1] = q - (tiles - 1) * columns
    mean = (means * counts).sum((0, 1)) / (n * q)
    variance = (squares + (means - mean).square() * counts).sum((0, 1)) / (n * q)
    return mean.to(maps.accumulation), variance.to(maps.accumulation)


def _relation(
    maps: Maps,
    position: Tensor,
    hidden: Tensor,
    dtype: torch.dtype,
    epilogue: int = _PLAIN,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """The relation, or what the epilogue makes of it, (N, S, K, P)."""
    out = maps.empty(len(maps.phi), len(hidden), maps.window.positions, maps.positions, dtype=dtype)
    _launch(maps, position, hidden, out, epilogue, scale, shift)
    return out


def _launch(
    maps: Maps,
    position: Tensor,
    hidden: Tensor,
    out: Tensor,
    epilogue: int,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> None:
    """Run pair_relation.cu."""
    (channels, _), n = hidden.shape, len(maps.phi)
    rows = tile_rows(channels)
    grid = n * ceil_div(maps.window.positions * maps.positions, tile_columns(rows)) * ceil_div(channels, rows)
    affine = [t if t is None else maps.parameter(t) for t in (scale, shift)]
    tensors = [maps.parameter(position), maps.parameter(hidden, 1, 0), *affine, out]
    constants = {"TILE_ROWS": rows, "EPILOGUE": epilogue}
    parts = ("places", "relation_tile", "pair_relation")
    maps.run(parts, grid, tensors, [n], channels, out.dtype, constants)


def pair_relation_backward(
    grad: Tensor, phi: Tensor, psi: Tensor, hidden: Tensor, window: Window, needed: Sequence[bool]
) -> Gradients:
    """Gradients of :func:`pair_relation`; differences are computed again, position's has ``hidden``'s type."""
    maps, grad = Maps.of(phi, psi, window, grad, hidden), grad.contiguous()
    grad_phi, grad_psi = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (phi, psi))
    sample = maps.phi.shape[1] * window.positions * maps.positions * maps.accumulation.itemsize
    for part in chunks(len(phi) if any(needed[:2]) else 0, sample, phi.device):
        _maps_gradients(grad[part], maps.samples(part), hidden, grad_phi[part], grad_psi[part])
    grad_position = grad.sum(0, keepdim=True, dtype=maps.accumulation).to(hidden.dtype) if needed[2] else None
    grad_hidden = hidden_gradient(maps, grad).to(hidden.dtype) if needed[3] else None
    return *((grad_phi, grad_psi) if any(needed[:2]) else (None, None)), grad_position, grad_hidden


def _maps_gradients(grad: Tensor, maps: Maps, hidden: Tensor, grad_phi: Tensor, grad_psi: Tensor) -> None:
    """Write the gradients of some samples' maps; those of the differences live as long as this takes."""
    n, relations, height, width = maps.phi.shape
    rows, columns = tile_rows(relations), maps.window.positions * maps.positions
    grid = n * ceil_div(columns, tile_columns(rows)) * ceil_div(relations, rows)
    out = maps.empty(n, relations, maps.window.positions, maps.positions)
    parts = ("places", "relation_tile", "pair_gradient")
    tensors = [maps.parameter(hidden), grad, out]
    maps.run(parts, grid, tensors, [], len(hidden), grad.dtype, {"TILE_ROWS": rows})
    found = subtraction_backward(out, height, width, maps.window, (True, True))
    grad_phi.copy_(found[0])
    grad_psi.copy_(found[1])


def pair_moments_backward(
    grad_mean: Tensor,
    grad_variance: Tensor,
    mean: Tensor,
    phi: Tensor,
    psi: Tensor,
    position: Tensor,
    hidden: Tensor,
    window: Window,
    needed: Sequence[bool],
) -> Gradients:
    """Gradients of :func:`pair_moments`: of the relation z, dz = (grad_mean + 2 * grad_variance * (z - mean)) / count.

    dz is made where z is, and kept in the accumulation type: divided by the count it would vanish in half precision.
    """
    maps = Maps.of(phi, psi, window, position, hidden, grad_mean, grad_variance)
    count = max(1, len(phi) * window.positions * maps.positions)
    slope = 2 * grad_variance / count
    start = grad_mean / count - slope * mean
    grad_phi, grad_psi = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (phi, psi))
    grad_position, grad_hidden = (maps.empty(*t.shape).zero_() for t in (position, hidden))
    sample = sum(hidden.shape) * window.positions * maps.positions * maps.accumulation.itemsize
    for part in chunks(len(phi), sample, phi.device):
        here = maps.samples(part)
        grad = _relation(here, position, hidden, maps.accumulation, _SCALED, slope, start)
        _maps_gradients(grad, here, hidden, grad_phi[part], grad_psi[part])
        grad_position += grad.sum(0)
        grad_hidden += hidden_gradient(here, grad)
    return grad_phi, grad_psi, grad_position.to(position.dtype), grad_hidden.to(hidden.dtype)
