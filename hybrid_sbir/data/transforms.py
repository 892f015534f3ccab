"""Named presets of preprocessing: image and random numbers -> normalised tensor.

The thesis's (its section 4): ``classification_*``, ``imagenet_*``, ``photo_train`` and ``photo_eval``, and of sketches
``sketch_train``, ``sketch_eval`` (validation) and ``sketch_test``, which differ from each other and crop sketches that
are not square; ``sketch_eval_black`` and ``sketch_test_black`` give those black borders, as the published code did.

For sketches in one way everywhere, and whole: ``sketch_square_train`` and ``sketch_square_eval``, on a white square.
Colours stay. A drawing on dark paper stays one, unless ``sketch_square_eval_any_paper`` is asked to turn it round.
Whole photos: ``photo_square_eval`` on a white square, ``photo_squeezed_eval`` made square.

Most decide on a :class:`View` of the image (which part, how large, mirrored, turned) and then draw it, so that the same
decision can be drawn by Pillow here or by an accelerator (``device_transforms``).

Shapes: N images, C channels, H, W image size, S output side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hybrid_sbir.data.stroke_augmentation import StrokeAugmentation
from hybrid_sbir.data.views import CentreView, Geometry, RandomView, SquareView, View, draw

__all__ = [
    "IMAGENET",
    "MNIST",
    "CentreView",
    "Geometry",
    "RandomView",
    "SquareView",
    "StrokeAugmentation",
    "Transform",
    "View",
    "draw",
    "list_presets",
    "preset",
]

MNIST = ((0.1307,), (0.3081,))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


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
        return self.geometry.drawn(image, rng)

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
    "sketch_eval_black": (SquareView.black_borders, IMAGENET),  # the same, and of what is not square
    "sketch_test_black": (SquareView.black_borders_cut, IMAGENET),
    "sketch_square_train": (StrokeAugmentation, IMAGENET),
    "sketch_square_eval": (SquareView, IMAGENET),
    "sketch_square_eval_any_paper": (SquareView.of_any_paper, IMAGENET),
    "photo_square_eval": (SquareView, IMAGENET),
    "photo_squeezed_eval": (SquareView.squeezed, IMAGENET),
}


def list_presets() -> list[str]:
    """Return the names that :func:`preset` knows."""
    return list(_PRESETS)


def preset(name: str, size: int = 224, channels: int | None = None) -> Transform:
    """Build a transform by its name.

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
