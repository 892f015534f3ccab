"""A picture of what a place of a query looks at in the model's attention blocks.

Shapes: C channels, S side of what the model is given.
"""

from collections.abc import Sequence
from copy import deepcopy
from io import BytesIO
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import nn

from hybrid_sbir.attention import draw, footprints
from hybrid_sbir.encoding import Encoder

_DPI = 110  # a page's width on a screen
_INK = 128


def explained(
    encoder: Encoder,
    picture: Image.Image,
    at: tuple[float, float] | None = None,
    blocks: Sequence[str] | None = None,
    domain: Literal["sketch", "photo"] = "sketch",
) -> bytes:
    """Draw the attention of one place of a sketch: a PNG file.

    Args:
        encoder: whose model is looked into; it is copied, so that searches may go on meanwhile.
        picture: the sketch, dark on white.
        at: x and y as shares of what the model sees, 0 to 1; default: see :func:`middle_of_ink`.
        blocks: names STAGE.BLOCK; all where not given.
        domain: which branch of two.

    Raises:
        ValueError: if the model has no attention block or no such one, ``at`` is outside, or matplotlib is missing.
    """
    if at is not None and not all(0 <= share <= 1 for share in at):
        raise ValueError(f"the place is {at}; give x and y as shares of the picture, 0 to 1")
    transform = encoder.transform(domain)
    pixels, size = transform.pixels(picture, None), transform.size
    place = middle_of_ink(pixels) if at is None else (at[0] * (size - 1), at[1] * (size - 1))
    with torch.inference_mode():
        found = footprints(_copied(encoder), transform(picture), place, blocks=blocks, domain=domain)
    figure = draw(pixels, place, found, caption=f"what the {domain} looks at\nfrom pixel {place[0]:.0f} {place[1]:.0f}")
    content = BytesIO()
    figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
    return content.getvalue()


def middle_of_ink(pixels: np.ndarray) -> tuple[float, float]:
    """Return x and y of the dark pixel nearest to where the middle of all dark ones is; (S, S) or (S, S, 3), 8 bits."""
    grey = pixels.min(axis=2) if pixels.ndim == 3 else pixels
    rows, columns = np.nonzero(grey <= max(_INK, int(grey.min())))
    far = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
    return float(columns[far.argmin()]), float(rows[far.argmin()])


def _copied(encoder: Encoder) -> nn.Module:
    """A model of one's own to watch: others may search meanwhile. Graphs have their weights in torch beside them."""
    return deepcopy(encoder.model)
