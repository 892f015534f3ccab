"""What one may search with: an image, the bytes or path of one, or strokes. S side of what the model is given."""

from collections.abc import Sequence
from os import PathLike

import numpy as np
from PIL import Image

from hybrid_sbir.data.images import read_image
from hybrid_sbir.data.paper import on_white
from hybrid_sbir.data.strokes import rasterize

Sketch = Image.Image | str | PathLike[str] | bytes | Sequence[np.ndarray]
CANVAS = 256
"""Side in pixels of what strokes are drawn on, before the model's own preparation shrinks it."""


def sketch_image(sketch: Sketch) -> Image.Image:
    """Return a sketch as an image of dark lines on white.

    Args:
        sketch: a PIL image; an image file's path or bytes; or strokes, each (2, L), x and y, y downwards.

    Raises:
        ValueError: if it is none of these; says what is wrong.
    """
    if isinstance(sketch, Image.Image):
        return on_white(sketch if sketch.mode in ("L", "RGB") else sketch.convert("RGB"))
    if isinstance(sketch, str | PathLike | bytes):
        return on_white(read_image(sketch))
    return Image.fromarray(rasterize(sketch, CANVAS))
