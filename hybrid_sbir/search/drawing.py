"""Strokes that somebody drew, in any of QuickDraw's forms, as arrays: L points a stroke.

Forms: ``[[[x, ...], [y, ...]], ...]``; the same with times, ``[[[x, ...], [y, ...], [t, ...]], ...]`` (QuickDraw's raw
form; the times are dropped); an object with either as ``"drawing"`` or ``"strokes"``, such as a line of an .ndjson.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybrid_sbir.data.strokes import Drawing, StrokeProblem

MAX_STROKES = 2_000
MAX_POINTS = 20_000
MAX_BYTES = 4 << 20
"""Of a drawing as JSON: 20,000 points with all the digits that floats have are a tenth of it."""
LARGEST = 1e6
"""Of a coordinate; beyond, floats no longer tell neighbouring points apart."""
KEYS = ("drawing", "strokes")


def parse_drawing(text: str | bytes) -> Drawing:
    """Read strokes from JSON; of several lines (.ndjson) there must be one drawing only.

    Returns:
        The strokes, each (2, L), float64, L at least 1.

    Raises:
        StrokeProblem: if it is no JSON, or no strokes are in it, or they are out of the limits.
    """
    if len(text) > MAX_BYTES:
        raise StrokeProblem(f"a drawing of {len(text):,} bytes; the limit is {MAX_BYTES:,}: leave out points")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as problem:
        if problem.msg == "Extra data":
            raise StrokeProblem(
                f"more than one drawing, or something behind the first (line {problem.lineno}); give one at a time, "
                "such as a line of its own of an .ndjson file"
            ) from None
        raise StrokeProblem(f"neither an image nor an SVG, and no JSON of strokes either: {problem}") from None
    except (ValueError, RecursionError) as problem:
        raise StrokeProblem(f"neither an image nor an SVG, and no JSON of strokes either: {problem}") from None
    return as_drawing(content)


def as_drawing(content: Any) -> Drawing:
    """Check strokes that are lists or arrays already.

    Args:
        content: one of the forms above, or strokes as arrays (2, L) or (3, L).

    Returns:
        The strokes, each (2, L), float64.

    Raises:
        StrokeProblem: if they are none of these, nothing is drawn, or they are out of the limits.
    """
    if isinstance(content, dict):
        content = next((content[key] for key in KEYS if key in content), None)
    if not isinstance(content, Sequence) or isinstance(content, str | bytes):
        raise StrokeProblem(
            'no strokes: expected [[[x, ...], [y, ...]], ...], or an object that has them as "drawing" or "strokes"; '
            f"got {_short(content)}"
        )
    if len(content) > MAX_STROKES:
        raise StrokeProblem(f"{len(content):,} strokes; the limit is {MAX_STROKES:,}: leave out some")
    strokes = [_stroke(stroke, f"stroke {number}") for number, stroke in enumerate(content, start=1)]
    return checked(strokes)


def checked(strokes: Drawing) -> Drawing:
    """Leave out strokes without points, and refuse a drawing that has none or too many.

    Raises:
        StrokeProblem: if nothing is drawn, or too much, or too far out.
    """
    strokes = [stroke for stroke in strokes if stroke.shape[1]]
    points = sum(stroke.shape[1] for stroke in strokes)
    if not points:
        raise StrokeProblem("nothing is drawn: there is no stroke with a point")
    if points > MAX_POINTS or len(strokes) > MAX_STROKES:
        raise StrokeProblem(
            f"{len(strokes):,} strokes with {points:,} points; the limits are {MAX_STROKES:,} and {MAX_POINTS:,}: "
            "leave out points"
        )
    if not all(np.isfinite(stroke).all() and np.abs(stroke).max() <= LARGEST for stroke in strokes):
        raise StrokeProblem(f"a coordinate is not finite or beyond {LARGEST:,.0f}; give smaller ones")
    return strokes


def _stroke(stroke: Any, where: str) -> np.ndarray:
    axes = list(stroke) if isinstance(stroke, Sequence | np.ndarray) and not isinstance(stroke, str | bytes) else []
    if len(axes) not in (2, 3) or not all(isinstance(axis, Sequence | np.ndarray) for axis in axes):
        raise StrokeProblem(f"{where} is not [[x, ...], [y, ...]], nor the same with times; got {_short(stroke)}")
    lengths = [len(axis) if np.ndim(axis) else -1 for axis in axes] if isinstance(stroke, np.ndarray) else None
    lengths = lengths or [len(axis) for axis in axes]
    if len(set(lengths)) > 1 or lengths[0] > MAX_POINTS:
        counts = ", ".join(f"{length} {name}" for length, name in zip(lengths, ("x", "y", "t"), strict=False))
        raise StrokeProblem(f"{where} has {counts}; they must be as many, and at most {MAX_POINTS:,}")
    return np.stack([_axis(axis, where) for axis in axes[:2]])


def _axis(axis: Any, where: str) -> np.ndarray:
    plain = isinstance(axis, np.ndarray) or all(type(value) in (int, float) for value in axis)
    try:
        values = np.array(axis) if isinstance(axis, np.ndarray) else np.array([float(value) for value in axis])
    except (TypeError, ValueError, OverflowError):
        plain = False
    if not plain or values.ndim != 1 or values.dtype.kind not in "iuf":
        raise StrokeProblem(f"{where} has a coordinate that is no number")
    return values.astype(np.float64)


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str | bytes | int | float | bool | None) else type(value).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."
