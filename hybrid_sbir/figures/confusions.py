"""``hybrid-sbir figure confusions``: the classes that a run takes for others most often."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_sbir.figures.class_rows import ROW, short
from hybrid_sbir.figures.confused import Confused, Pair, read_confused
from hybrid_sbir.figures.files import Caption, check_out, write_figure
from hybrid_sbir.figures.paper import BLACK, SKY, Width, sheet
from hybrid_sbir.figures.reading import read_one
from hybrid_sbir.figures.regime import regime_notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AROUND = 14.0  # millimetres
_MOST = 50  # rows on a page
_ROOM = {"page": 1.2, "column": 1.7}  # of the axis over the longest bar, for the counts


def confusions(
    run: Path, out: Path = Path("confusions.svg"), pairs: int = 20, width: Width = "page", title: str | None = None
) -> list[str]:
    """Draw the most confused pairs of classes with their counts; of a retrieval, what is found first instead.

    Args:
        run: a folder with predictions.npz or, of a retrieval, embeddings.npz (`hybrid-sbir predict` writes them).
        out: the figure, .svg, .png or .pdf; SVG, PNG and a caption are written in any case, older ones replaced.
        pairs: show so many.
        width: of a page's text (170 mm) or a column (84 mm).
        title: of the figure.

    Returns:
        The notes under the figure, and what was written.

    Raises:
        ValueError: a damaged file, no mistake to show, a number of pairs that does not fit on a page.
        OSError: a file is missing, or cannot be read or written.
    """
    out = check_out(out)
    if not 1 <= pairs <= _MOST:
        raise ValueError(f"--pairs {pairs}: from 1 to {_MOST} fit on a page")
    found = read_confused(Path(run), pairs)
    if not found.pairs:
        raise ValueError(f"{run}: none of {found.total} {found.of} is wrong; there is nothing to draw")
    with sheet(width, _AROUND + 1.3 * ROW * max(3, len(found.pairs))) as figure:
        draw_pairs(figure, found.pairs, found.of, width)
        return write_figure(figure, _caption(Path(run), found, title), out)


def draw_pairs(figure: "Figure", pairs: Sequence[Pair], of: str, width: Width) -> "Axes":
    """Draw a bar a pair, as long as its share of what the class could get wrong; counts beside.

    Args:
        figure: an empty one.
        pairs: from above.
        of: what is counted, in words.
        width: of the figure; a narrow one leaves the counts more of it.

    Returns:
        The axes.
    """
    axis = figure.add_subplot()
    places = range(len(pairs))
    axis.barh(places, [pair.share for pair in pairs], height=0.7, color=SKY, edgecolor=BLACK, linewidth=0.5)
    axis.set_yticks(places, [f"{short(pair.true)} → {short(pair.said)}" for pair in pairs])
    for place, pair in zip(places, pairs, strict=True):
        axis.annotate(
            f"{pair.count} of {pair.total}", (pair.share, place), (3, 0), textcoords="offset points", va="center"
        )
    axis.set_xlabel(f"% of the class's {of}", loc="right")
    axis.set_ylim(max(3, len(pairs)) - 0.4, -0.6)
    right = _ROOM[width] * max(pair.share for pair in pairs)
    axis.set_xlim(0, right)
    axis.set_xticks([tick for tick in axis.get_xticks() if 0 <= tick <= min(right, 100)])  # the rest is room for words
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    return axis


def _caption(folder: Path, found: Confused, title: str | None) -> Caption:
    first = found.pairs[0]
    took = "predicts" if found.of == "samples" else "finds photos of"
    text = (
        f"Each bar is a pair: the class of the sketches → the class that {found.name} {took} instead, the most "
        f"frequent first. At the top, {first.true} → {first.said}: {first.count} of {first.total} {found.of}."
    )
    notes = [
        f"{found.wrong} of {found.total} {found.of} are of another class ({100 * found.wrong / found.total:.1f} %)"
    ]
    notes += [f"{found.others} further pairs are not shown"] if found.others else []
    notes += ["one run, one seed"]
    record = read_one(folder)[1]
    notes += regime_notes([record]) if record else []
    return Caption(title or "Classes taken for others", text, tuple(notes))
