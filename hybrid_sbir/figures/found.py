"""``hybrid-sbir figure found``: sketches and the photos found for them, over the whole range from best to worst."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hybrid_sbir.figures.class_rows import short
from hybrid_sbir.figures.files import Caption, check_out, write_figure
from hybrid_sbir.figures.found_grid import GridRow, Shown, draw_grid, grid_height
from hybrid_sbir.figures.paper import Width, sheet

if TYPE_CHECKING:
    from hybrid_sbir.results.retrieval_run import RetrievalRun

_PHOTOS = {"page": 8, "column": 4}
_MOST = 9  # rows on a page


def found(
    run: Path,
    out: Path = Path("found.svg"),
    queries: int = 5,
    photos: int | None = None,
    width: Width = "page",
    title: str | None = None,
) -> list[str]:
    """Draw query sketches and the photos that come first for them, right and wrong marked by frame and sign.

    The queries are spread over the range of average precision: the best and the worst of those with pictures, and
    evenly between by rank.

    Args:
        run: a folder with embeddings.npz (`hybrid-sbir predict` writes it).
        out: the figure, .svg, .png or .pdf; SVG, PNG and a caption are written in any case, older ones replaced.
        queries: rows of the grid.
        photos: of each row; by default 8 on a page, 4 on a column.
        width: of a page's text (170 mm) or a column (84 mm).
        title: of the figure.

    Returns:
        The notes under the figure, and what was written.

    Raises:
        ValueError: no pictures, a damaged file, numbers that do not fit on a page.
        OSError: the file is missing, or cannot be read or written.
    """
    out = check_out(out)
    from hybrid_sbir.results.retrieval_run import RetrievalRun  # ranks, and so imports PyTorch

    most = {"page": 10, "column": 5}[width] if width in _PHOTOS else 1
    count = _PHOTOS.get(width, 1) if photos is None else photos
    if not 1 <= queries <= _MOST or not 1 <= count <= most:
        raise ValueError(f"{queries} queries of {count} photos: 1 to {_MOST} of 1 to {most} fit on a {width}")
    read = RetrievalRun.read(Path(run))
    ap = read.ranked(("ap",))["ap"].numpy()
    rows = spread(ap[read.shown], queries)
    if not rows:
        raise ValueError(f"{run}: its embeddings.npz has no picture of a query with a relevant photo; predict again")
    grid = [_row(read, place, ap, count) for place in rows]
    with sheet(width, grid_height(len(grid), count, width)) as figure:
        draw_grid(figure, grid, count, width)
        return write_figure(figure, _caption(read, grid, ap, title), out)


def spread(scores: np.ndarray, count: int) -> list[int]:
    """Places of ``count`` scores (S,), from the best to the worst, evenly by rank; NaN is left out."""
    order = [int(place) for place in np.argsort(-scores, kind="stable") if np.isfinite(scores[place])]
    if not order:
        return []
    wanted = np.linspace(0, len(order) - 1, min(count, len(order))) if count > 1 else np.array([(len(order) - 1) / 2])
    return [order[int(place)] for place in wanted]


def _row(run: "RetrievalRun", place: int, ap: np.ndarray, count: int) -> GridRow:
    """The sketch at a place of the shown ones, and its first photos."""
    query = run.shown[place]
    label = int(run.query_labels[query])
    photos = [
        Shown(run.pictures.get((1, photo)), run.classes[int(run.catalogue_labels[photo])], _is(run, photo, label))
        for photo in run.first[place][:count]
    ]
    name = run.classes[label]
    groups = [group for group, own in run.groups.items() if label in own and len(run.groups) > 1]
    sketch = Shown(run.pictures.get((0, query)), name, True)
    return GridRow(sketch, (short(name), *groups), 100 * float(ap[query]), tuple(photos), str(run.query_names[query]))


def _is(run: "RetrievalRun", photo: int, label: int) -> bool:
    return int(run.catalogue_labels[photo]) == label


def _caption(run: "RetrievalRun", grid: list[GridRow], ap: np.ndarray, title: str | None) -> Caption:
    known = 100 * ap[np.isfinite(ap)]
    rows = []
    for row in grid:
        right, beaten = sum(photo.right for photo in row.photos), 100 * float((known < row.ap).mean())
        what = ", ".join(row.text)
        rows.append(f"{what}: AP {row.ap:.1f}, {right} of {len(row.photos)} right, above {beaten:.0f} % of all queries")
    text = (
        f"Each row is a query sketch with its average precision (AP, percent) and the photos that {run.name} finds "
        "first for it, in order; a solid frame and a tick are right, a dashed frame and a cross are wrong, with the "
        f"photo's class. From above: {'; '.join(rows)}."
    )
    notes = (
        f"{len(grid)} of the {len(run.shown)} queries with pictures, from the best AP to the worst, evenly by rank",
        f"all {len(known)} queries with a relevant photo among {len(run.catalogue_labels)}: mAP {known.mean():.1f} %, "
        f"median AP {np.median(known):.1f} %; one run, one seed",
        f"queries: {', '.join(row.name for row in grid)}",
    )
    return Caption(title or "Photos found for sketches", text, notes)
