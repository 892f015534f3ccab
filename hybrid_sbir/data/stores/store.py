"""Where images and labels come from: one small protocol, and what works on every store.

A store is built once and then forked into every worker, so that what grows with the number of samples is NumPy arrays,
never Python objects: touching an object writes its reference count and would copy the page into each worker.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, overload

import numpy as np
from PIL import Image


class Store(Protocol):
    """A labelled collection of images.

    Attributes:
        classes: class names by label.
        labels: label of each sample, (N,), int64.
    """

    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def labels(self) -> np.ndarray: ...  # noqa: D102

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Return what to call a sample in messages and result files."""

    def read(self, index: int) -> Image.Image:
        """Return a sample's image, of mode L or RGB."""


class Names(Sequence[str]):
    """Many strings in one block of bytes."""

    def __init__(self, names: Iterable[str]) -> None:
        block, ends = bytearray(), [0]
        for name in names:
            block += os.fsencode(name)
            ends.append(len(block))
        self._block = np.frombuffer(bytes(block), np.uint8)
        self._ends = np.array(ends, np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return os.fsdecode(self._block[self._ends[index] : self._ends[index + 1]].tobytes())


class SelectedStore:
    """Some samples of another store, possibly with other labels.

    Attributes:
        store: the other store.
        rows: which of its samples, (N,), int64.
        classes: class names by label.
        labels: (N,), int64.
    """

    def __init__(self, store: Store, rows: np.ndarray, classes: Sequence[str] | None = None) -> None:
        """Select rows and, where classes are given, only those of these classes, renumbered in this order.

        Raises:
            ValueError: if a class is unknown or named twice.
        """
        self.store = store
        self.classes = store.classes
        rows = np.asarray(rows, np.int64)
        renumbered = np.arange(len(store.classes))
        if classes is not None:
            self.classes = tuple(classes)
            renumbered = _renumber(store.classes, self.classes)
            rows = rows[renumbered[store.labels[rows]] >= 0]
        self.rows = rows
        self.labels = renumbered[store.labels[rows]]

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        """Return the sample's name in the other store."""
        return self.store.name(int(self.rows[index]))

    def read(self, index: int) -> Image.Image:
        """Read from the other store."""
        return self.store.read(int(self.rows[index]))


def _renumber(classes: tuple[str, ...], chosen: tuple[str, ...]) -> np.ndarray:
    unknown = [name for name in chosen if name not in classes]
    if unknown or len(set(chosen)) != len(chosen) or not chosen:
        raise ValueError(
            f"classes must be different names out of the {len(classes)} here ({', '.join(classes[:5])}...); "
            f"unknown: {', '.join(unknown[:5]) or 'none'}; got {len(chosen)}, {len(set(chosen))} different"
        )
    renumbered = np.full(len(classes), -1, np.int64)
    renumbered[[classes.index(name) for name in chosen]] = np.arange(len(chosen))
    return renumbered


def fingerprint(store: Store, *more: str) -> str:
    """Return a SHA-256 over the classes, labels and names of a store (its order included) and further words."""
    digest = hashlib.sha256("\0".join((*store.classes, *more)).encode("utf-8", "surrogateescape"))
    digest.update(np.ascontiguousarray(store.labels, np.int64).tobytes())
    for names in _encoded_names(store):
        digest.update(names)
    return digest.hexdigest()


def contents(store: Store) -> dict[str, str]:
    """Return one SHA-256 each of the classes, the samples' names and their labels, to say which of them differ."""
    classes = "\0".join(store.classes).encode("utf-8", "surrogateescape")
    samples = hashlib.sha256()
    for names in _encoded_names(store):
        samples.update(names)
    labels = np.ascontiguousarray(store.labels, np.int64).tobytes()
    return {
        "classes": hashlib.sha256(classes).hexdigest(),
        "samples": samples.hexdigest(),
        "labels": hashlib.sha256(labels).hexdigest(),
    }


def _encoded_names(store: Store) -> Iterator[bytes]:
    for start in range(0, len(store), 4096):
        names = (store.name(index) for index in range(start, min(start + 4096, len(store))))
        yield ("\0".join(names) + "\0").encode("utf-8", "surrogateescape")


def state_of(store: Store) -> str:
    """Return what tells apart two states of the data under the same names, where a store can say that (``state()``)."""
    if isinstance(store, SelectedStore):
        return state_of(store.store)
    state = getattr(store, "state", None)
    return str(state()) if state is not None else ""
