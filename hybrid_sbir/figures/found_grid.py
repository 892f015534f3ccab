"""A grid of sketches and photos on paper.

A side of a picture in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybrid_sbir.figures.paper import BLACK, BLUE, GREY, VERMILLION, WIDTHS, Width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 2.0  # millimetres between pictures
_EDGE = 1.0
_WORDS = 3.6  # millimetres, a line of type below a picture
_LINES = 3
_LETTER = 1.5  # millimetres, as wide as a letter of 8 points is on average
_HEAD = 5.0
RIGHT, WRONG = "✓", "✗"


@dataclass(frozen=True)
class Shown:
    """A picture on the grid.

    Attributes:
        image: (A, A, 3), uint8; None where there is none.
        label: name of its class.
        right: whether that is the query's.
    """

    image: np.ndarray | None
    label: str
    right: bool


@dataclass(frozen=True)
class GridRow:
    """A query and what was found.

    Attributes:
        sketch: the query.
        text: its class and, if there are several, the group that it is of: lines below the sketch.
        ap: average precision of its ranking, percent.
        photos: the first, in order.
        name: of the query's file.
    """

    sketch: Shown
    text: tuple[str, ...]
    ap: float
    photos: tuple[Shown, ...]
    name: str


def _side(photos: int, width: Width) -> float:
    """Millimetres of a picture's side; the sketch stands half a gap further off."""
    return (WIDTHS[width] - 2 * _EDGE - _GAP * (photos + 1)) / (photos + 1)


def grid_height(rows: int, photos: int, width: Width) -> float:
    """Millimetres of the figure."""
    return 2 * _EDGE + _HEAD + rows * (_side(photos, width) + _LINES * _WORDS + _GAP)


def draw_grid(figure: "Figure", rows: Sequence[GridRow], photos: int, width: Width) -> "list[list[Axes]]":
    """Draw the rows: the sketch with its class and AP, then the photos with frames and signs.

    Args:
        figure: an empty one, as high as :func:`grid_height` says.
        rows: from above.
        photos: places of a row.
        width: of the figure.

    Returns:
        The pictures' axes, the sketch's first, a list a row.
    """
    figure.set_layout_engine("none")
    side, high = _side(photos, width), grid_height(len(rows), photos, width)
    wide = WIDTHS[width]
    places = [_EDGE + number * (side + _GAP) + (_GAP if number else 0) for number in range(photos + 1)]
    heads = ["query", *map(str, range(1, photos + 1))]
    for left, head in zip(places, heads, strict=True):
        figure.text((left + side / 2) / wide, 1 - (_EDGE + 3) / high, head, ha="center", color=BLACK)
    axes = []
    for number, row in enumerate(rows):
        bottom = high - _EDGE - _HEAD - side - number * (side + _LINES * _WORDS + _GAP)
        cells = []
        for left, shown in zip(places, (row.sketch, *row.photos), strict=False):
            cells.append(figure.add_axes((left / wide, bottom / high, side / wide, side / high)))
            _picture(cells[-1], shown)
        _under(cells[0], (*row.text, f"AP {row.ap:.1f}"), side, BLACK)
        for cell, photo in zip(cells[1:], row.photos, strict=True):
            _frame(cell, photo, side)
        axes.append(cells)
    return axes


def _picture(axis: "Axes", shown: Shown) -> None:
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    if shown.image is None:
        axis.text(0.5, 0.5, "no picture", ha="center", va="center", color=GREY, transform=axis.transAxes)
    else:
        axis.imshow(shown.image, interpolation="antialiased", aspect="auto")
    for spine in axis.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.6)


def _frame(axis: "Axes", photo: Shown, side: float) -> None:
    """Right and wrong by colour, by the frame's dash and by a sign: any one of them is enough."""
    colour = BLUE if photo.right else VERMILLION
    for spine in axis.spines.values():
        spine.set(color=colour, linewidth=1.8 if photo.right else 1.3)
        spine.set_linestyle((0, ()) if photo.right else (0, (3, 2)))
    _under(axis, [RIGHT if photo.right else f"{WRONG} {photo.label.replace('_', ' ')}"], side, colour)


def _under(axis: "Axes", texts: Sequence[str], side: float, colour: str) -> None:
    """Lines below a picture, broken or cut where they are wider than it."""
    letters = max(4, int((side + _GAP / 2) / _LETTER))
    lines = [line for text in texts for line in _broken(text, letters)][:_LINES]
    for number, line in enumerate(lines):
        height = -(0.8 + (number + 0.72) * _WORDS) / side
        axis.text(0, height, line, transform=axis.transAxes, va="baseline", color=colour)


def _broken(text: str, letters: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [line if len(line) <= letters else line[: letters - 1] + "…" for line in lines]
