"""What a model sees of an image file, and where a pixel of the file is in it.

Shapes: C channels, S side of what the model is given.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from hybrid_sbir.data.images import read_image
from hybrid_sbir.data.transforms import SquareView, Transform
from hybrid_sbir.data.views import View


@dataclass(frozen=True)
class Seen:
    """An image as a model is given it.

    Attributes:
        pixels: (S, S) or (S, S, 3), 8 bits: what is drawn.
        tensor: (C, S, S): what the model is given.
        at: the position in ``pixels``, x and y.
    """

    pixels: np.ndarray
    tensor: Tensor
    at: tuple[float, float]


def look_at(file: Path, transform: Transform, at: tuple[float, float]) -> Seen:
    """Prepare an image file as ``transform`` does, and follow a pixel of it.

    Args:
        file: an image of any common kind.
        transform: a preset that does not draw lots.
        at: x and y in pixels of the file, upright; counted from 0 at the upper left.

    Raises:
        ValueError: if the file is no image, the position lies outside of it or is cut off, or the preset is random.
    """
    if transform.geometry.random:
        raise ValueError("this preset crops at random; choose one for evaluation, such as sketch_square_eval")
    image = read_image(file)
    (x, y), (width, height) = at, image.size
    if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
        raise ValueError(
            f"position {x:g} {y:g} is outside of {file}, which is {width} x {height} pixels: give x from 0 to "
            f"{width - 1} and y from 0 to {height - 1}"
        )
    place = _follow(_view(transform, width, height), at)
    if not all(-0.5 <= pixel <= transform.size - 0.5 for pixel in place):
        raise ValueError(
            f"position {x:g} {y:g} of {file} ({width} x {height} pixels) is cut off before the model sees the image: "
            f"it sees the middle {transform.size} x {transform.size} pixels, after shrinking; choose one nearer the "
            "middle, or another --transform"
        )
    pixels = transform.pixels(image, None)
    return Seen(pixels, transform(image), place)


def _view(transform: Transform, width: int, height: int) -> View:
    geometry = transform.geometry
    if isinstance(geometry, SquareView):
        geometry = replace(geometry, any_paper=False)  # the paper's colour moves nothing
    return geometry.view(width, height, None)


def _follow(view: View, at: tuple[float, float]) -> tuple[float, float]:
    """A pixel's centre through crop, scaling and cutting out; evaluation neither mirrors nor turns."""
    x, y = at
    scale_x, scale_y = view.width / (view.right - view.left), view.height / (view.bottom - view.top)
    return (x + 0.5 - view.left) * scale_x - 0.5 - view.x, (y + 0.5 - view.top) * scale_y - 0.5 - view.y
