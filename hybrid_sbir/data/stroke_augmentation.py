"""Random variants of a sketch that lose none of its strokes: the sheet moves, lines change, small pieces go missing.

Every point of the drawing stays in the picture, because scale and place are chosen after looking where the ink is.

S is the output's side; lengths without a unit are shares of it, and the origin of coordinates is its middle.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image

from hybrid_sbir.data.strokes_on_paper import erase_pieces, outline, thicken
from hybrid_sbir.data.views import View

_FINER = 1.5
"""Larger images are shrunk to this many times S before they are warped: less is blurred, more is jagged."""
_CELLS = 3
_SMALL = 0.75
"""Of an image that is drawn smaller than this a bilinear filter would miss thin lines: it is shrunk first."""


class Pose(NamedTuple):
    """How a sketch lies on the output's square: p -> scale * turn @ p + shift.

    Attributes:
        turn: (2, 2), a rotation, perhaps of the mirror image.
        scale: 1 is that of evaluation, where the longer side of the image fills the square.
        shift: (2,).
    """

    turn: np.ndarray
    scale: float
    shift: np.ndarray


@dataclass(frozen=True)
class StrokeAugmentation:
    """Random variants of a sketch on white; colours stay, a blank sheet stays blank.

    A drawing on dark paper counts as ink all over: it is seen whole, on white, with the corners of its paper.

    Attributes:
        size: S.
        mirror: probability of a mirror image.
        degrees: largest angle, either way.
        scale: smallest and largest scale, drawn evenly on a log scale; less where the ink would not fit.
        shift: largest move, either way; less where the ink would leave.
        deform: largest move of the 2 x 2 inner knots of a grid over the sheet, at most 0.06, which folds nothing.
        weight: faintest and strongest line: factor of the ink, drawn evenly on a log scale. Of a line thinner than
            a pixel, that is the width.
        thicken: the largest width that lines gain on either side.
        erase: the largest share of the ink that goes missing, at most 1.
        piece: largest radius of a missing piece.
    """

    size: int
    mirror: float = 0.5
    degrees: float = 15.0
    scale: tuple[float, float] = (0.75, 1.15)
    shift: float = 0.1
    deform: float = 0.03
    weight: tuple[float, float] = (0.8, 2.5)
    thicken: float = 0.005
    erase: float = 0.1
    piece: float = 0.04
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse strengths without a meaning.

        Raises:
            ValueError: naming the strength, its value and its range.
        """
        ranges = {"mirror": 1, "degrees": 180, "shift": 1, "deform": 0.06, "thicken": 0.1, "erase": 1, "piece": 0.5}
        for name, most in ranges.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 0 to {most}, got {getattr(self, name)}")
        for name in ("scale", "weight"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must be two positive numbers, the smaller one first, got {low}, {high}")

    def view(self, width: int, height: int, rng: np.random.Generator | None) -> View:
        """Refuse: strokes are changed, not only seen otherwise.

        Raises:
            TypeError: always; the message says what to do.
        """
        raise TypeError("stroke augmentation looks at the strokes and is drawn by the host; set augment_on to 'host'")

    def drawn(self, image: Image.Image, rng: np.random.Generator | None) -> np.ndarray:
        """Return a variant's 8-bit pixels, (S, S) of an image of mode L, (S, S, 3) of RGB.

        Raises:
            TypeError: if there is no generator of random numbers.
        """
        if rng is None:
            raise TypeError("stroke augmentation needs a generator of random numbers, got None")
        image = _shrunk(image, round(self.size * _FINER))
        pose = self.pose(outline(np.asarray(image)), rng)
        if pose.scale < _SMALL:
            image = _shrunk(image, max(1, round(self.size * _FINER * pose.scale)))
        pixels = self.warped(image, pose, rng)
        gain, width, share = rng.random(3)
        low, high = self.weight
        pixels = thicken(pixels, low * (high / low) ** gain, width * self.thicken * self.size)
        return erase_pieces(pixels, share * self.erase, self.piece * self.size, rng)

    def pose(self, points: np.ndarray, rng: np.random.Generator) -> Pose:
        """Draw a pose that keeps ``points`` (P, 2) in the square, with room for thicker lines."""
        mirror, angle, scale, *shift = rng.random(5)
        angle = np.deg2rad(self.degrees * (2 * angle - 1))
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([(cosine, sine), (-sine, cosine)])
        if mirror < self.mirror:
            turn[:, 0] *= -1
        low, high = self.scale
        scale = low * (high / low) ** scale
        move = self.shift * (2 * np.array(shift) - 1)
        if len(points):
            room = max(0.5 - self.thicken - 1 / self.size, 0.25)
            turned = points @ turn.T
            first, last = turned.min(0), turned.max(0)
            scale = min(scale, 2 * room / max(*(last - first), 1e-9))
            move = np.clip(move, -room - scale * first, room - scale * last)
        return Pose(turn, float(scale), move)

    def warped(self, image: Image.Image, pose: Pose, rng: np.random.Generator) -> np.ndarray:
        """Draw an image in a pose, locally deformed; (S, S) or (S, S, 3), 8 bits.

        The grid's rim stays where it is, so that what the pose shows stays in sight.
        """
        edges = np.unique(np.round(np.linspace(0, self.size, _CELLS + 1)).astype(int))
        knots = np.stack(np.meshgrid(edges, edges), 2) / self.size - 0.5
        bent = rng.random((_CELLS - 1, _CELLS - 1, 2))[: len(edges) - 2, : len(edges) - 2]
        knots[1:-1, 1:-1] += self.deform * (2 * bent - 1)
        source = (knots - pose.shift) @ pose.turn * (max(image.size) / pose.scale) + np.array(image.size) / 2
        quads = np.concatenate([source[:-1, :-1], source[1:, :-1], source[1:, 1:], source[:-1, 1:]], 2).tolist()
        places = edges.tolist()
        mesh = [
            ((places[x], places[y], places[x + 1], places[y + 1]), quad)
            for y, row in enumerate(quads)
            for x, quad in enumerate(row)
        ]
        sheet = (self.size, self.size)
        bilinear = Image.Resampling.BILINEAR
        return np.asarray(image.transform(sheet, Image.Transform.MESH, mesh, bilinear, fillcolor="white"))


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """Shrink an image to a longer side, if it is larger."""
    longer = max(image.size)
    if longer <= side:
        return image
    width, height = (max(1, round(length * side / longer)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)
