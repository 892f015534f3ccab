"""Panels of scores against costs: points by family, the Pareto front, labels.

P points.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import quantiles
from typing import TYPE_CHECKING

from hybrid_sbir.figures.cost_points import FRONT_DASH, STYLES, Point, family_keys, number_keys
from hybrid_sbir.figures.paper import GREY, Width
from hybrid_sbir.figures.placing import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAR = 3.0
"""Interquartile ranges below the lower quartile, beyond which a point is set on the lower edge."""


def pareto(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Places of the points that no other beats by costing no more and scoring no less; the cheapest first."""
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -scores[place]))
    front: list[int] = []
    for place in order:
        if not front or scores[place] > scores[front[-1]]:
            front.append(place)
    return front


def floor(scores: Sequence[float]) -> float | None:
    """The score below which points are set on the edge; None where all lie together."""
    if len(scores) < 5:
        return None
    low, _, high = quantiles(scores, n=4, method="inclusive")
    limit = low - FAR * max(high - low, 0.5)
    return limit if min(scores) < limit else None


def draw_costs(
    figure: "Figure", points: Sequence[Point], axes: Sequence[tuple[str, str]], score: str, width: Width
) -> "list[Axes]":
    """Draw one panel below another, the same scores against several costs.

    Args:
        figure: an empty one.
        points: P.
        axes: for each panel, the attribute of :class:`Cost` and what its axis is called.
        score: what the vertical axis is called.
        width: on a column, labels are numbers, with their key below.

    Returns:
        The panels' axes.
    """
    panels = [figure.add_subplot(len(axes), 1, place + 1) for place in range(len(axes))]
    for axis, (attribute, name) in zip(panels, axes, strict=True):
        _scatter(axis, points, attribute)
        axis.set(xlabel=name, ylabel=score)
    narrow = width == "column"
    keys = family_keys(points, "numbers" if narrow else "names")
    figure.legend(handles=keys, loc="outside upper center", ncols=2 if narrow else 3, handlelength=1.6)
    if narrow:
        figure.legend(handles=number_keys(points), loc="outside lower center", ncols=2, handlelength=1.0)
    figure.draw_without_rendering()  # only now is it known where the panels stand
    figure.set_layout_engine("none")
    texts = [str(place) if narrow else point.name for place, point in enumerate(points, 1)]
    for axis, (attribute, _) in zip(panels, axes, strict=True):
        _label(axis, points, texts, attribute)
    return panels


def _label(axis: "Axes", points: Sequence[Point], texts: Sequence[str], attribute: str) -> None:
    """Names at the points, bold on the front; clear of the staircase and of the ranges."""
    below, bottom = floor([point.scored.mean for point in points]), axis.get_ylim()[0]
    front = set(_front(points, attribute))
    at = [(x, max(y, bottom)) for x, y in _places(points, attribute)]
    told = [
        f"{text}: {point.scored.mean:.1f} ↓" if below is not None and point.scored.mean < below else text
        for text, point in zip(texts, points, strict=True)
    ]
    stairs = _stairs(points, attribute)
    lines = list(pairwise(stairs))
    for point, (x, y) in zip(points, at, strict=True):
        lines.append(((x, point.scored.low), (x, point.scored.high)))
        if attribute == "ms":
            lines.append(((point.cost.low, y), (point.cost.high, y)))
    label(
        axis, at, told, [place in front for place in range(len(points))], [line for line in lines if line[0] != line[1]]
    )


def _places(points: Sequence[Point], attribute: str) -> list[tuple[float, float]]:
    return [(getattr(point.cost, attribute), point.scored.mean) for point in points]


def _front(points: Sequence[Point], attribute: str) -> list[int]:
    places = _places(points, attribute)
    return pareto([x for x, _ in places], [y for _, y in places])


def _stairs(points: Sequence[Point], attribute: str) -> list[tuple[float, float]]:
    """The corners of the front as a staircase: what a given cost buys."""
    places = _places(points, attribute)
    front = [places[place] for place in _front(points, attribute)]
    corners = [front[0]]
    for x, y in front[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return [*corners, (max(x for x, _ in places), corners[-1][1])]


def _scatter(axis: "Axes", points: Sequence[Point], attribute: str) -> None:
    """Points with their ranges, and the front."""
    places = _places(points, attribute)
    below = floor([y for _, y in places])
    shown = [point.scored for point in points if below is None or point.scored.mean >= below]
    low, high = min(one.low for one in shown), max(one.high for one in shown)
    air = 0.14 * max(high - low, 1.0)
    stairs = _stairs(points, attribute)
    axis.plot([x for x, _ in stairs], [y for _, y in stairs], color=GREY, linewidth=0.9, linestyle=FRONT_DASH, zorder=1)
    for point, (x, y) in zip(points, places, strict=True):
        _dot(axis, point, x, max(y, low - air), attribute)
    axis.set_ylim(low - air, high + air)
    axis.margins(x=0.08)
    if attribute == "ms":
        _by_ratio(axis, [x for x, _ in places])


def _by_ratio(axis: "Axes", times: Sequence[float]) -> None:
    """Times that differ by more than a factor of two on a logarithmic axis: the fast ones lie close together."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if min(times) > 0 and max(times) > 2 * min(times):
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 8)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.minorticks_off()


def _dot(axis: "Axes", point: Point, x: float, y: float, attribute: str) -> None:
    colour, marker = STYLES[point.family]
    seeds = [[point.scored.mean - point.scored.low], [point.scored.high - point.scored.mean]]
    rounds = [[x - point.cost.low], [point.cost.high - x]] if attribute == "ms" else None
    axis.errorbar(
        x,
        y,
        yerr=seeds if point.scored.seeds > 1 else None,
        xerr=rounds,
        fmt=marker,
        color=colour,
        markerfacecolor="white" if point.hollow else colour,
        markersize=5,
        markeredgewidth=1.1,
        elinewidth=0.7,
        clip_on=False,
        zorder=3,
    )
