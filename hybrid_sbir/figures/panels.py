"""Panels of curves: what is drawn for given series, and nothing else.

E epochs.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from hybrid_sbir.figures.definition import Panel
from hybrid_sbir.figures.names import print_names
from hybrid_sbir.figures.paper import GREY, REFERENCE, STROKES, Stroke
from hybrid_sbir.figures.series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = 46.0  # millimetres, of a panel without its legend
_LINE = 4.2  # millimetres, of a line of legend
_MARKS = 6  # markers along a curve, at most


def height(panels: Sequence[Panel], columns: int) -> float:
    """Millimetres that the panels take, side by side in columns."""
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    return sum(_PANEL + _LINE * (2 + max(len(panel.rows) for panel in row)) for row in rows)


def draw_curves(
    figure: "Figure",
    panels: Sequence[Panel],
    drawn: Mapping[str, Mapping[str, Series]],
    reference: str | None,
    columns: int,
) -> "list[Axes]":
    """Draw the panels, each with its rows that were run and the reference; panels of a score share its scale.

    Args:
        figure: an empty one.
        panels: in reading order.
        drawn: score -> row -> its curve.
        reference: the row to repeat, if it was run.
        columns: panels side by side.

    Returns:
        The axes of the panels.
    """
    rows = math.ceil(len(panels) / columns)
    tops = {score: _top(own.values()) for score, own in drawn.items()}
    axes = []
    for place, panel in enumerate(panels):
        axis = figure.add_subplot(rows, columns, place + 1)
        _fill(axis, panel, drawn[panel.score], reference)
        _dress(axis, panel, tops[panel.score])
        axes.append(axis)
    return axes


def _fill(axis: "Axes", panel: Panel, own: Mapping[str, Series], reference: str | None) -> None:
    """The curves of a panel; its own keep their places in the list of strokes, whatever was not run."""
    repeated = [reference] if reference in own and reference not in panel.rows else []
    shown = [row for row in panel.rows if row in own]
    names = print_names([row for row in [*repeated, *shown] if row])
    for row in repeated:
        if row:
            _draw(axis, own[row], REFERENCE, f"{names[row]} (reference)", 0)
    for row in shown:
        number = panel.rows.index(row)
        _draw(axis, own[row], STROKES[number], names[row], number)


def _draw(axis: "Axes", series: Series, stroke: Stroke, name: str, number: int) -> None:
    """One curve; its markers stand apart from those of its neighbours."""
    several = len(series.seeds) > 1
    step = max(1, math.ceil(len(series.epochs) / _MARKS))
    axis.plot(
        series.epochs,
        series.mean,
        color=stroke.colour,
        linestyle=stroke.dash,
        linewidth=1.1,
        marker=stroke.marker or ("o" if len(series.epochs) == 1 else ""),
        markevery=(number % step, step),
        markersize=3.5,
        label=f"{name}, {len(series.seeds)} seeds" if several else name,
    )
    if several:
        axis.fill_between(series.epochs, series.low, series.high, color=stroke.colour, alpha=0.18, linewidth=0)
    for border in series.borders:
        axis.axvline(border + 0.5, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)


def _dress(axis: "Axes", panel: Panel, top: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set(xlabel="epoch", ylabel=panel.axis, ylim=(0, top))
    axis.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    legend = axis.legend(
        title=panel.title,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.3,
        borderpad=0,
        handlelength=3.2,
        labelspacing=0.25,
    )
    legend.get_title().set_fontweight("bold")


def _top(every: Iterable[Series]) -> float:
    highest = [value for series in every for value in series.high if math.isfinite(value)]
    return 1.05 * max(highest, default=100.0) or 1.0
