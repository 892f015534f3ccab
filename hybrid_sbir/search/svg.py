"""An SVG drawing as strokes: shapes of all kinds with their transforms, curves as lines close to them.

What a pen would have drawn is taken: every stroked shape's line, and the outline of a shape that is only filled.
Widths, colours, dashes and what covers what are not; the paper (a filled rectangle as large as the drawing), what has
the paper's colour, is hidden or fully transparent is left out, and so are text and images.

Shapes: L points a stroke, P control points.
"""

import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np

from hybrid_sbir.data.strokes import Drawing
from hybrid_sbir.search.drawing import MAX_POINTS, StrokeProblem, checked
from hybrid_sbir.search.svg_curves import Curve, flattened, samples
from hybrid_sbir.search.svg_guard import SvgProblem, check_svg

TOLERANCE = 1 / 2048
"""Curves are drawn as lines no farther from them than this share of the drawing's longer side: 1/8 pixel of 256."""
MAX_SECONDS = 5.0
_COVER = 0.98  # of the drawing's width and height: what is filled over that is paper


def svg_strokes(content: bytes) -> Drawing:
    """Read the strokes of an SVG.

    Returns:
        Strokes, each (2, L), float64, in the units of the viewport.

    Raises:
        SvgProblem: if it is no SVG, has entities, references outside of itself, or more than the limits.
        StrokeProblem: if nothing is drawn, or too much.
        ImportError: if svgelements is not installed.
    """
    check_svg(content)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
        return _strokes(content)


def _strokes(content: bytes) -> Drawing:
    drawn = list(_curves(content))
    if not drawn:
        raise StrokeProblem(
            "nothing is drawn: the SVG has no visible shape (text, images and the paper's colour do not count)"
        )
    found = np.concatenate([samples(curve) for line in drawn for curve in line], axis=1)
    if not np.isfinite(found).all():
        raise SvgProblem("a coordinate is not finite or too large; are the transforms as they should be?")
    extent = float(np.ptp(found, axis=1).max())
    strokes, points = [], 0
    for line in drawn:
        strokes.append(flattened(line, extent * TOLERANCE, MAX_POINTS))
        points += strokes[-1].shape[1]
        if points > MAX_POINTS:
            raise StrokeProblem(f"the SVG has more than {MAX_POINTS:,} points; simplify its paths")
    return checked(strokes)


def _curves(content: bytes) -> Iterator[list[Curve]]:
    """Yield each visible line as the curves it is made of."""
    elements = _library()
    end = time.monotonic() + MAX_SECONDS
    try:
        document = elements.SVG.parse(BytesIO(content), reify=True)
        shapes = [shape for shape in document.elements() if isinstance(shape, elements.Shape)]
        paper, shapes = _paper(elements, document, shapes)
        for shape in shapes:
            if time.monotonic() > end:
                raise SvgProblem(f"it takes more than {MAX_SECONDS:g} s to read; simplify its paths")
            if _visible(shape, paper):
                yield from _lines(elements, shape)
    except SvgProblem:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as problem:
        raise SvgProblem(f"it cannot be understood: {problem or type(problem).__name__}") from problem


def _library() -> Any:
    try:
        import svgelements
    except ImportError as problem:
        raise ImportError("SVG sketches need svgelements: pip install 'hybrid-sbir[search]'") from problem
    return svgelements


def _paper(elements: Any, document: Any, shapes: list[Any]) -> tuple[str, list[Any]]:
    """The colour of the ground, and the shapes that are not the ground itself."""
    boxes = [box for shape in shapes if (box := shape.bbox()) is not None]
    width, height = document.width, document.height
    if document.viewbox is None and boxes:
        width, height = max(box[2] for box in boxes), max(box[3] for box in boxes)
    colour, left = "#ffffff", list[Any]()
    for shape in shapes:
        if isinstance(shape, elements.Rect) and not left and not _painted(shape.stroke) and (box := shape.bbox()):
            whole = box[2] - box[0] >= _COVER * width and box[3] - box[1] >= _COVER * height
            if whole and len(shapes) > 1:
                colour = shape.fill.hexrgb if _painted(shape.fill) else colour
                continue
        left.append(shape)
    return colour, left


def _painted(paint: Any) -> bool:
    return paint is not None and paint.value is not None and paint.alpha > 0


def _visible(shape: Any, paper: str) -> bool:
    values = shape.values
    if str(values.get("visibility", "")).strip() in ("hidden", "collapse") or str(values.get("opacity")).strip() == "0":
        return False
    for name in ("stroke", "fill"):
        paint = getattr(shape, name)
        clear = str(values.get(f"{name}-opacity")).strip() in ("0", "0.0", "0%")
        if _painted(paint) and not clear:
            if paint.hexrgb != paper:
                return True
            if name == "stroke":  # rubbed out
                return False
    return False


def _lines(elements: Any, shape: Any) -> Iterator[list[Curve]]:
    """Yield a shape's parts between two movements of the pen."""
    path = elements.Path(shape) * shape.transform if not isinstance(shape, elements.Path) else shape
    line: list[Curve] = []
    for segment in path:
        if isinstance(segment, elements.Move):
            if line:
                yield line
            line = []
        elif (curve := Curve.of(elements, segment)) is not None:
            line.append(curve)
    if line:
        yield line
