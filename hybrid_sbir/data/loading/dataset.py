"""Keys -> whole batches: reading, augmenting and collating in one call.

Shapes: N images of a batch, C channels, S side.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.data.images import ImageProblem
from hybrid_sbir.data.loading.sampler import Key
from hybrid_sbir.data.stores.store import Store, contents
from hybrid_sbir.data.transforms import Transform


class PixelBatch(NamedTuple):
    """Drawn images, not yet normalised, on their way out of a worker.

    8 bits a pixel, and arrays but for the pixels: each tensor costs a worker and its process a handshake of their own.

    Attributes:
        pixels: (N, S, S) if all are grey, else (N, S, S, 3), uint8.
        label: class numbers, (N,), int64.
        index: the samples' positions in their data set, (N,), int64.
    """

    pixels: Tensor
    label: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index


class KeyedDataset(Dataset[PixelBatch]):
    """A store seen through a transform, addressed by ``(epoch, index)``.

    What happens to a sample depends on (seed, epoch, index) alone: not on the worker, the process, the batch or what
    was read before. So any part of a run can be repeated.

    Attributes:
        store: the images and labels.
        transform: what is done to each image.
        seed: of the augmentation.
    """

    def __init__(self, store: Store, transform: Transform, seed: int = 0) -> None:
        self.store = store
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.store)

    def __getitems__(self, keys: Sequence[Key]) -> Any:
        """Return :meth:`read`'s batch, or an image's problem, for :func:`checked` to raise in the training process.

        An error raised in a worker would arrive as the text of its traceback, without its name and reason.
        """
        try:
            return self.read(keys)
        except ImageProblem as problem:
            return problem

    def read(self, keys: Sequence[Key]) -> PixelBatch:
        """Return the samples of these keys, in this order, as one batch.

        Raises:
            ImageProblem: if an image cannot be read.
        """
        pixels = [self.transform.pixels(self.store.read(index), self.rng(epoch, index)) for epoch, index in keys]
        return PixelBatch(torch.from_numpy(stack(pixels)), *self.labels(keys))

    def finish(self, batch: PixelBatch) -> ClassificationBatch:
        """Normalise: left to the process that trains, because workers would hand over four times as many bytes."""
        return normalise(batch, self.transform)

    def batch(self, keys: Sequence[Key]) -> ClassificationBatch:
        """Return the samples of these keys, in this order, images (N, C, S, S), float32."""
        return self.finish(self.read(keys))

    def identity(self) -> dict[str, str]:
        """Return what the batches depend on beside the keys and the seed, in short: the data and the transform."""
        return {**contents(self.store), "transform": repr(self.transform)}

    def rng(self, epoch: int, index: int) -> np.random.Generator | None:
        """Return the random numbers of one sample in one epoch; None where the transform needs none."""
        return keyed_rng(self.seed, epoch, index) if self.transform.geometry.random else None

    def labels(self, keys: Sequence[Key]) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels and indices of these keys, both (N,), int64."""
        index = np.fromiter((index for _, index in keys), np.int64, len(keys))
        return self.store.labels[index], index


def checked(batch: Any) -> Any:
    """Return a batch as a worker made it, or raise what it could not read.

    Raises:
        ImageProblem: naming the file, the reason and what finds such files before a run.
    """
    if isinstance(batch, ImageProblem):
        hint = "'hybrid-sbir data prepare folder' finds such files before a run"
        raise ImageProblem(batch.name, f"{batch.reason}; {hint}") from None
    return batch


def normalise(batch: PixelBatch, transform: Transform) -> ClassificationBatch:
    """Normalise a batch on the device where its pixels are."""
    device = batch.pixels.device
    label, index = (torch.as_tensor(values, device=device) for values in (batch.label, batch.index))
    return ClassificationBatch(transform.normalise(batch.pixels), label, index)


def keyed_rng(seed: int, epoch: int, index: int, role: int = 0) -> np.random.Generator:
    """Return the random numbers of a key; streams of different keys never meet.

    Philox (Salmon et al., SC 2011), its key made of seed and epoch, its counter starting at a place of the index's own.

    Args:
        seed: below 2^64, as the others.
        epoch: when.
        index: of a sample, or a place in the epoch.
        role: tells apart several images that share an index: a pair's sketch and its photo.
    """
    return np.random.Generator(np.random.Philox(counter=index << 192 | role << 128, key=seed << 64 | epoch))


def stack(images: Sequence[np.ndarray]) -> np.ndarray:
    """Stack grey (H, W) and colour (H, W, 3) images: (N, H, W) if all are grey, else (N, H, W, 3).

    Smaller images lie at the top left.
    """
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    colour = any(image.ndim == 3 for image in images)
    batch = np.zeros((len(images), height, width, 3) if colour else (len(images), height, width), np.uint8)
    for place, image in zip(batch, images, strict=True):
        place[: image.shape[0], : image.shape[1]] = image[..., None] if image.ndim < place.ndim else image
    return batch
