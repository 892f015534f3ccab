"""What the front doors check, and how they pass on.

Shapes: as in :mod:`hybrid_sbir.ops.functional`.
"""

from typing import Any, TypedDict

import torch
from torch import Tensor
from torch.autograd import forward_ad

from hybrid_sbir.ops import standard
from hybrid_sbir.ops.library import geometry
from hybrid_sbir.ops.window import PaddingMode, Window


class Geometry(TypedDict, total=False):
    """Keywords of a window, with :class:`Window`'s defaults."""

    stride: int
    padding: int | None
    dilation: int
    padding_mode: PaddingMode


def require(name: str, tensor: Tensor, shape: tuple[int | str, ...], why: str = "", **beside: Tensor) -> None:
    """Refuse a tensor whose shape is not ``shape``; a word in it stands for any size.

    The reason in words is put together only when it is needed: of ``why`` and the shapes of the tensors ``beside``.
    """
    fits = tensor.ndim == len(shape) and all(
        isinstance(want, str) or got == want for got, want in zip(tensor.shape, shape, strict=True)
    )
    if not fits:
        reasons = [f"{other} {tuple(t.shape)}" for other, t in beside.items()] + [why] * bool(why)
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"{name} is {tuple(tensor.shape)}; for {' and '.join(reasons)} it must be ({wanted})")


def call(operator: str, window: Window, **tensors: Tensor) -> Any:
    """Run an operator after the checks that all share."""
    first_name, first = next(iter(tensors.items()))
    for name, t in tensors.items():
        if t.device != first.device:
            raise ValueError(f"{name} is on {t.device}, {first_name} on {first.device}; move both to one device")
        if not t.is_floating_point():
            raise ValueError(f"{name} is {t.dtype}; attention works on float16, bfloat16, float32 and float64")
        if 0 in (t.shape[1:] if t.ndim > 1 else t.shape):
            raise ValueError(f"{name} is {tuple(t.shape)}; only the batch may be empty")
        # PyTorch would take the derivative of an operator that has no forward mode to be zero, and say nothing.
        if forward_ad._current_level >= 0 and forward_ad.unpack_dual(t).tangent is not None:
            raise RuntimeError(f"{operator} has no forward-mode derivative (jvp); use backward or torch.autograd.grad")
    if (function := standard.chosen(operator)) is not None:
        return function(*tensors.values(), window)
    return getattr(torch.ops.hybrid_sbir, operator)(*tensors.values(), *geometry(window))


def output_positions(x: Tensor, window: Window) -> int:
    """P; refuses a map that the window does not fit."""
    oh, ow = window.output_size(x.shape[-2], x.shape[-1])
    return oh * ow


def check_weight(x: Tensor, weight: Tensor, window: Window, name: str) -> None:
    """Refuse weights that do not fit ``x`` and the window."""
    require("x", x, ("N", "C", "H", "W"), "an aggregation")
    shape = (x.shape[0], "G", window.positions, output_positions(x, window))
    require(
        name, weight, shape, f"a {window.kernel_size} x {window.kernel_size} window with stride {window.stride}", x=x
    )
    check_share(x, weight.shape[1], name)


def check_share(x: Tensor, groups: int, name: str) -> None:
    """Refuse a number of weight channels that does not divide those of ``x``."""
    if not groups or x.shape[1] % groups:
        raise ValueError(f"{name} has {groups} channels; they must divide the {x.shape[1]} channels of x evenly")


def check_pair(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> None:
    """Refuse maps and parameters of a pairwise relation that do not fit each other."""
    require("phi", phi, ("N", "R", "H", "W"), "a pairwise relation")
    require("psi", psi, tuple(phi.shape), phi=phi)
    require("hidden", hidden, ("S", phi.shape[1]), phi=phi)
    wanted = (1, hidden.shape[0], window.positions, output_positions(phi, window))
    require("position", position, wanted, phi=phi, hidden=hidden)
