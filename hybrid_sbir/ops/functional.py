"""Front doors of the local vector attention (Zhao et al., "Exploring Self-attention for Image Recognition", CVPR 2020).

Each door checks once, chooses the implementation, and explains a refusal. Behind it stand the definitions of
:mod:`hybrid_sbir.ops.reference`; on the way to them, loops over shifted views that need no unfold.

Shapes: N batch, C aggregated channels, G weight channels (C is a multiple of G; channel c uses weight c mod G),
R relation channels, S hidden channels, H, W input size, OH, OW output size, P = OH * OW output positions,
K = kernel_size ** 2 window positions.

Every function takes the window's geometry as keywords, see :class:`hybrid_sbir.ops.window.Window`: ``kernel_size``,
``stride=1``, ``padding=None`` (keep the size), ``dilation=1``, ``padding_mode="reflect"``.
"""

from typing import TypedDict, Unpack

from torch import Tensor

from hybrid_sbir.ops import reference, shifted
from hybrid_sbir.ops.window import PaddingMode, Window


class Geometry(TypedDict, total=False):
    """Keywords of a window, with :class:`Window`'s defaults."""

    stride: int
    padding: int | None
    dilation: int
    padding_mode: PaddingMode


def _require(name: str, tensor: Tensor, shape: tuple[int | str, ...], why: str) -> None:
    """Refuse a tensor whose shape is not ``shape``; a word in it stands for any size."""
    fits = tensor.ndim == len(shape) and all(
        isinstance(want, str) or got == want for got, want in zip(tensor.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"{name} is {tuple(tensor.shape)}; for {why} it must be ({wanted})")


def _checked_weight(x: Tensor, weight: Tensor, window: Window, name: str) -> None:
    """Refuse weights that do not fit ``x`` and the window."""
    _require("x", x, ("N", "C", "H", "W"), "an aggregation")
    oh, ow = window.output_size(*x.shape[-2:])
    why = f"x {tuple(x.shape)} and a {window.kernel_size} x {window.kernel_size} window with stride {window.stride}"
    _require(name, weight, (x.shape[0], "G", window.positions, oh * ow), why)
    if not weight.shape[1] or x.shape[1] % weight.shape[1]:
        raise ValueError(
            f"{name} has {weight.shape[1]} channels; they must divide the {x.shape[1]} channels of x evenly"
        )


def windows(x: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]) -> Tensor:
    """Gather the neighbours of every position: (N, C, H, W) -> (N, C, K, P), row-major in K.

    Raises:
        ValueError: if ``x`` is not 4-D, or the window does not fit it.
    """
    _require("x", x, ("N", "C", "H", "W"), "a window")
    return shifted.windows(x, Window(kernel_size, **geometry))


def aggregation(x: Tensor, weight: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]) -> Tensor:
    """Sum each window of ``x``, weighted per position and per group of channels (eq. 1 and 4).

    Args:
        x: features to aggregate, (N, C, H, W).
        weight: attention weights, (N, G, K, P).
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        The aggregated features, (N, C, OH, OW).

    Raises:
        ValueError: if the shapes do not fit each other or the window.
    """
    window = Window(kernel_size, **geometry)
    _checked_weight(x, weight, window, "weight")
    return shifted.aggregation(x, weight, window)


def softmax_aggregation(
    x: Tensor, logits: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]
) -> tuple[Tensor, Tensor]:
    """Aggregate with the softmax of ``logits`` over the window (the pairwise block's weights).

    Args:
        x: features to aggregate, (N, C, H, W).
        logits: scores before the softmax, (N, G, K, P).
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        The aggregated features, (N, C, OH, OW), and the log of the softmax's divisor, (N, G, P), which carries no
        gradient.

    Raises:
        ValueError: if the shapes do not fit each other or the window.
    """
    window = Window(kernel_size, **geometry)
    _checked_weight(x, logits, window, "logits")
    return shifted.aggregation(x, logits.softmax(2), window), logits.detach().logsumexp(2)


def subtraction(phi: Tensor, psi: Tensor, *, kernel_size: int, **geometry: Unpack[Geometry]) -> Tensor:
    """Subtract each neighbour from the centre: the pairwise relation (eq. 2, "subtraction").

    Args:
        phi: features of the centre, (N, R, H, W).
        psi: features of the neighbours, (N, R, H, W); the same tensor as ``phi`` for a plain difference.
        kernel_size: side of the window, odd.
        **geometry: stride, padding, dilation, padding_mode.

    Returns:
        phi_i - psi_j, (N, R, K, P).

    Raises:
        ValueError: if the shapes do not fit each other or the window.
    """
    _require("phi", phi, ("N", "R", "H", "W"), "a subtraction")
    _require("psi", psi, tuple(phi.shape), f"phi {tuple(phi.shape)}")
    return shifted.subtraction(phi, psi, Window(kernel_size, **geometry))


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

    Raises:
        ValueError: if the shapes do not fit each other or the window.
    """
    window = Window(kernel_size, **geometry)
    _require("phi", phi, ("N", "R", "H", "W"), "a pairwise relation")
    _require("psi", psi, tuple(phi.shape), f"phi {tuple(phi.shape)}")
    _require("hidden", hidden, ("S", phi.shape[1]), f"phi {tuple(phi.shape)}")
    oh, ow = window.output_size(*phi.shape[-2:])
    _require("position", position, (1, hidden.shape[0], window.positions, oh * ow), f"hidden {tuple(hidden.shape)}")
    return reference.pair_relation(phi, psi, position, hidden, window)


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

    Raises:
        ValueError: if the shapes do not fit each other or the window.
    """
    window = Window(kernel_size, **geometry)
    _require("phi", phi, ("N", "R", "H", "W"), "a patchwise relation")
    _require("psi", psi, tuple(phi.shape), f"phi {tuple(phi.shape)}")
    columns = (phi.shape[1], window.positions + 1)
    for name, tensor in (("scale", scale), ("shift", shift)):
        _require(name, tensor, columns, f"phi {tuple(phi.shape)} and {window.positions} neighbours")
    _require("hidden", hidden, ("S", *columns), f"phi {tuple(phi.shape)} and {window.positions} neighbours")
    return reference.patch_relation(phi, psi, scale, shift, hidden, window)
