"""What one may search with: an image, an SVG, or strokes, from a file, from bytes, or as they are in memory.

H, W sizes of an image, C channels, L points of a stroke, S side of what strokes are drawn on.
"""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hybrid_sbir.data.images import FORMATS, read_image
from hybrid_sbir.data.paper import on_white
from hybrid_sbir.data.strokes import Drawing, rasterize
from hybrid_sbir.search.drawing import as_drawing, parse_drawing
from hybrid_sbir.search.svg import svg_strokes
from hybrid_sbir.search.transparent import ink_of

Sketch = Image.Image | str | PathLike[str] | bytes | np.ndarray | Sequence[Any] | Mapping[str, Any]
PEN: dict[str, float] = {"size": 256, "stroke_width": 0.006, "padding": 0.16}
"""How strokes are drawn for a model that was trained on images; experiments/search/pen.md has what was measured."""
MAX_FILE = 32 << 20
MAX_PIXELS = 25_000_000
_INK = 32
"""Levels of grey, of 255, that something must differ from the paper by."""


class SketchProblem(ValueError):
    """A sketch that cannot be searched with; the message says why."""


def sketch_image(sketch: Sketch, strokes: Mapping[str, float] | None = None) -> Image.Image:
    """Return a sketch as an image of dark lines on white, mode L or RGB.

    Args:
        sketch: an image or SVG file's path or bytes; a file or bytes with strokes in JSON; a PIL image; an array (H, W)
            or (H, W, C), uint8; or strokes, each (2, L): arrays, or lists [[x, ...], [y, ...]]. A drawing on dark paper
            is turned round; what is transparent is paper.
        strokes: how strokes are drawn, see :class:`~hybrid_sbir.encoding.preparation.Preparation`; default: ``PEN``.

    Raises:
        ValueError: if it is none of these, is out of the limits, or nothing is drawn; says what is wrong.
        OSError: if a file cannot be read.
    """
    image = _image(sketch, strokes or PEN)
    if is_blank(image):
        raise SketchProblem("nothing is drawn: the image is of one colour")
    return image


def photo_image(photo: Sketch) -> Image.Image:
    """Return a photo to search with, as it is, mode L or RGB; arguments and errors as of :func:`sketch_image`."""
    if isinstance(photo, str | PathLike | bytes):
        content = photo if isinstance(photo, bytes) else read_file(photo)
        return read_image(content, max_pixels=MAX_PIXELS, name=_name(photo))
    if isinstance(photo, np.ndarray):
        photo = _of_array(photo)
    if not isinstance(photo, Image.Image):
        raise SketchProblem(f"a photo is an image or a file of one, not a {type(photo).__name__}")
    _check_size(photo)
    return photo if photo.mode in ("L", "RGB") else photo.convert("RGB")


def is_blank(image: Image.Image) -> bool:
    """Whether an image of mode L or RGB is of one colour, or nearly."""
    extremes = np.array(image.getextrema()).reshape(-1, 2)
    return bool((extremes[:, 1] - extremes[:, 0] < _INK).all())


def read_file(path: str | PathLike[str]) -> bytes:
    """Return a file's bytes.

    Raises:
        OSError: if it cannot be read.
        SketchProblem: if it is too large.
    """
    with Path(path).open("rb") as file:
        content = file.read(MAX_FILE + 1)
    _check_bytes(content, _name(path))
    return content


def kind_of(content: bytes) -> str:
    """Tell an ``svg`` and ``strokes`` in JSON from an ``image``, by the first bytes."""
    head = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<"):
        return "svg"
    return "strokes" if head[:1] in (b"[", b"{") else "image"


def _image(sketch: Sketch, pen: Mapping[str, float]) -> Image.Image:
    if isinstance(sketch, str | PathLike):
        return _of_bytes(read_file(sketch), _name(sketch), pen)
    if isinstance(sketch, bytes):
        _check_bytes(sketch, f"<{len(sketch):,} bytes>")
        return _of_bytes(sketch, f"<{len(sketch):,} bytes>", pen)
    if isinstance(sketch, np.ndarray) and sketch.dtype == np.uint8:
        sketch = _of_array(sketch)
    if isinstance(sketch, Image.Image):
        _check_size(sketch)
        return on_white(ink_of(sketch))
    return drawn(as_drawing(list(sketch) if isinstance(sketch, np.ndarray) else sketch), pen)


def _of_bytes(content: bytes, name: str, pen: Mapping[str, float]) -> Image.Image:
    kind = kind_of(content)
    if kind == "image":
        image = read_image(content, max_pixels=MAX_PIXELS, name=name)
        return on_white(ink_of(content) if is_blank(image) else image)
    try:
        return drawn(svg_strokes(content) if kind == "svg" else parse_drawing(content), pen)
    except ValueError as problem:
        raise SketchProblem(f"{name}: {problem}") from problem


def drawn(strokes: Drawing, pen: Mapping[str, float]) -> Image.Image:
    """Draw strokes as training draws them, (S, S) of mode L."""
    return Image.fromarray(rasterize(strokes, int(pen["size"]), pen["stroke_width"], pen["padding"]))


def _of_array(array: np.ndarray) -> Image.Image:
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if array.dtype != np.uint8 or not fits or not array.size:
        raise SketchProblem(
            f"an array {array.shape} {array.dtype} is no image; give (H, W), (H, W, 3) or (H, W, 4), uint8"
        )
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _check_bytes(content: bytes, name: str) -> None:
    if not content:
        raise SketchProblem(f"{name}: the file is empty; give an image ({', '.join(FORMATS)}), an SVG, or strokes")
    if len(content) > MAX_FILE:
        raise SketchProblem(f"{name}: more than {MAX_FILE >> 20} MiB, which is the limit for a sketch; shrink it")


def _check_size(image: Image.Image) -> None:
    if not 0 < image.width * image.height <= MAX_PIXELS:
        raise SketchProblem(
            f"{image.width} x {image.height} pixels; a sketch has at least one and at most {MAX_PIXELS:,}: shrink it"
        )


def _name(source: object) -> str:
    return fspath(source) if isinstance(source, str | PathLike) else f"<{type(source).__name__}>"
