"""Vector drawings: reading QuickDraw's simplified form, and the one rasteriser of training and serving.

A drawing is a list of strokes, a stroke an array (2, L) of x and y, y downwards. L points, S side of the image.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

Drawing = list[np.ndarray]

_OVERSAMPLING = 4  # drawn four times as large and averaged: 17 levels of grey along an edge
_COORDINATES = (-(2**15), 2**15 - 1)  # drawings are stored as int16


class StrokeProblem(ValueError):
    """A drawing that cannot be used; the message says where it is and why."""


def parse_simplified(line: str | bytes, number: int | None = None) -> Drawing:
    """Read the strokes of one line of a QuickDraw ``simplified`` file (``.ndjson``).

    Args:
        line: a JSON object with ``"drawing": [[[x, ...], [y, ...]], ...]``.
        number: the line's number, for the message.

    Returns:
        The strokes, each (2, L) with L >= 1, int16.

    Raises:
        StrokeProblem: if the line is no such object, has no strokes, or the coordinates are not whole numbers in pairs.
    """
    where = "" if number is None else f"line {number}: "
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StrokeProblem(f"{where}not JSON: {error}") from None
    strokes = record.get("drawing") if isinstance(record, dict) else None
    if not isinstance(strokes, list) or not strokes:
        raise StrokeProblem(f'{where}no strokes: expected an object with "drawing": [[[x, ...], [y, ...]], ...]')
    return [_stroke(stroke, f"{where}stroke {position}") for position, stroke in enumerate(strokes, start=1)]


def _stroke(stroke: Any, where: str) -> np.ndarray:
    if not isinstance(stroke, list) or len(stroke) != 2 or not all(isinstance(axis, list) for axis in stroke):
        hint = "; with times, it is of the raw form: use the simplified one" if _has_times(stroke) else ""
        raise StrokeProblem(f"{where} is not [[x, ...], [y, ...]]{hint}")
    x, y = stroke
    if len(x) != len(y) or not x:
        raise StrokeProblem(f"{where} has {len(x)} x and {len(y)} y; they must be as many, and at least one")
    low, high = _COORDINATES
    if not all(type(value) is int and low <= value <= high for axis in stroke for value in axis):
        raise StrokeProblem(f"{where} has a coordinate that is no whole number from {low} to {high}")
    return np.array(stroke, np.int16)


def _has_times(stroke: Any) -> bool:
    return isinstance(stroke, list) and len(stroke) == 3


def rasterize(
    strokes: Sequence[np.ndarray], size: int, stroke_width: float = 0.02, padding: float = 0.04
) -> np.ndarray:
    """Draw strokes in black on white, anti-aliased, with round ends and joints.

    The drawing is scaled, its proportions kept, until its longer side fills the image inside the padding, and centred:
    where on a canvas and how large it was drawn makes no difference.

    Args:
        strokes: arrays (2, L) of finite numbers; none give a white image, one point gives a dot.
        size: S.
        stroke_width: width of a stroke as a share of S (0.02 is 5 pixels of 256).
        padding: white border on each side as a share of S, outside the strokes' width.

    Returns:
        The image, (S, S), uint8.

    Raises:
        ValueError: if a stroke has another shape or numbers that are not finite, or a size is out of its range.
    """
    if size < 1 or not 0 < stroke_width < 1 or not 0 <= padding < 0.5 or 2 * padding + stroke_width >= 1:
        raise ValueError(
            f"size must be positive and stroke_width + 2 * padding between 0 and 1; got size {size}, "
            f"stroke_width {stroke_width}, padding {padding}"
        )
    side = size * _OVERSAMPLING
    radius = max(0, round((stroke_width * side - 1) / 2))
    canvas = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(canvas)
    for points in _fit(strokes, side, radius + padding * side):
        if len(points) > 1:
            pen.line(points, 0, 2 * radius + 1)
        for x, y in points:  # Pillow's own round joints take ten times as long
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), 0)
    return np.asarray(canvas.reduce(_OVERSAMPLING))


def _fit(strokes: Sequence[np.ndarray], side: int, border: float) -> list[list[tuple[int, int]]]:
    """Scale and centre into (side, side) pixels with a border, and round to pixels."""
    for stroke in strokes:
        if stroke.ndim != 2 or stroke.shape[0] != 2:
            raise ValueError(f"a stroke must be of shape (2, L), x and y; got {stroke.shape}")
    lengths = [stroke.shape[1] for stroke in strokes]
    if not sum(lengths):
        return []
    points = np.concatenate(list(strokes), axis=1).astype(np.float64)
    if not np.isfinite(points).all():
        raise ValueError("a stroke has coordinates that are not finite")
    low, high = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    extent = float((high - low).max())
    scale = max(0.0, side - 1 - 2 * border) / extent if extent else 0.0
    placed = np.rint((points - (low + high) / 2) * scale + (side - 1) / 2).astype(int)
    ends = np.cumsum(lengths)
    return [
        list(map(tuple, placed[:, end - length : end].T.tolist())) for length, end in zip(lengths, ends, strict=True)
    ]
