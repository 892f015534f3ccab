"""Front doors of the local vector attention (Zhao et al., "Exploring Self-attention for Image Recognition", CVPR 2020).

Each door checks once and explains a refusal. Behind it stands a PyTorch operator (:mod:`hybrid_sbir.ops.library`) that
does what :mod:`hybrid_sbir.ops.reference` defines, with the fastest implementation that the device has
(:func:`hybrid_sbir.ops.backend`).

Types may be mixed, as autocast mixes them: sums run in float32, or in float64 if any input has it; a result has the
type of the map it belongs to. Maps may be contiguous or channels-last, weights contiguous or with the channels G
innermost; any other layout is copied once. Gradients of gradients and forward-mode derivatives are refused.

Shapes: N batch, C aggregated channels, G weight channels (C is a multiple of G; channel c uses weight c mod G),
R relation channels, S hidden channels, H, W input size, OH, OW output size, P = OH * OW output positions,
K = kernel_size ** 2 window positions.

Every function takes the window's geometry as keywords, see :class:`hybrid_sbir.ops.window.Window`: ``kernel_size``,
``stride=1``, ``padding=None`` (keep the size), ``dilation=1``, ``padding_mode="reflect"``. Every function raises
``ValueError`` if shapes, types or devices do not fit each other or the window.
"""

from typing import Unpack

import torch
from torch import Tensor

from hybrid_sbir.ops.door import (
    Geometry,
    call,
    check_pair,
    check_share,
    check_weight,
    output_positions,
    require,
)
from hybrid_sbir.ops.window import Window


def windows(x: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]) -> Tensor:
    """Gather the neighbours of every position: (N, C, H, W) -> (N, C, K, P), row-major in K."""
    require("x", x, ("N", "C", "H", "W"), "a window")
    return subtraction(torch.zeros_like(x), x, kernel_size=kernel_size, **geometry).neg()


def aggregation(x: Tensor, weight: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]) -> Tensor:
    """Sum each window of ``x``, weighted per position and per group of channels (eq. 1 and 4).

    Args:
        x: features to aggregate, (N, C, H, W).
        weight: attention weights, (N, G, K, P).
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        The aggregated features, (N, C, OH, OW).
    """
    window = Window(kernel_size, **geometry)
    check_weight(x, weight, window, "weight")
    return call("aggregation", window, x=x, weight=weight)


def softmax_aggregation(
    x: Tensor, logits: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]
) -> tuple[Tensor, Tensor]:
    """Aggregate with the softmax of ``logits`` over the window (the pairwise block's weights), which is not stored.

    Args:
        x: features to aggregate, (N, C, H, W).
        logits: scores before the softmax, (N, G, K, P).
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        The aggregated features, (N, C, OH, OW), and the log of the softmax's divisor, (N, G, P), which carries no
        gradient.
    """
    window = Window(kernel_size, **geometry)
    check_weight(x, logits, window, "logits")
    return call("softmax_aggregation", window, x=x, logits=logits)


def subtraction(phi: Tensor, psi: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]) -> Tensor:
    """Subtract each neighbour from the centre: the pairwise relation (eq. 2, "subtraction").

    Args:
        phi: features of the centre, (N, R, H, W).
        psi: features of the neighbours, (N, R, H, W); the same tensor as ``phi`` for a plain difference.
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        phi_i - psi_j, (N, R, K, P).
    """
    window = Window(kernel_size, **geometry)
    require("phi", phi, ("N", "R", "H", "W"), "a subtraction")
    require("psi", psi, tuple(phi.shape), phi=phi)
    output_positions(phi, window)
    return call("subtraction", window, phi=phi, psi=psi)


def pair_relation(
    phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]
) -> Tensor:
    """First half of the pairwise relation, batch norm folded into the maps: hidden @ relu(phi - psi) + position.

    Args:
        phi: rescaled features of the centre, (N, R, H, W).
        psi: rescaled features of the neighbours, (N, R, H, W).
        position: the position channels' contribution, which no sample changes, (1, S, K, P).
        hidden: the first linear map, (S, R).
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        The relation before its second batch norm, (N, S, K, P).
    """
    window = Window(kernel_size, **geometry)
    check_pair(phi, psi, position, hidden, window)
    return call("pair_relation", window, phi=phi, psi=psi, position=position, hidden=hidden)


def pair_moments(
    phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]
) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of :func:`pair_relation` per hidden channel, for its batch norm; nothing is stored.

    Args:
        phi: as for :func:`pair_relation`.
        psi: as for :func:`pair_relation`.
        position: as for :func:`pair_relation`.
        hidden: as for :func:`pair_relation`.
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        Mean and variance over samples, neighbours and positions, (S,) each; NaN for an empty batch.
    """
    window = Window(kernel_size, **geometry)
    check_pair(phi, psi, position, hidden, window)
    return call("pair_moments", window, phi=phi, psi=psi, position=position, hidden=hidden)


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
    *,
    kernel_size: int,
    **geometry: Unpack[Geometry],
) -> tuple[Tensor, Tensor]:
    """The pairwise attention from its maps on (eq. 2-3); relations live in a bounded workspace and are computed again.

    With z = :func:`pair_relation`, the logits are output @ relu(scale * z + shift) + bias.

    Args:
        x: features to aggregate, (N, C, H, W).
        phi: as for :func:`pair_relation`.
        psi: as for :func:`pair_relation`.
        position: as for :func:`pair_relation`.
        hidden: as for :func:`pair_relation`.
        scale: of the second batch norm, (S,).
        shift: of the second batch norm, (S,).
        output: the second linear map, (G, S).
        bias: of the second linear map, (G,).
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        As :func:`softmax_aggregation`: the aggregated features, (N, C, OH, OW), and the log divisor, (N, G, P).
    """
    window = Window(kernel_size, **geometry)
    require("x", x, ("N", "C", "H", "W"), "an aggregation")
    check_pair(phi, psi, position, hidden, window)
    require("phi", phi, (x.shape[0], phi.shape[1], *x.shape[2:]), x=x)
    for name, tensor in (("scale", scale), ("shift", shift)):
        require(name, tensor, (hidden.shape[0],), hidden=hidden)
    require("output", output, ("G", hidden.shape[0]), hidden=hidden)
    require("bias", bias, (output.shape[0],), output=output)
    check_share(x, output.shape[0], "output")
    relation = {"phi": phi, "psi": psi, "position": position, "hidden": hidden, "scale": scale, "shift": shift}
    return call("pair_attention", window, x=x, **relation, output=output, bias=bias)


def patch_relation(
    phi: Tensor,
    psi: Tensor,
    scale: Tensor,
    shift: Tensor,
    hidden: Tensor,
    *,
    kernel_size: int,
    **geometry: Unpack[Geometry],
) -> Tensor:
    """First half of the patchwise relation, batch norm as a scale and a shift for each channel and offset.

    Args:
        phi: features of the centre, (N, R, H, W).
        psi: features of the neighbours, (N, R, H, W).
        scale: (R, K + 1); column 0 belongs to the centre.
        shift: (R, K + 1).
        hidden: the first linear map, (S, R, K + 1).
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        The relation before its second batch norm, (N, S, P).
    """
    window = Window(kernel_size, **geometry)
    require("phi", phi, ("N", "R", "H", "W"), "a patchwise relation")
    require("psi", psi, tuple(phi.shape), phi=phi)
    output_positions(phi, window)
    columns, why = (phi.shape[1], window.positions + 1), f"{window.positions} neighbours"
    for name, tensor in (("scale", scale), ("shift", shift)):
        require(name, tensor, columns, why, phi=phi)
    require("hidden", hidden, ("S", *columns), why, phi=phi)
    return call("patch_relation", window, phi=phi, psi=psi, scale=scale, shift=shift, hidden=hidden)


def patch_attention(
    x: Tensor, hidden: Tensor, output: Tensor, bias: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]
) -> Tensor:
    """The patchwise attention from its second batch norm on (eq. 4-5); weights live in a bounded workspace.

    Args:
        x: features to aggregate, (N, C, H, W).
        hidden: the relation after batch norm and ReLU, (N, S, P).
        output: the second linear map, (G, K, S).
        bias: of the second linear map, (G, K).
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        The aggregated features, (N, C, OH, OW).
    """
    window = Window(kernel_size, **geometry)
    require("x", x, ("N", "C", "H", "W"), "an aggregation")
    require("hidden", hidden, (x.shape[0], "S", output_positions(x, window)), x=x)
    require("output", output, ("G", window.positions, hidden.shape[1]), hidden=hidden)
    require("bias", bias, tuple(output.shape[:2]), output=output)
    check_share(x, output.shape[0], "output")
    return call("patch_attention", window, x=x, hidden=hidden, output=output, bias=bias)
