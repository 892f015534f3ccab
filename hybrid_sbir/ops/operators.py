"""The operators as a table: what goes in, what comes out, what a gradient needs, what it costs.

Shapes: N batch, C aggregated channels, G weight channels, R relation channels, S hidden channels, H, W input size,
OH, OW output size, P = OH * OW output positions, K window positions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hybrid_sbir.ops.accumulation import accumulation_dtype
from hybrid_sbir.ops.window import Window

Tensors = dict[str, Tensor]
Shapes = dict[str, torch.Size]

MAPS = ("x", "phi", "psi")
WEIGHTS = ("weight", "logits")


@dataclass(frozen=True)
class Operator:
    """One row of the table.

    Attributes:
        name: what it is called, here and in every implementation.
        inputs: its tensors, in order.
        shared: inputs that all samples share; the others have the batch first.
        results: an empty tensor for each result, from the inputs and the window.
        graded: results that carry a gradient.
        saved: inputs and results that the gradient takes, in order.
        macs: multiply-accumulates of the forward pass.
        recomputed: those of them that the backward pass does again.
    """

    name: str
    inputs: tuple[str, ...]
    results: dict[str, Callable[[Tensors, Window], Tensor]]
    saved: tuple[str, ...]
    macs: Callable[[Shapes, int, int], int]
    recomputed: Callable[[Shapes, int, int], int] = lambda shapes, k, p: 0
    shared: tuple[str, ...] = ()
    graded: tuple[str, ...] = ("y",)


def _positions(t: Tensor, window: Window) -> int:
    oh, ow = window.output_size(t.shape[-2], t.shape[-1])
    return oh * ow


def _aggregated(t: Tensors, window: Window) -> Tensor:
    x = t["x"]
    return x.new_empty(x.shape[0], x.shape[1], *window.output_size(x.shape[-2], x.shape[-1]))


def _log_divisor(channels: str) -> Callable[[Tensors, Window], Tensor]:
    """(N, G, P) in the accumulation type; ``channels`` is the input whose sizes give G."""

    def empty(t: Tensors, window: Window) -> Tensor:
        x, g = t["x"], t[channels].shape[1 if channels == "logits" else 0]
        return x.new_empty(x.shape[0], g, _positions(x, window), dtype=accumulation_dtype(*t.values()))

    return empty


def _relation(t: Tensors, window: Window) -> Tensor:
    phi = t["phi"]
    channels = t["hidden"].shape[0] if "hidden" in t else phi.shape[1]
    return phi.new_empty(phi.shape[0], channels, window.positions, _positions(phi, window))


def _patch_relation(t: Tensors, window: Window) -> Tensor:
    phi = t["phi"]
    return phi.new_empty(phi.shape[0], t["hidden"].shape[0], _positions(phi, window))


def _per_channel(t: Tensors, window: Window) -> Tensor:
    return t["phi"].new_empty(t["hidden"].shape[0], dtype=accumulation_dtype(*t.values()))


def _relation_macs(s: Shapes, k: int, p: int) -> int:
    return s["phi"][0] * s["hidden"].numel() * k * p


def _pair_weight_macs(s: Shapes, k: int, p: int) -> int:
    return _relation_macs(s, k, p) + s["x"][0] * s["output"].numel() * k * p


_PAIR = ("phi", "psi", "position", "hidden")
_PAIR_ATTENTION = ("x", *_PAIR, "scale", "shift", "output", "bias")
_PATCH = ("phi", "psi", "scale", "shift", "hidden")
_PATCH_ATTENTION = ("x", "hidden", "output", "bias")

OPERATORS = [
    Operator(
        "aggregation",
        inputs=("x", "weight"),
        results={"y": _aggregated},
        saved=("x", "weight"),
        macs=lambda s, k, p: s["x"][0] * s["x"][1] * k * p,
    ),
    Operator(
        "softmax_aggregation",
        inputs=("x", "logits"),
        results={"y": _aggregated, "lse": _log_divisor("logits")},
        saved=("x", "logits", "y", "lse"),
        macs=lambda s, k, p: s["x"][0] * s["x"][1] * k * p,
    ),
    Operator("subtraction", inputs=("phi", "psi"), results={"y": _relation}, saved=(), macs=lambda s, k, p: 0),
    Operator(
        "pair_relation",
        inputs=_PAIR,
        shared=("position", "hidden"),
        results={"y": _relation},
        saved=("phi", "psi", "hidden"),
        macs=_relation_macs,
    ),
    Operator(
        "pair_moments",
        inputs=_PAIR,
        shared=_PAIR,  # a statistic of all samples: no input can be folded into the batch
        results={"mean": _per_channel, "variance": _per_channel},
        graded=("mean", "variance"),
        saved=("mean", *_PAIR),
        macs=_relation_macs,
        recomputed=_relation_macs,
    ),
    Operator(
        "pair_attention",
        inputs=_PAIR_ATTENTION,
        shared=_PAIR_ATTENTION[3:],
        results={"y": _aggregated, "lse": _log_divisor("output")},
        saved=(*_PAIR_ATTENTION, "y", "lse"),
        macs=lambda s, k, p: _pair_weight_macs(s, k, p) + s["x"][0] * s["x"][1] * k * p,
        recomputed=_pair_weight_macs,
    ),
    Operator(
        "patch_relation",
        inputs=_PATCH,
        shared=_PATCH[2:],
        results={"y": _patch_relation},
        saved=_PATCH,
        macs=lambda s, k, p: s["phi"][0] * s["hidden"].numel() * p,
    ),
    Operator(
        "patch_attention",
        inputs=_PATCH_ATTENTION,
        shared=_PATCH_ATTENTION[2:],
        results={"y": _aggregated},
        saved=_PATCH_ATTENTION,
        macs=lambda s, k, p: s["x"][0] * p * (s["output"].numel() + k * s["x"][1]),
        recomputed=lambda s, k, p: s["x"][0] * p * s["output"].numel(),
    ),
]
