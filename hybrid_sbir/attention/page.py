"""The page that an attention picture is laid out on: places in inches, words, and what the marks mean."""

from collections.abc import Sequence
from typing import Any

from hybrid_sbir.attention.footprint import Footprint
from hybrid_sbir.attention.panels import DARK

SIDE, TITLE = 1.05, 0.22  # inches of a panel's side, and of its title


class Page:
    """Places in inches from the upper left of a figure, in rows of one height."""

    def __init__(self, figure: Any, tall: float) -> None:
        self.figure, self.tall = figure, tall
        self.size = figure.get_size_inches()

    def axes(self, row: int, left: float, width: float) -> Any:
        """Axes as tall as a panel."""
        top = row * self.tall + TITLE
        return self.figure.add_axes(
            (left / self.size[0], 1 - (top + SIDE) / self.size[1], width / self.size[0], SIDE / self.size[1])
        )

    def words(self, row: int, left: float, text: str, bold: bool = False, down: float = 0.0) -> None:
        """Words whose first line stands beside a panel's upper edge."""
        y = 1 - (row * self.tall + TITLE + down) / self.size[1]
        weight = "bold" if bold else "normal"
        self.figure.text(left / self.size[0], y, text, fontsize=8, va="top", weight=weight, linespacing=1.35)

    def legend(self, left: float, caption: str, several: Sequence[Footprint]) -> None:
        """What the marks mean, as far as there are any, and the picture's own words above it."""
        top = 1 - (TITLE - 0.06) / self.size[1]
        self.figure.legend(
            handles=_marks(several), title=caption, loc="upper left", bbox_to_anchor=(left / self.size[0], top),
            fontsize=8, title_fontsize=8, frameon=False, alignment="left", borderpad=0, handlelength=1.8,
            labelspacing=0.35,
        )  # fmt: skip


def _marks(several: Sequence[Footprint]) -> list[Any]:
    from matplotlib.lines import Line2D

    frame: dict[str, Any] = {"marker": "s", "markersize": 8, "markerfacecolor": "none", "color": DARK}
    bare: dict[str, Any] = {"linestyle": "none"}
    marks = [Line2D([], [], **frame, **bare, label="the position's cell in the block's map")]
    if any(each.local for each in several):
        marks.append(Line2D([], [], color=DARK, linestyle=(0, (4, 2)), label="its footprint"))
    if any(each.reflected.any() for each in several):
        circle = {**frame, **bare, "marker": "o", "markersize": 5}
        marks.append(Line2D([], [], **circle, label="neighbours beyond the border fall here too"))
    if any(each.law.signed for each in several):
        marks.append(Line2D([], [], color=DARK, marker="_", markersize=6, **bare, label="negative weight"))
    return marks
