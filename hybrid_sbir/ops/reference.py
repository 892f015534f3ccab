"""Definitions of the operators in plain PyTorch: slow, obvious, and the specification that every kernel must meet.

Shapes: N batch, C aggregated channels, G weight channels (C is a multiple of G), R relation channels, R2 hidden
channels, H, W input size, OH, OW output size, P = OH * OW output positions, K = kernel_size ** 2 window positions.

The docstrings of :mod:`hybrid_sbir.ops.functional` say what each operator is for.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from hybrid_sbir.ops.window import Window


def pad(x: Tensor, window: Window) -> Tensor:
    """Add the window's border to ``x`` (N, C, H, W)."""
    if not window.border:
        return x
    mode = "constant" if window.padding_mode == "zeros" else "reflect"
    return F.pad(x, [window.border] * 4, mode=mode)


def centres(x: Tensor, window: Window) -> Tensor:
    """The value at the centre of each window, (N, C, H, W) -> (N, C, OH, OW)."""
    oh, ow = window.output_size(*x.shape[-2:])
    first = window.reach - window.border
    last_y, last_x = first + window.stride * (oh - 1) + 1, first + window.stride * (ow - 1) + 1
    return x[..., first : last_y : window.stride, first : last_x : window.stride]


def windows(x: Tensor, window: Window) -> Tensor:
    """The K neighbours of every output position, (N, C, H, W) -> (N, C, K, P)."""
    oh, ow = window.output_size(*x.shape[-2:])
    if not x.numel():  # unfold refuses an empty batch
        return x.new_empty(x.shape[0], x.shape[1], window.positions, oh * ow) + x.sum()
    columns = F.unfold(pad(x, window), window.kernel_size, dilation=window.dilation, stride=window.stride)
    return columns.view(x.shape[0], x.shape[1], window.positions, oh * ow)


def aggregation(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    """y[n, c, p] = sum over k of weight[n, c mod G, k, p] * x[n, c, k-th neighbour of p]."""
    n, c = x.shape[:2]
    oh, ow = window.output_size(*x.shape[-2:])
    g = weight.shape[1]
    grouped = windows(x, window).view(n, c // g, g, window.positions, oh * ow)
    return (grouped * weight.unsqueeze(1)).sum(3).view(n, c, oh, ow)


def softmax_aggregation(x: Tensor, logits: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Aggregation with weights that are the softmax of ``logits`` over K; also the log of the softmax's divisor."""
    return aggregation(x, logits.softmax(2), window), logits.detach().logsumexp(2)


def subtraction(phi: Tensor, psi: Tensor, window: Window) -> Tensor:
    """d[n, r, k, p] = phi[n, r, p] - psi[n, r, k-th neighbour of p]."""
    return centres(phi, window).flatten(2).unsqueeze(2) - windows(psi, window)


def pair_relation(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> Tensor:
    """z[n, s, k, p] = position[s, k, p] + sum over r of hidden[s, r] * relu(phi[n, r, p] - psi[n, r, neighbour k])."""
    return torch.einsum("sr,nrkp->nskp", hidden, subtraction(phi, psi, window).relu()) + position


def patch_relation(phi: Tensor, psi: Tensor, scale: Tensor, shift: Tensor, hidden: Tensor, window: Window) -> Tensor:
    """h[n, s, p] = sum over r, k of hidden[s, r, k] * relu(scale[r, k] * v[n, r, k, p] + shift[r, k]).

    v[:, :, 0] is phi at the centre, v[:, :, 1:] are psi's K neighbours.
    """
    values = torch.cat([centres(phi, window).flatten(2).unsqueeze(2), windows(psi, window)], 2)
    return torch.einsum("srk,nrkp->nsp", hidden, (scale[..., None] * values + shift[..., None]).relu())


def pair_moments(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of :func:`pair_relation` over samples, neighbours and positions, each (S,)."""
    z = pair_relation(phi, psi, position, hidden, window)
    mean = z.mean((0, 2, 3))
    return mean, (z - mean[:, None, None]).square().mean((0, 2, 3))


def pair_attention(
    x: Tensor,
    phi: Tensor,
    psi: Tensor,
    position: Tensor,
    hidden: Tensor,
    scale: Tensor,
    shift: Tensor,
    output: Tensor,
    bias: Tensor,
    window: Window,
) -> tuple[Tensor, Tensor]:
    """Aggregate ``x`` with the softmax of output @ relu(scale * z + shift) + bias, z from :func:`pair_relation`."""
    z = pair_relation(phi, psi, position, hidden, window)
    normed = (scale[:, None, None] * z + shift[:, None, None]).relu()
    return softmax_aggregation(x, torch.einsum("gs,nskp->ngkp", output, normed) + bias[:, None, None], window)


def patch_attention(x: Tensor, hidden: Tensor, output: Tensor, bias: Tensor, window: Window) -> Tensor:
    """Aggregate ``x`` with weight[n, g, k, p] = bias[g, k] + sum over s of output[g, k, s] * hidden[n, s, p]."""
    return aggregation(x, torch.einsum("gks,nsp->ngkp", output, hidden) + bias[..., None], window)
