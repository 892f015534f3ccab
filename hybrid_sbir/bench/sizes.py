"""Sizes at which the operators are measured, the shapes that follow from them, and the bytes that must be moved.

Shapes: N batch, M aggregated channels (of a block with 4 M), G = M / 8 weight channels, R = M / 4 relation channels,
S hidden channels (R in a pairwise block, G in a patchwise one), H = W size, P = H * W positions, K window positions.
"""

from dataclasses import dataclass

import torch

from hybrid_sbir.models.san import FEATURE_REDUCTION, RELATION_REDUCTION, SHARE
from hybrid_sbir.ops import Window

OPERATORS = (
    "aggregation",
    "softmax_aggregation",
    "subtraction",
    "pair_relation",
    "pair_moments",
    "pair_attention",
    "patch_relation",
    "patch_attention",
)


@dataclass(frozen=True)
class Size:
    """Sizes of a map on which operators and blocks are measured, with SAN's proportions.

    Attributes:
        batch: N.
        side: H = W.
        channels: M, a multiple of 8.
        kernel_size: side of the window.
    """

    batch: int
    side: int
    channels: int
    kernel_size: int = 7

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"the batch is {self.batch}; it must be at least 1")
        if self.channels < SHARE or self.channels % SHARE:
            raise ValueError(f"{self.channels} aggregated channels; they must be a multiple of {SHARE}")
        Window(self.kernel_size).output_size(self.side, self.side)  # refuses what does not fit

    @property
    def block_channels(self) -> int:
        """Channels of the block that aggregates M."""
        return self.channels * FEATURE_REDUCTION

    @property
    def letters(self) -> dict[str, int]:
        """The legend's letters, as numbers."""
        return {
            "N": self.batch,
            "M": self.channels,
            "G": self.channels // SHARE,
            "R": self.block_channels // RELATION_REDUCTION,
            "P": self.side**2,
            "K": self.kernel_size**2,
        }

    def __str__(self) -> str:
        return f"{self.side} x {self.side}, {self.channels} channels"


def shapes(operator: str, size: Size) -> dict[str, tuple[int, ...]]:
    """The shapes of an operator's arguments and, after ``result``, ``result2``, of its results.

    They are kept apart from the code that allocates: the bytes that must be moved follow from them.
    """
    n, m, g, r, p, k = size.letters.values()
    x, phi, weight = (n, m, size.side, size.side), (n, r, size.side, size.side), (n, g, k, p)
    pair = {"phi": phi, "psi": phi, "position": (1, r, k, p), "hidden": (r, r)}
    table: dict[str, dict[str, tuple[int, ...]]] = {
        "aggregation": {"x": x, "weight": weight, "result": x},
        "softmax_aggregation": {"x": x, "logits": weight, "result": x, "result2": (n, g, p)},
        "subtraction": {"phi": phi, "psi": phi, "result": (n, r, k, p)},
        "pair_relation": {**pair, "result": (n, r, k, p)},
        "pair_moments": {**pair, "result": (r,), "result2": (r,)},
        "pair_attention": {
            "x": x,
            **pair,
            "scale": (r,),
            "shift": (r,),
            "output": (g, r),
            "bias": (g,),
            "result": x,
            "result2": (n, g, p),
        },
        "patch_relation": {
            "phi": phi,
            "psi": phi,
            "scale": (r, k + 1),
            "shift": (r, k + 1),
            "hidden": (g, r, k + 1),
            "result": (n, g, p),
        },
        "patch_attention": {"x": x, "hidden": (n, g, p), "output": (g, k, g), "bias": (g, k), "result": x},
    }
    return table[operator]


# What a gradient must read beside the gradients of the results: a subtraction's needs neither its inputs nor results,
# a softmax's also reads its results, that of the moments the mean.
_READS: dict[str, tuple[bool, tuple[str, ...]]] = {
    "subtraction": (False, ()),
    "softmax_aggregation": (True, ("result", "result2")),
    "pair_attention": (True, ("result", "result2")),
    "pair_moments": (True, ("result",)),
}


def differentiable_results(operator: str, size: Size) -> list[tuple[int, ...]]:
    """The shapes of the results that carry gradients: a softmax's log of its divisor does not."""
    found = shapes(operator, size)
    return [found[name] for name in (("result", "result2") if operator == "pair_moments" else ("result",))]


def bytes_moved(operator: str, size: Size, element: int) -> tuple[int, int]:
    """The fewest bytes that the forward and the backward pass must move, at ``element`` bytes a number.

    Forward: every argument is read once, every result written once. Backward: the gradients of the differentiable
    results, the arguments and the results that it needs are read once, the gradients of the arguments written once.
    """
    numbers = {name: torch.Size(shape).numel() for name, shape in shapes(operator, size).items()}
    arguments = sum(count for name, count in numbers.items() if not name.startswith("result"))
    results = sum(numbers.values()) - arguments
    reads_arguments, reads_results = _READS.get(operator, (True, ()))
    incoming = sum(torch.Size(shape).numel() for shape in differentiable_results(operator, size))
    read = incoming + reads_arguments * arguments + sum(numbers[name] for name in reads_results)
    return element * (arguments + results), element * (read + arguments)
