"""Decoded images in one memory-mapped file, written once: no decoding while training, and no memory of its own.

N images, B bytes of all of them.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from hybrid_sbir.data.preparation.staging import make_once, remove_abandoned
from hybrid_sbir.data.stores.mapped import MappedArray
from hybrid_sbir.data.stores.npy_writer import NpyWriter
from hybrid_sbir.data.stores.store import Store, fingerprint, state_of
from hybrid_sbir.data.transforms import CentreView

_FORMAT = 1
_AHEAD = 64  # images decoded while the disk writes
_PROBES = 16
_NAMES = f"{'[0-9a-f]' * 16}-*"


class PackedStore:
    """Another store's images, decoded; its classes, labels and names.

    A folder holds ``pixels.npy`` (B,), uint8, one image after the other, ``shapes.npy`` (N, 3), int32, height, width
    and channels, and ``record.json``. It is named by what it was made from: classes, labels, names, the files' sizes
    and times, the pixels of a few images; so data that have changed since never meet old pixels.

    Attributes:
        store: the other store.
    """

    def __init__(self, store: Store, folder: Path | str, shorter_side: int | None = None) -> None:
        """Open a pack, and make it before if it is not there; half a pack is never opened.

        Where another process is making it, that is waited for; what killed processes left half-made is removed.

        Args:
            store: what to pack.
            folder: where packs are kept.
            shorter_side: larger images are shrunk to this shorter side; None packs them as they are.

        Raises:
            ImageProblem: if an image cannot be read.
            OSError: if the disk is full or not writable; nothing is left behind.
            ValueError: if a pack is damaged; the message names the folder to delete.
        """
        self.store = store
        source = fingerprint(store, state_of(store), _probe(store))
        record = {"format": _FORMAT, "source": source, "samples": len(store), "shorter_side": shorter_side}
        self.path = Path(folder) / f"{source[:16]}-{shorter_side or 'full'}"
        if not self.path.is_dir():
            remove_abandoned(self.path.parent, _NAMES)
            make_once(self.path, partial(_write, store, record, shorter_side, self.path.name))
        self._pixels, self._shapes = MappedArray(self.path / "pixels.npy"), MappedArray(self.path / "shapes.npy")
        try:
            self._check(record)
            self._ends = np.concatenate([[0], self._shapes.array.astype(np.int64).prod(axis=1).cumsum()])
            if len(self._ends) != len(store) + 1 or self._ends[-1] != len(self._pixels.array):
                raise ValueError("its arrays do not fit each other")
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(
                f"the pack {self.path} is damaged: {error}; delete that folder to make it again"
            ) from error

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by label."""
        return self.store.classes

    @property
    def labels(self) -> np.ndarray:
        """Labels, (N,), int64."""
        return self.store.labels

    def __len__(self) -> int:
        return len(self.store)

    def name(self, index: int) -> str:
        """Return the name in the other store."""
        return self.store.name(index)

    def read(self, index: int) -> Image.Image:
        """Return the decoded image."""
        height, width, channels = self._shapes.array[index].tolist()
        pixels = self._pixels.array[self._ends[index] : self._ends[index + 1]]
        mode = "L" if channels == 1 else "RGB"
        return Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)

    def _check(self, record: dict[str, Any]) -> None:
        try:
            found = json.loads((self.path / "record.json").read_text())
        except ValueError as error:
            raise ValueError(f"its record.json is not readable ({error})") from error
        if found != record:
            raise ValueError(f"its record.json is of other data ({found})")


def _probe(store: Store) -> str:
    """Return a hash of the pixels of some images, evenly spread."""
    digest = hashlib.sha256()
    for index in sorted({len(store) * i // _PROBES for i in range(_PROBES)} if len(store) else ()):
        digest.update(store.read(index).tobytes())
    return digest.hexdigest()


def _write(store: Store, record: dict[str, Any], shorter_side: int | None, name: str, folder: Path) -> None:
    with NpyWriter(folder / "pixels.npy", np.uint8) as pixels, NpyWriter(folder / "shapes.npy", np.int32, 3) as shapes:
        for image in _decoded(store, shorter_side, name):
            pixels.append(image.reshape(-1))
            shapes.append(np.array([(*image.shape, 1)[:3]], np.int32))
    (folder / "record.json").write_text(json.dumps(record))


def _decoded(store: Store, shorter_side: int | None, name: str) -> Iterator[np.ndarray]:
    """Yield images in order, decoded by threads (Pillow releases the interpreter lock) a bounded number ahead."""

    def decode(index: int) -> np.ndarray:
        image = store.read(index)
        if shorter_side is not None and min(image.size) > shorter_side:
            view = CentreView(shorter_side, shorter_side).view(*image.size)  # so that evaluation sees the same pixels
            image = image.resize((view.width, view.height), Image.Resampling.BILINEAR)
        return np.asarray(image)

    with (
        ThreadPool(min(8, os.cpu_count() or 1)) as pool,
        tqdm(total=len(store), desc=f"pack {name}", disable=None) as bar,
    ):
        for start in range(0, len(store), _AHEAD):
            for pixels in pool.map(decode, range(start, min(start + _AHEAD, len(store)))):
                yield pixels
                bar.update()
