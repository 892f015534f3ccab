"""Implementation "torch" of the fused relations: the neighbours of a few samples at a time, never of a whole batch.

Shapes: N batch, R relation channels, S hidden channels, H, W input size, OH, OW output size, P = OH * OW output
positions, K window positions, J = K + 1 (the centre first, then the neighbours).
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hybrid_sbir.ops import reference, shifted
from hybrid_sbir.ops.accumulation import accumulation_dtype
from hybrid_sbir.ops.shifted import Gradients
from hybrid_sbir.ops.window import Window

# What one chunk of samples may take beside inputs and results: within a CPU's last cache; on a GPU enough to fill it.
WORKSPACE_BYTES = {"cpu": 16 << 20, "cuda": 256 << 20}


def chunks(batch: int, bytes_per_sample: int, device: torch.device) -> Iterator[slice]:
    """Slices of the batch whose temporaries fit the workspace; at least a sample each."""
    limit = WORKSPACE_BYTES.get(device.type, WORKSPACE_BYTES["cuda"])
    step = max(1, limit // max(1, bytes_per_sample))
    return (slice(first, min(first + step, batch)) for first in range(0, batch, step))


def _differences(phi: Tensor, psi: Tensor, window: Window, dtype: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
    """phi_i - psi_j of a chunk of samples at a time, (n, R, K, P)."""
    oh, ow = window.output_size(*phi.shape[-2:])
    sample = phi.shape[1] * window.positions * oh * ow * dtype.itemsize
    for part in chunks(len(phi), sample, phi.device):
        yield part, shifted.subtraction(phi[part].to(dtype), psi[part].to(dtype), window)


def pair_relation(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> Tensor:
    """As :func:`reference.pair_relation`."""
    dtype = accumulation_dtype(phi, psi, position, hidden)
    out = phi.new_empty(len(phi), *position.shape[1:])
    for part, difference in _differences(phi, psi, window, dtype):
        z = hidden.to(dtype) @ difference.relu_().flatten(2)
        out[part] = z.view(-1, *position.shape[1:]).add_(position)
    return out


def pair_relation_backward(
    grad: Tensor, phi: Tensor, psi: Tensor, hidden: Tensor, window: Window, needed: Sequence[bool]
) -> Gradients:
    """Gradients of :func:`pair_relation`; the differences are computed again."""
    dtype = accumulation_dtype(grad, phi, psi, hidden)
    grad_phi, grad_psi = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (phi, psi))
    grad_position = grad.new_zeros(1, *grad.shape[1:], dtype=dtype)
    grad_hidden = hidden.new_zeros(hidden.shape, dtype=dtype)
    for part, difference in _differences(phi, psi, window, dtype):
        g = grad[part].to(dtype)
        grad_position += g.sum(0)
        near = difference.relu_().flatten(2)
        grad_hidden += (g.flatten(2) @ near.transpose(1, 2)).sum(0)
        grad_difference = (hidden.to(dtype).T @ g.flatten(2)).mul_(near > 0).view_as(difference)
        both = shifted.subtraction_backward(grad_difference, phi.shape[2], phi.shape[3], window, (True, True))
        for out, value in zip((grad_phi, grad_psi), both, strict=True):
            assert value is not None
            out[part] = value
    return grad_phi, grad_psi, grad_position.to(hidden.dtype), grad_hidden.to(hidden.dtype)


def _patches(phi: Tensor, psi: Tensor, window: Window, dtype: torch.dtype) -> list[Tensor]:
    """The centres and the K shifted views, (N, R, OH, OW) each, none of them copied."""
    padded, size = reference.pad(psi.to(dtype), window), window.output_size(*phi.shape[-2:])
    return [reference.centres(phi.to(dtype), window), *shifted.padded_views(padded, window, size)]


def patch_relation(phi: Tensor, psi: Tensor, scale: Tensor, shift: Tensor, hidden: Tensor, window: Window) -> Tensor:
    """As :func:`reference.patch_relation`, one of the J columns after the other."""
    dtype = accumulation_dtype(phi, psi, scale, shift, hidden)
    oh, ow = window.output_size(*phi.shape[-2:])
    scale, shift, hidden = (t.to(dtype) for t in (scale, shift, hidden))
    out = torch.zeros(len(phi), len(hidden), oh * ow, dtype=dtype, device=phi.device)
    for j, view in enumerate(_patches(phi, psi, window, dtype)):
        normed = (view * scale[:, j, None, None]).add_(shift[:, j, None, None]).relu_()
        out += hidden[:, :, j] @ normed.flatten(2)
    return out.to(phi.dtype)


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
    """Gradients of :func:`patch_relation`."""
    dtype, (height, width) = accumulation_dtype(grad, phi, psi, scale, shift, hidden), phi.shape[-2:]
    size = window.output_size(height, width)
    g, wide, border = grad.to(dtype), hidden.to(dtype), 2 * window.border
    grad_scale, grad_shift = torch.empty_like(scale), torch.empty_like(shift)
    grad_hidden = torch.empty_like(hidden)
    grad_padded = g.new_zeros(*psi.shape[:2], height + border, width + border)
    targets: list[Tensor] = [g.new_empty(*phi.shape[:2], *size), *shifted.padded_views(grad_padded, window, size)]
    for j, view in enumerate(_patches(phi, psi, window, dtype)):
        factor = scale.to(dtype)[:, j, None, None]
        normed = (view * factor).add_(shift.to(dtype)[:, j, None, None]).relu_()
        grad_hidden[:, :, j] = (g @ normed.flatten(2).transpose(1, 2)).sum(0)
        masked = (wide[:, :, j].T @ g).view_as(normed).mul_(normed > 0)
        grad_shift[:, j] = masked.sum((0, 2, 3))
        grad_scale[:, j] = (masked * view).sum((0, 2, 3))
        if j:
            targets[j].addcmul_(masked, factor)
        else:
            targets[0] = masked * factor
    grad_phi = shifted.spread_centres(targets[0], window, height, width).to(phi.dtype)
    grad_psi = shifted.fold_border(grad_padded, window, height, width).to(psi.dtype)
    return grad_phi, grad_psi, grad_scale, grad_shift, grad_hidden
