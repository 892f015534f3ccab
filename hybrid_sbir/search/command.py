"""The verb that searches in an index."""

from pathlib import Path

from hybrid_sbir.search.sketch_search import SketchSearch


def search(sketches: list[Path], *, index: Path, k: int = 10) -> list[str]:
    """Find photos for sketches.

    Args:
        sketches: image files.
        index: the index's folder.
        k: how many photos a sketch.

    Returns:
        A table, in lines.
    """
    opened = SketchSearch.load(index)
    lines = []
    for sketch in sketches:
        lines += [f"{sketch}", *(f"{hit.rank:4}  {hit.score:6.3f}  {hit.id}" for hit in opened.search(sketch, k))]
    return lines
