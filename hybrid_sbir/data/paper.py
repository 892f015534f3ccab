"""Which way round a drawing is: dark lines on light paper, as all sketches here, or light lines on a dark ground."""

import numpy as np
from PIL import Image, ImageOps

_RIM = 32
"""The rim that is looked at is this fraction of the shorter side wide, at least a pixel."""


def is_dark_paper(image: Image.Image) -> bool:
    """Whether most of an image's rim, where there is paper and hardly any drawing, is darker than mid-grey."""
    grey = np.asarray(image if image.mode == "L" else image.convert("L"))
    width = max(1, min(grey.shape) // _RIM)
    rims = (grey[:width], grey[-width:], grey[:, :width], grey[:, -width:])
    return bool(sum(np.count_nonzero(rim < 128) for rim in rims) * 2 > sum(rim.size for rim in rims))


def on_white(image: Image.Image) -> Image.Image:
    """Return the negative of a drawing on dark paper, and any other image as it is.

    A sheet that is dark all over, without any drawing, becomes a blank one. Colours become their complements.
    """
    return ImageOps.invert(image) if is_dark_paper(image) else image
