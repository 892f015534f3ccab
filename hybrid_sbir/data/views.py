"""Which part of an image is seen, and how: decided on first (a :class:`View`), drawn by Pillow here or by a device.

Sizes are in pixels, S is the output's side.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from PIL import Image

from hybrid_sbir.data.paper import on_white

_EVAL_RATIO = 256 / 224  # shorter side before the centre crop, over the crop's side
_TRIES = 10


class View(NamedTuple):
    """Which part of an image is seen and how: crop, scale, cut out the output window, mirror, turn.

    Attributes:
        left, top, right, bottom: the part that is used, in pixels of the image.
        width, height: the size it is scaled to.
        x, y: where in that the output's S x S window begins.
        mirror: flip left and right.
        angle: turn by so many degrees counter-clockwise, uncovered corners white.
        blank: the grey level where the window leaves the image.
    """

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int
    x: int = 0
    y: int = 0
    mirror: bool = False
    angle: float = 0.0
    blank: int = 255


class Geometry(Protocol):
    """What a preset does to the shape of an image.

    Attributes:
        size: S.
        random: whether it needs random numbers.
        degrees: the largest angle it turns by.
    """

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def random(self) -> bool: ...  # noqa: D102
    @property
    def degrees(self) -> float: ...  # noqa: D102

    def view(self, width: int, height: int, rng: np.random.Generator | None) -> View:
        """Decide on the view of an image of this size.

        Raises:
            TypeError: if there are no random numbers where they are needed, or what is done to the image is no view,
                so that only :meth:`drawn` can do it.
        """

    def drawn(self, image: Image.Image, rng: np.random.Generator | None) -> np.ndarray:
        """Return 8-bit pixels, (S, S) of an image of mode L, (S, S, 3) of RGB."""


class _Viewed:
    """A geometry that is a view and nothing else."""

    size: int

    def view(self, width: int, height: int, rng: np.random.Generator | None) -> View:
        raise NotImplementedError

    def drawn(self, image: Image.Image, rng: np.random.Generator | None) -> np.ndarray:
        """Return the view's 8-bit pixels, (S, S) of an image of mode L, (S, S, 3) of RGB."""
        return np.asarray(draw(image, self.view(*image.size, rng), self.size))


@dataclass(frozen=True)
class RandomView(_Viewed):
    """A random part of the image (Szegedy et al., CVPR 2015, as torchvision draws it), mirrored and turned at random.

    Attributes:
        size: S.
        area: smallest and largest share of the image's area.
        aspect: narrowest and widest width / height, drawn evenly on a log scale.
        mirror: probability of a mirror image.
        degrees: largest angle, either way.
    """

    size: int
    area: tuple[float, float]
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    mirror: float = 0.5
    degrees: float = 0.0
    random: ClassVar[bool] = True

    def view(self, width: int, height: int, rng: np.random.Generator | None) -> View:
        """Draw a view; the order of the draws is part of what a seed means."""
        if rng is None:
            raise TypeError("a random view needs a generator of random numbers, got None")
        left, top, w, h = self._box(width, height, rng)
        mirror = rng.random() < self.mirror
        angle = self.degrees * (2 * rng.random() - 1) if self.degrees else 0.0
        return View(left, top, left + w, top + h, self.size, self.size, mirror=mirror, angle=angle)

    def _box(self, width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        low, high = math.log(self.aspect[0]), math.log(self.aspect[1])
        for _ in range(_TRIES):
            area = width * height * (self.area[0] + (self.area[1] - self.area[0]) * rng.random())
            aspect = math.exp(low + (high - low) * rng.random())
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top, left = int((height - h + 1) * rng.random()), int((width - w + 1) * rng.random())
                return left, top, w, h
        w, h = self._largest(width, height)
        return (width - w) // 2, (height - h) // 2, w, h

    def _largest(self, width: int, height: int) -> tuple[int, int]:
        narrow, wide = self.aspect
        if width / height < narrow:
            return width, min(height, round(width / narrow))
        if width / height > wide:
            return min(width, round(height * wide)), height
        return width, height


@dataclass(frozen=True)
class CentreView(_Viewed):
    """The middle S x S of the image, scaled to a shorter side.

    Attributes:
        size: S.
        shorter_side: at least S.
    """

    size: int
    shorter_side: int
    random: ClassVar[bool] = False
    degrees: ClassVar[float] = 0.0

    @classmethod
    def proportional(cls, size: int) -> "CentreView":
        """Return the thesis's 224 out of 256 for any size."""
        return cls(size, round(size * _EVAL_RATIO))

    def view(self, width: int, height: int, rng: np.random.Generator | None = None) -> View:
        """Return the view of an image of this size."""
        short, long = sorted((width, height))
        scaled = int(self.shorter_side * long / short)
        w, h = (self.shorter_side, scaled) if width <= height else (scaled, self.shorter_side)
        return View(0, 0, width, height, w, h, round((w - self.size) / 2), round((h - self.size) / 2))


@dataclass(frozen=True)
class SquareView(_Viewed):
    """The whole image on a square sheet: nothing is cut off, whatever its shape.

    Attributes:
        size: S.
        squeeze: scale both sides alike to S; otherwise the longer side fills the square and the rest of it is blank,
            half on each side.
        any_paper: turn drawings on dark paper (see :func:`~hybrid_sbir.data.paper.on_white`) into dark on white.
        blank: the grey level of what no image covers.
        longer_side: the longer side before S x S are cut out of the middle; by default S, which cuts off nothing.
    """

    size: int
    squeeze: bool = False
    any_paper: bool = False
    blank: int = 255
    longer_side: int | None = None
    random: ClassVar[bool] = False
    degrees: ClassVar[float] = 0.0

    @classmethod
    def black_borders(cls, size: int) -> "SquareView":
        """Return what the published validation did to sketches that are not square."""
        return cls(size, blank=0)

    @classmethod
    def black_borders_cut(cls, size: int) -> "SquareView":
        """Return what the published final test did to sketches that are not square."""
        return cls(size, blank=0, longer_side=round(size * _EVAL_RATIO))

    @classmethod
    def squeezed(cls, size: int) -> "SquareView":
        """Return a view that changes the image's shape to a square."""
        return cls(size, squeeze=True)

    @classmethod
    def of_any_paper(cls, size: int) -> "SquareView":
        """Return a view that makes white on black black on white."""
        return cls(size, any_paper=True)

    def view(self, width: int, height: int, rng: np.random.Generator | None = None) -> View:
        """Return the view of an image of this size.

        Raises:
            TypeError: if dark paper is to be found, which needs the image itself; the message says what to do.
        """
        if self.any_paper:
            raise TypeError("the paper's colour is looked at by the host; set augment_on to 'host'")
        return self._view(width, height)

    def drawn(self, image: Image.Image, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the image's 8-bit pixels, (S, S) of an image of mode L, (S, S, 3) of RGB."""
        image = on_white(image) if self.any_paper else image
        return np.asarray(draw(image, self._view(*image.size), self.size))

    def _view(self, width: int, height: int) -> View:
        longer, side = max(width, height), self.longer_side or self.size
        w, h = (side if self.squeeze else max(1, round(length * side / longer)) for length in (width, height))
        x, y = ((length - self.size) // 2 for length in (w, h))
        return View(0, 0, width, height, w, h, x, y, blank=self.blank)


def draw(image: Image.Image, view: View, size: int) -> Image.Image:
    """Draw a view with Pillow, bilinear with anti-aliasing: 8-bit results as torchvision gives on Pillow images."""
    part = (view.left, view.top, view.right, view.bottom)
    if part != (0, 0, *image.size):
        image = image.crop(part)
    if image.size != (view.width, view.height):
        image = image.resize((view.width, view.height), Image.Resampling.BILINEAR)
    if view.x < 0 or view.y < 0 or view.width < view.x + size or view.height < view.y + size:
        sheet = Image.new(image.mode, (size, size), (view.blank,) * len(image.getbands()))
        sheet.paste(image, (-view.x, -view.y))
        image = sheet
    elif image.size != (size, size):
        image = image.crop((view.x, view.y, view.x + size, view.y + size))
    if view.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if view.angle:
        image = image.rotate(view.angle, Image.Resampling.NEAREST, fillcolor="white")
    return image
