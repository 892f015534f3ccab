"""Strokes as pixels: where they are, wider or fainter ones, ones with pieces missing.

Pixels are 8-bit, (H, W) or (H, W, 3), dark on white; P points. Lengths are in pixels.
"""

import numpy as np

_INK = 224
"""Pixels whose darkest channel is below this are ink; a scan's paper may be a little grey."""
_PIECES = 4


def outline(pixels: np.ndarray) -> np.ndarray:
    """Return points around the ink, (P, 2): x, y from the image's middle; the unit is the image's longer side.

    They are the corners of the first and last pixel of ink in each row, half a pixel further out, as far as a
    bilinear filter spreads ink. Everything that is drawn lies between two of them.
    """
    ink = _darkest(pixels) < _INK
    height, width = ink.shape
    rows = np.flatnonzero(ink.any(1))
    inked = ink[rows]
    first, last = inked.argmax(1) - 0.5, width - inked[:, ::-1].argmax(1) + 0.5
    above, below = rows - 0.5, rows + 1.5
    points = np.stack([np.concatenate([first, last] * 2), np.concatenate([above, above, below, below])], 1)
    return (points - (width / 2, height / 2)) / max(width, height)


def thicken(pixels: np.ndarray, weight: float, radius: float) -> np.ndarray:
    """Widen lines by ``radius`` on either side, fractions of a pixel in grey, and multiply their ink by ``weight``."""
    for step in range(int(np.ceil(radius))):
        share = round(256 * min(1.0, radius - step))
        pixels = pixels - ((pixels - _spread(pixels)).astype(np.uint16) * share >> 8).astype(np.uint8)
    if weight == 1:
        return pixels
    levels = 255 - np.minimum(np.arange(255, -1, -1) * weight, 255)
    return np.round(levels).astype(np.uint8)[pixels]


def erase_pieces(pixels: np.ndarray, share: float, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Turn up to four round pieces white, of half the ``radius`` to all of it, at most a share of the ink."""
    drawn = rng.random((_PIECES, 2))
    ink = 255 - _darkest(pixels)
    places = np.flatnonzero(ink >= 255 - _INK)
    budget = share * float(ink.sum(dtype=np.int64))
    if not budget or not len(places):
        return pixels
    pixels, ink = pixels.copy(), ink.copy()
    for place, length in drawn:
        row, column = divmod(int(places[int(place * len(places))]), ink.shape[1])
        reach = radius * (1 + length) / 2
        top, left = max(0, int(row - reach)), max(0, int(column - reach))
        part = np.s_[top : int(row + reach) + 1, left : int(column + reach) + 1]
        height, width = ink[part].shape
        across, down = np.arange(left - column, left - column + width), np.arange(top - row, top - row + height)
        piece = down[:, None] ** 2 + across**2 <= reach**2
        lost = float(ink[part][piece].sum(dtype=np.int64))
        if lost <= budget:
            budget -= lost
            pixels[part][piece] = 255
            ink[part][piece] = 0
    return pixels


def _darkest(pixels: np.ndarray) -> np.ndarray:
    return pixels.min(2) if pixels.ndim == 3 else pixels


def _spread(pixels: np.ndarray) -> np.ndarray:
    """Return the darkest of each pixel and its four neighbours."""
    darkest = pixels.copy()
    for side, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
        np.minimum(darkest[side], pixels[other], out=darkest[side])
        np.minimum(darkest[:, side], pixels[:, other], out=darkest[:, side])
    return darkest
