"""The thesis's preprocessing (its section 4) as named presets: image and random numbers -> normalised tensor.

A preset first decides on a :class:`View` of the image (which part, how large, mirrored, turned) and then draws it, so
that the same decision can be drawn by Pillow here or by an accelerator (``device_transforms``).

Shapes: N images, C channels, H, W image size, S output side.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MNIST = ((0.1307,), (0.3081,))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
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


@dataclass(frozen=True)
class RandomView:
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
class CentreView:
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


Geometry = RandomView | CentreView


def draw(image: Image.Image, view: View, size: int) -> Image.Image:
    """Draw a view with Pillow, bilinear with anti-aliasing: 8-bit results as torchvision gives on Pillow images."""
    part = (view.left, view.top, view.right, view.bottom)
    if part != (0, 0, *image.size):
        image = image.crop(part)
    if image.size != (view.width, view.height):
        image = image.resize((view.width, view.height), Image.Resampling.BILINEAR)
    if image.size != (size, size):
        image = image.crop((view.x, view.y, view.x + size, view.y + size))
    if view.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if view.angle:
        image = image.rotate(view.angle, Image.Resampling.NEAREST, fillcolor="white")
    return image


@dataclass(frozen=True)
class Transform:
    """One preset: decide on a view, draw it, normalise.

    Attributes:
        geometry: decides on the view.
        size: S.
        channels: C, 1 or 3; grey images are repeated to 3.
        mean, std: of each channel, for pixels from 0 to 1; one number stands for all channels.
    """

    geometry: Geometry
    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def view(self, image: Image.Image, rng: np.random.Generator | None) -> View:
        """Decide on the view of an image."""
        return self.geometry.view(*image.size, rng)

    def pixels(self, image: Image.Image, rng: np.random.Generator | None) -> np.ndarray:
        """Return the view's 8-bit pixels, (S, S) of a grey image or where C is 1, else (S, S, 3)."""
        if self.channels == 1 and image.mode != "L":
            image = image.convert("L")
        return np.asarray(draw(image, self.view(image, rng), self.size))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Turn 8-bit (or float, 0 to 255) pixels (N, S, S) or (N, S, S, 3) into a float32 tensor (N, C, S, S)."""
        planes = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
        values = planes.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        std = torch.tensor(self.std, device=values.device).view(-1, 1, 1)
        mean = torch.tensor(self.mean, device=values.device).view(-1, 1, 1)
        scale = 1 / (255 * std)
        scaled = values.mul_(scale) if len(scale) in (1, values.shape[1]) else values * scale
        return scaled.sub_(mean / std).expand(-1, self.channels, -1, -1).contiguous()

    def __call__(self, image: Image.Image, rng: np.random.Generator | None = None) -> Tensor:
        """Transform one image, of mode L or RGB, into a tensor (C, S, S)."""
        return self.normalise(torch.from_numpy(self.pixels(image, rng).copy())[None])[0]


_PRESETS: dict[str, tuple[Callable[[int], Geometry], tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "classification_train": (lambda size: RandomView(size, (0.08, 1.0)), MNIST),
    "classification_eval": (CentreView.proportional, MNIST),
    "imagenet_train": (lambda size: RandomView(size, (0.08, 1.0)), IMAGENET),
    "imagenet_eval": (CentreView.proportional, IMAGENET),
    "photo_train": (lambda size: RandomView(size, (0.7, 1.0)), IMAGENET),
    "photo_eval": (CentreView.proportional, IMAGENET),
    "sketch_train": (lambda size: RandomView(size, (0.9, 1.0), degrees=20.0), IMAGENET),
    "sketch_eval": (lambda size: CentreView(size, size), IMAGENET),  # the published validation: no crop of strokes
    "sketch_test": (CentreView.proportional, IMAGENET),  # the published final test
}


def list_presets() -> list[str]:
    """Return the names that :func:`preset` knows."""
    return list(_PRESETS)


def preset(name: str, size: int = 224, channels: int | None = None) -> Transform:
    """Build one of the thesis's transforms.

    Other sides than 224 keep its proportions: the shorter side before a centre crop is ``round(size * 256 / 224)``.

    Args:
        name: see :func:`list_presets`.
        size: S, side of the output.
        channels: 1 or 3; by default as many as the preset's statistics have.

    Raises:
        ValueError: if the name is unknown, the size is not positive, or the statistics do not fit the channels.
    """
    if name not in _PRESETS:
        raise ValueError(f"unknown preset '{name}'; known: {', '.join(_PRESETS)}")
    geometry, (mean, std) = _PRESETS[name]
    channels = channels or len(mean)
    if size < 1 or channels not in (1, 3):
        raise ValueError(f"size must be positive and channels 1 or 3, got size {size} and channels {channels}")
    if channels < len(mean):
        raise ValueError(f"preset '{name}' normalises three channels; got channels=1, choose a classification preset")
    return Transform(geometry(size), size, channels, mean, std)
