"""Keys -> whole batches: reading, augmenting and collating in one call.

Shapes: N images of a batch, C channels, S side.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.data.sampler import Key
from hybrid_sbir.data.store import Store
from hybrid_sbir.data.transforms import Transform


class KeyedDataset(Dataset[ClassificationBatch]):
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

    def __getitem__(self, key: Key) -> ClassificationBatch:
        """Return a batch of one."""
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> ClassificationBatch:
        """Return the samples of these keys, in this order, as one batch with images (N, C, S, S), float32."""
        pixels = [self.transform.pixels(self.store.read(index), self.rng(epoch, index)) for epoch, index in keys]
        image = self.transform.normalise(torch.from_numpy(stack_pixels(pixels)))
        return ClassificationBatch(image, *self.labels(keys))

    def rng(self, epoch: int, index: int) -> np.random.Generator | None:
        """Return the random numbers of one sample in one epoch; None where the transform needs none."""
        return np.random.default_rng((self.seed, epoch, index)) if self.transform.geometry.random else None

    def labels(self, keys: Sequence[Key]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the labels and indices of these keys, both (N,), int64."""
        index = np.fromiter((index for _, index in keys), np.int64, len(keys))
        return torch.from_numpy(self.store.labels[index]), torch.from_numpy(index)


def stack_pixels(pixels: Sequence[np.ndarray]) -> np.ndarray:
    """Stack grey (S, S) and colour (S, S, 3) images: (N, S, S) where all are grey, else (N, S, S, 3)."""
    colour = next((image.shape for image in pixels if image.ndim == 3), None)
    batch = np.empty((len(pixels), *(colour or pixels[0].shape)), np.uint8)
    for place, image in zip(batch, pixels, strict=True):
        place[...] = image[..., None] if image.ndim < place.ndim else image
    return batch
