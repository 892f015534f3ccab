"""Keys of rows -> whole batches of pairs or triplets.

Shapes: N rows of a batch, C channels, S side.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hybrid_sbir.batch import PairBatch, TripletBatch
from hybrid_sbir.data.images import ImageProblem
from hybrid_sbir.data.loading.dataset import keyed_rng, stack
from hybrid_sbir.data.stores.store import Store, contents
from hybrid_sbir.data.transforms import Transform

Row = tuple[int, ...]
"""(epoch, place in the epoch, sketch, photo) or, of a triplet, (epoch, place, sketch, positive, negative)."""


class DrawnPixels(NamedTuple):
    """Rows drawn but not yet normalised: 8 bits a pixel on their way out of a worker.

    Attributes:
        sketch: (N, S, S) if all are grey, else (N, S, S, 3), uint8.
        photo: the same of the photos; of triplets first all positive ones, then all negative ones, (2N, ...).
        sketch_label: (N,), int64; arrays out of a worker, tensors on their way to a device.
        photo_label: in the order of the photos.
        index: the sketches' positions, (N,), int64.
    """

    sketch: Tensor
    photo: Tensor
    sketch_label: np.ndarray | Tensor
    photo_label: np.ndarray | Tensor
    index: np.ndarray | Tensor  # type: ignore[assignment]  # hides tuple.index


class RowDataset(Dataset[DrawnPixels]):
    """Two stores seen through two transforms, addressed by rows.

    How an image is augmented depends on (seed, epoch, place in the epoch) and its role alone, so that any part of a
    run can be repeated with any number of workers.

    Attributes:
        sketches: sketches, perhaps followed by pseudo-sketches.
        photos: photos, of the same classes.
        sketch_transform: what is done to each sketch.
        photo_transform: what is done to each photo.
        seed: of the augmentation.
        drawn: the settings that the rows come from, by name; part of :meth:`identity`.
        on_device: whether :func:`finished` is left to the device that trains.
    """

    def __init__(
        self,
        sketches: Store,
        photos: Store,
        sketch_transform: Transform,
        photo_transform: Transform,
        seed: int = 0,
        drawn: dict[str, Any] | None = None,
        on_device: bool = False,
    ) -> None:
        self.sketches, self.photos = sketches, photos
        self.sketch_transform, self.photo_transform = sketch_transform, photo_transform
        self.seed = seed
        self.drawn = drawn or {}
        self.on_device = on_device

    def __len__(self) -> int:
        return len(self.sketches)

    def __getitems__(self, rows: Sequence[Row]) -> DrawnPixels | ImageProblem:
        """Return :meth:`read`'s batch, or an image's problem, to be raised in the training process."""
        try:
            return self.read(rows)
        except ImageProblem as problem:
            return problem

    def read(self, rows: Sequence[Row]) -> DrawnPixels:
        """Return these rows, in this order, as one batch.

        Raises:
            ImageProblem: if an image cannot be read.
        """
        epoch, place, sketch, *photos = (np.array(column, np.int64) for column in zip(*rows, strict=True))
        photo = np.concatenate(photos)
        roles = np.repeat(np.arange(1, 1 + len(photos)), len(rows))
        where = np.tile(epoch, len(photos)), np.tile(place, len(photos)), roles
        return DrawnPixels(
            self._pixels(self.sketches, self.sketch_transform, sketch, epoch, place, np.zeros_like(sketch)),
            self._pixels(self.photos, self.photo_transform, photo, *where),
            self.sketches.labels[sketch],
            self.photos.labels[photo],
            sketch,
        )

    def finish(self, batch: DrawnPixels) -> PairBatch | TripletBatch | DrawnPixels:
        """Normalise, or leave that to the device: workers would hand over four times as many bytes."""
        if self.on_device:
            return DrawnPixels(*map(torch.as_tensor, batch))
        return finished(batch, self.sketch_transform, self.photo_transform)

    def identity(self) -> dict[str, Any]:
        """Return what the batches depend on beside the keys and the seed: data, transforms, how rows are drawn."""
        both = contents(self.sketches), contents(self.photos)
        hashes = {what: hashlib.sha256("".join(each[what] for each in both).encode()).hexdigest() for what in both[0]}
        transforms = {"sketch_transform": repr(self.sketch_transform), "photo_transform": repr(self.photo_transform)}
        return hashes | transforms | self.drawn

    def _pixels(self, store: Store, transform: Transform, number: np.ndarray, *where: np.ndarray) -> Tensor:
        """Return the drawn images of these samples, each at its epoch, place and role."""
        keys = np.stack(where, axis=1).tolist()
        images = [
            transform.pixels(store.read(each), self._rng(transform, *key))
            for each, key in zip(number.tolist(), keys, strict=True)
        ]
        return torch.from_numpy(stack(images))

    def _rng(self, transform: Transform, epoch: int, place: int, role: int) -> np.random.Generator | None:
        return keyed_rng(self.seed, epoch, place, role) if transform.geometry.random else None


def finished(batch: DrawnPixels, sketch_transform: Transform, photo_transform: Transform) -> PairBatch | TripletBatch:
    """Normalise a batch on the device where its pixels are."""
    sketch, photo = sketch_transform.normalise(batch.sketch), photo_transform.normalise(batch.photo)
    label, photo_label, index = (torch.as_tensor(each, device=sketch.device) for each in batch[2:])
    n = len(sketch)
    if len(photo) == n:
        return PairBatch(sketch, photo, label, photo_label, index)
    return TripletBatch(sketch, photo[:n], photo[n:], label, photo_label[n:], index)
