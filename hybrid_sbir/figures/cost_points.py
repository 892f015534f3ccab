"""Points of a figure of costs, and how their families are told apart.

P points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_sbir.figures.costs import Cost
from hybrid_sbir.figures.names import FAMILIES, Family
from hybrid_sbir.figures.paper import BLACK, BLUE, GREEN, GREY, VERMILLION
from hybrid_sbir.figures.scored import Scored

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

STYLES: dict[Family, tuple[str, str]] = {
    "convolutional": (BLACK, "o"),
    "attentional": (BLUE, "s"),
    "hybrid": (VERMILLION, "^"),
    "non-local": (GREEN, "D"),
}
"""Family -> colour and marker; a variant with non-local blocks added is hollow."""

FRONT_DASH = (0, (4, 1.5))
"""Of the Pareto front."""


@dataclass(frozen=True)
class Point:
    """A row on the figure.

    Attributes:
        name: in print.
        family: of its backbone.
        hollow: whether it is an "(nl)" variant.
        scored: its score, percent.
        cost: of its backbone.
    """

    name: str
    family: Family
    hollow: bool
    scored: Scored
    cost: Cost


def family_keys(points: Sequence[Point], labels: str) -> "list[Line2D]":
    """The legend's entries: the families that are there, what is hollow, the front and its bold ``labels``."""
    from matplotlib.lines import Line2D

    there = {point.family for point in points}
    keys = [Line2D([], [], label=name, **_marker(name, False)) for name in FAMILIES if name in there]
    if any(point.hollow for point in points):
        hollow: dict[str, Any] = {
            "color": GREY,
            "marker": "o",
            "linestyle": "",
            "markersize": 5,
            "markerfacecolor": "white",
        }
        keys.append(Line2D([], [], label="hollow: non-local blocks added", **hollow))
    keys.append(Line2D([], [], color=GREY, linestyle=FRONT_DASH, linewidth=0.9, label=f"Pareto front (bold {labels})"))
    return keys


def number_keys(points: Sequence[Point]) -> "list[Line2D]":
    """What the numbers on the panels stand for, P entries."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], label=f"{number} {point.name}", **_marker(point.family, point.hollow))
        for number, point in enumerate(points, 1)
    ]


def _marker(family: Family, hollow: bool) -> dict[str, Any]:
    colour, marker = STYLES[family]
    face = "white" if hollow else colour
    return {"color": colour, "marker": marker, "linestyle": "", "markersize": 5, "markerfacecolor": face}
