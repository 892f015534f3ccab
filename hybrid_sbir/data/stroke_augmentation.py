"""Random variants of a sketch that lose none of its strokes: the sheet moves, lines change, small pieces go missing.

Every point of the drawing stays in the picture, because scale and place are chosen after looking where the ink is.
Everything is drawn at twice the output's resolution, so that lines change their width by less than a pixel.

S is the output's side, F = 2 S the side of the fine sheet; lengths without a unit are shares of the side.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image

from hybrid_sbir.data.views import View

_FINE = 2
_INK = 224
"""Pixels whose darkest channel is below this are ink; paper of a scan may be a little grey."""


class Pose(NamedTuple):
    """How a sketch lies on the output's square, whose middle is the origin: p -> scale * turn(mirror(p)) + shift.

    Attributes:
        turn: (2, 2), a rotation, perhaps of the mirror image.
        scale: 1 is that of evaluation, where the longer side of the image fills the square.
        shift: (2,), in sides.
    """

    turn: np.ndarray
    scale: float
    shift: np.ndarray


@dataclass(frozen=True)
class StrokeAugmentation:
    """Random variants of a sketch; each strength may be 0.

    Attributes:
        size: S.
        mirror: probability of a mirror image.
        degrees: largest angle, either way.
        scale: smallest and largest scale; less where the ink would not fit.
        shift: largest move, either way; less where the ink would leave.
    """

    size: int
    mirror: float = 0.5
    degrees: float = 15.0
    scale: tuple[float, float] = (0.8, 1.15)
    shift: float = 0.08
    random: ClassVar[bool] = True

    def view(self, width: int, height: int, rng: np.random.Generator | None) -> View:
        """Refuse: strokes are changed, not only seen otherwise.

        Raises:
            TypeError: always; the message says what to do.
        """
        raise TypeError("stroke augmentation looks at the strokes and is drawn by the host; set augment_on to 'host'")

    def drawn(self, image: Image.Image, rng: np.random.Generator | None) -> np.ndarray:
        """Return a variant's 8-bit pixels, (S, S) of an image of mode L, (S, S, 3) of RGB."""
        if rng is None:
            raise TypeError("stroke augmentation needs a generator of random numbers, got None")
        fine = self.size * _FINE
        image = _shrunk(image, fine)
        pose = self.pose(_outline(np.asarray(image)), rng)
        corners = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)])
        quad = ((corners - pose.shift) / pose.scale) @ pose.turn * max(image.size) + np.array(image.size) / 2
        sheet = image.transform(
            (fine, fine),
            Image.Transform.QUAD,
            quad.reshape(-1).tolist(),
            Image.Resampling.BILINEAR,
            fillcolor="white",
        )
        return np.asarray(sheet.reduce(_FINE))

    def pose(self, outline: np.ndarray, rng: np.random.Generator) -> Pose:
        """Draw a pose that keeps the outline's points (P, 2), in sides from the image's middle, in the square."""
        mirror, angle, scale, *shift = rng.random(5)
        angle = np.deg2rad(self.degrees * (2 * angle - 1))
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([(cosine, sine), (-sine, cosine)])
        if mirror < self.mirror:
            turn[:, 0] *= -1
        low, high = self.scale
        scale = low * (high / low) ** scale
        move = self.shift * (2 * np.array(shift) - 1)
        room = 0.5 - 1 / self.size
        if len(outline):
            points = outline @ turn.T
            lowest, highest = points.min(0), points.max(0)
            scale = min(scale, 2 * room / max(highest - lowest))
            move = np.clip(move, -room - scale * lowest, room - scale * highest)
        return Pose(turn, float(scale), move)


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """Shrink an image to a longer side, if it is larger."""
    longer = max(image.size)
    if longer <= side:
        return image
    width, height = (max(1, round(length * side / longer)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _outline(pixels: np.ndarray) -> np.ndarray:
    """Return the corners of the first and last pixel of ink in each row, (P, 2): x, y in sides from the middle.

    Every other point of the ink lies between two of them.
    """
    ink = (pixels.min(2) if pixels.ndim == 3 else pixels) < _INK
    height, width = ink.shape
    rows = np.flatnonzero(ink.any(1))
    first, last = ink[rows].argmax(1), width - ink[rows, ::-1].argmax(1)
    points = np.concatenate([np.stack([x, y], 1) for x in (first, last) for y in (rows, rows + 1)])
    return (points - (width / 2, height / 2)) / max(width, height)
