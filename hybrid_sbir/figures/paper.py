"""What all figures share: sizes of a page, colours, type, and files that come out the same to the byte.

Colours are Okabe and Ito's, told apart by colour-blind readers (jfly.uni-koeln.de/color); each comes with a dash and a
marker of its own, so that a grey print tells them apart too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Width = Literal["page", "column"]

WIDTHS = {"page": 170.0, "column": 84.0}
"""Widths in millimetres on A4: of the text, and of one of two columns."""

TALLEST = 247.0
"""Millimetres that fit on a page of A4 between margins of 25."""

TYPE = 8.0
"""Size of all type, points, at the printed width."""

BLACK, GREY = "#000000", "#767676"
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"

_RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": TYPE,
    "axes.titlesize": TYPE,
    "axes.labelsize": TYPE,
    "xtick.labelsize": TYPE,
    "ytick.labelsize": TYPE,
    "legend.fontsize": TYPE,
    "legend.title_fontsize": TYPE,
    "figure.titlesize": TYPE + 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "svg.fonttype": "path",  # glyphs are drawn: no font is needed to read the file
    "svg.hashsalt": "hybrid_sbir",
    "pdf.fonttype": 42,  # TrueType, embedded
}


@dataclass(frozen=True)
class Stroke:
    """How one curve is told from the others.

    Attributes:
        colour: ``#rrggbb``.
        dash: offset and lengths of dashes and gaps, in line widths.
        marker: matplotlib's letter; empty for none.
    """

    colour: str
    dash: tuple[float, tuple[float, ...]]
    marker: str


STROKES = (
    Stroke(BLUE, (0, ()), "o"),
    Stroke(VERMILLION, (0, (5, 1.5)), "s"),
    Stroke(GREEN, (0, (6, 1.5, 1, 1.5)), "^"),
    Stroke(PURPLE, (0, (1.2, 1.2)), "D"),
    Stroke(ORANGE, (0, (9, 2)), "v"),
    Stroke(SKY, (0, (6, 1.5, 1, 1.5, 1, 1.5)), "P"),
)
"""Of the curves of one panel; more are not told apart."""

REFERENCE = Stroke(BLACK, (0, ()), "")
"""Of the curve that is repeated in every panel."""


@contextmanager
def sheet(width: Width, height: float) -> Iterator["Figure"]:
    """Give an empty figure; inside the block the house's type and lines hold.

    Args:
        width: a key of :data:`WIDTHS`.
        height: millimetres.

    Raises:
        ValueError: if matplotlib is not installed, or there is no such width.
    """
    if width not in WIDTHS:
        raise ValueError(f"a figure is as wide as a {' or a '.join(WIDTHS)}; got {width!r}")
    matplotlib = _matplotlib()
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_RC):
        yield Figure(figsize=(WIDTHS[width] / 25.4, height / 25.4), layout="constrained")


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ValueError("figures are drawn by matplotlib: pip install 'hybrid-sbir[figures]'") from error
    return matplotlib
