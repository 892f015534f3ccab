"""Pseudo-sketches: the contours of a photo as thin dark lines on white.

Gradient, non-maximum suppression and hysteresis (Canny, PAMI 1986) on colours (Di Zenzo, CVGIP 1986), with the surround
inhibition of Grigorescu et al. (IEEE TIP 2003), which leaves contours and takes most of the lines out of textures.
Everything is measured in sides of the image, so that its size hardly matters.

H, W size of the working image, E pixels on edges.
"""

import numpy as np
from PIL import Image, ImageFilter

_SIDE = 160
"""Longer side at which edges are found; a line is a pixel of it wide, 0.6 % (TU-Berlin's are 0.4, Sketchy's 1.2)."""
_BLUR = 1.8
_SURROUND = 10
_INHIBITION = 0.4
_LOUDEST = 0.08
"""Share of the pixels that may start a line."""
_WEAK = 0.4
"""A line goes on where it is as weak as this part of what starts one."""
_LEAST = 0.024
"""The least that starts a line: a step of 6 % from black to white. Noise and flaws of compression are below."""
_SHORTEST = 20


def edge_map(image: Image.Image) -> Image.Image:
    """Draw the contours of a photo.

    Args:
        image: of any mode and size.

    Returns:
        An image of mode L and the same size, dark lines on white. A photo without contrast gives a white sheet.
    """
    longer = max(image.size)
    width, height = (max(2, round(side * _SIDE / longer)) for side in image.size)
    colours = image if image.mode in ("L", "RGB") else image.convert("RGB")
    scaled = colours.resize((width, height), Image.Resampling.BILINEAR).filter(ImageFilter.GaussianBlur(_BLUR))
    lines = _linked(*_ridges(np.asarray(scaled, np.float32)))
    sheet = Image.fromarray(np.where(lines, np.uint8(0), np.uint8(255)))
    return sheet.resize(image.size, Image.Resampling.BILINEAR)


def _ridges(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the gradient is largest across an edge, and its strength, both (H, W)."""
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    across, down = np.zeros_like(planes), np.zeros_like(planes)
    across[:, 1:-1], down[1:-1] = planes[:, 2:] - planes[:, :-2], planes[2:] - planes[:-2]
    xx, yy, xy = ((a * b).sum(2) / planes.shape[2] for a, b in ((across, across), (down, down), (across, down)))
    strength = np.sqrt(0.5 * (xx + yy + np.sqrt((xx - yy) ** 2 + 4 * xy**2))) * (_BLUR / 2 / 255)
    crest = np.zeros(strength.shape, bool)
    # Twice the gradient's angle has the direction (xx - yy, xy + xy): four sectors tell across, down and the diagonals.
    lying, slanted = np.abs(xx - yy) >= 2 * np.abs(xy), xy > 0
    for sector, (dy, dx) in (
        (lying & (xx >= yy), (0, 1)),
        (lying & (xx < yy), (1, 0)),
        (~lying & slanted, (1, 1)),
        (~lying & ~slanted, (1, -1)),
    ):
        middle, ahead, behind = _neighbours(strength, dy, dx)
        crest[1:-1, 1:-1] |= sector[1:-1, 1:-1] & (middle > ahead) & (middle >= behind)
    grey = Image.fromarray((np.minimum(strength, 1) * 255).astype(np.uint8))
    around = np.asarray(grey.filter(ImageFilter.BoxBlur(_SURROUND)), np.float32) / 255
    return crest, strength - _INHIBITION * around


def _neighbours(values: np.ndarray, dy: int, dx: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the inner values and those one step ahead of and behind them, (H - 2, W - 2)."""
    height, width = values.shape
    return (
        values[1:-1, 1:-1],
        values[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx],
        values[1 - dy : height - 1 - dy, 1 - dx : width - 1 - dx],
    )


def _linked(crest: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Return the lines, (H, W): connected weak edges that are long enough and somewhere strong."""
    start = max(_LEAST, float(np.quantile(strength, 1 - _LOUDEST)))
    edges = crest & (strength > _WEAK * start)
    places = np.flatnonzero(edges)
    piece = _pieces(edges, places)
    long = np.bincount(piece, minlength=len(places)) >= _SHORTEST
    strong = np.zeros(len(places), bool)
    strong[piece[strength.reshape(-1)[places] > start]] = True
    lines = np.zeros(edges.size, bool)
    lines[places[(long & strong)[piece]]] = True
    return lines.reshape(edges.shape)


def _pieces(edges: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Number the connected pieces of the edges, (E,), each by its first pixel; neighbours are eight."""
    width = edges.shape[1]
    number = np.full(edges.size, len(places), np.int32)
    number[places] = np.arange(len(places), dtype=np.int32)
    around = (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1)
    near = np.stack([number[places + step] for step in around])
    piece = np.arange(len(places) + 1, dtype=np.int32)  # the last one stands for no neighbour
    while True:
        lowest = piece.copy()
        np.minimum(piece[near].min(0, initial=len(places)), piece[:-1], out=lowest[:-1])
        lowest = lowest[lowest]
        lowest = lowest[lowest]
        if np.array_equal(lowest, piece):
            return piece[:-1]
        piece = lowest
