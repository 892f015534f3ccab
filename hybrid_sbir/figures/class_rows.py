"""Rows of a figure of classes, in columns as long as a page; what does not fit is left out, in the middle.

R rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybrid_sbir.figures.by_class import ByClass
from hybrid_sbir.figures.paper import BLUE, GREY, TALLEST, VERMILLION, Width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 3.4  # millimetres, a line of type of 8 points
AROUND = 14.0  # millimetres, of legend and axis
LONGEST = int((TALLEST - AROUND) / ROW)
COLUMNS = {"page": 3, "column": 1}
_LETTERS = 24  # of a class's name

_MARKS = ((BLUE, "o"), (VERMILLION, "D"))


@dataclass(frozen=True)
class Row:
    """A line of the figure.

    Attributes:
        text: the class's name, or a heading.
        values: of each run, percent; empty of a heading.
        heading: whether it begins a group, or says what was left out.
    """

    text: str
    values: tuple[float, ...]
    heading: bool


def arranged(runs: Sequence[ByClass], width: Width) -> tuple[list[list[Row]], int]:
    """Sort the classes of each group by the first run, the best first, and share them out over columns.

    Returns:
        The rows of each column, and how many classes were left out for want of room.
    """
    first = runs[0]
    space = COLUMNS[width] * (LONGEST - 1) - 2 * len(first.groups)
    total = sum(len(own) for own in first.groups.values())
    rows: list[Row] = []
    left_out = 0
    for group, own in first.groups.items():
        ranked = sorted(own, key=lambda name: (-_or_least(first.values[name]), name))
        most = len(own) if total <= space else max(2, space * len(own) // total)
        gone = len(own) - most if most < len(own) else 0
        left_out += gone
        shown = [Row(short(name), tuple(run.values[name] for run in runs), False) for name in ranked]
        if group:
            rows.append(Row(f"{group}, {len(own)} classes", (), True))
        if gone:
            kept = (len(own) - gone + 1) // 2
            shown = [*shown[:kept], Row(f"… {gone} between …", (), True), *shown[kept + gone :]]
        rows += shown
    count = min(COLUMNS[width], max(1, math.ceil(len(rows) / 20)))
    return _columns(rows, math.ceil(len(rows) / count)), left_out


def _columns(rows: Sequence[Row], length: int) -> list[list[Row]]:
    """Share rows out; a column that begins within a group says so."""
    columns = [list(rows[start : start + length]) for start in range(0, len(rows), length)]
    group = ""
    for column in columns:
        if group and not column[0].heading:
            column.insert(0, Row(f"{group}, continued", (), True))
        group = next((row.text.partition(",")[0] for row in reversed(column) if row.heading and "," in row.text), group)
    return columns


def short(name: str) -> str:
    """A name that fits beside its row."""
    name = name.replace("_", " ")
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"


def _or_least(value: float) -> float:
    return value if math.isfinite(value) else -1.0


def height(columns: Sequence[Sequence[Row]]) -> float:
    """Millimetres of the figure."""
    return AROUND + ROW * max(4, *(len(rows) for rows in columns))


def draw_rows(figure: "Figure", columns: Sequence[Sequence[Row]], names: Sequence[str], measure: str) -> "list[Axes]":
    """Draw the columns: a mark a run on each row, joined where there are two.

    Args:
        figure: an empty one.
        columns: rows of each.
        names: of the runs, one or two.
        measure: what the horizontal axis is called.

    Returns:
        The columns' axes.
    """
    longest = max(4, *(len(rows) for rows in columns))
    known = [value for rows in columns for row in rows for value in row.values if math.isfinite(value)]
    right = max(known, default=1.0) * 1.05 or 1.0
    axes = []
    for place, rows in enumerate(columns):
        axis = figure.add_subplot(1, len(columns), place + 1)
        _fill(axis, rows, names)
        axis.set(xlim=(0, right), ylim=(longest - 0.4, -0.6), xlabel=measure)
        axis.grid(visible=False, axis="y")
        axis.tick_params(axis="y", length=0)
        axes.append(axis)
    if len(names) > 1:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(names))
    return axes


def _fill(axis: "Axes", rows: Sequence[Row], names: Sequence[str]) -> None:
    several = len(names) > 1
    places = [place for place, row in enumerate(rows) if not row.heading]
    for place in places:
        ends = [value for value in rows[place].values if math.isfinite(value)] or [0.0]
        axis.hlines(place, min(ends) if several else 0, max(ends), color=GREY, linewidth=0.7, zorder=1)
    for number, (name, (colour, marker)) in enumerate(zip(names, _MARKS, strict=False)):
        values = [rows[place].values[number] for place in places]
        axis.plot(
            values,
            places,
            linestyle="",
            marker=marker,
            color=colour,
            markerfacecolor=colour if number == 0 else "white",
            markersize=3.6,
            label=name,
            clip_on=False,
        )
    axis.set_yticks(range(len(rows)), [row.text for row in rows])
    for text, row in zip(axis.get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if row.heading else "normal")
