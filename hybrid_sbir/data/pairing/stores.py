"""Stores made of stores: some classes of one under other labels, several joined, photos seen as edge maps.

N samples.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from hybrid_sbir.data.edges import edge_map
from hybrid_sbir.data.pairing.classes import labels_of
from hybrid_sbir.data.splits import order
from hybrid_sbir.data.stores.store import SelectedStore, Store, state_of


class RelabelledStore(SelectedStore):
    """The samples of some classes of another store, under labels of one's own; several classes may become one."""

    def __init__(self, store: Store, label_by_class: Mapping[str, int], classes: Sequence[str]) -> None:
        """Choose the samples.

        Args:
            store: the other store.
            label_by_class: label of each of its classes that is used.
            classes: names by these labels.
        """
        labels = labels_of(store.classes, label_by_class)[store.labels]
        super().__init__(store, np.flatnonzero(labels >= 0))
        self.labels = labels[self.rows]
        self.classes = tuple(classes)

    @classmethod
    def restricted(cls, store: Store, classes: Sequence[str]) -> Store:
        """Return the samples of these classes, numbered in this order; a class without any is allowed."""
        return cls(store, {name: label for label, name in enumerate(classes)}, classes)


class JoinedStore:
    """The samples of several stores with the same classes, one store after the other.

    Attributes:
        stores: at least one.
        labels: (N,), int64.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = tuple(stores)
        self.labels = np.concatenate([store.labels for store in stores])
        self._ends = np.cumsum([len(store) for store in stores])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by label."""
        return self.stores[0].classes

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """Return the sample's name in its store."""
        store, within = self._place(index)
        return store.name(within)

    def read(self, index: int) -> Image.Image:
        """Read from the sample's store."""
        store, within = self._place(index)
        return store.read(within)

    def state(self) -> str:
        """Return the states of all stores."""
        return "\0".join(state_of(store) for store in self.stores)

    def _place(self, index: int) -> tuple[Store, int]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        return self.stores[number], int(index) - (int(self._ends[number - 1]) if number else 0)


class EdgeStore:
    """Another store's photos as edge maps, dark on white: pseudo-sketches.

    Attributes:
        store: the other store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

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
        """Return the photo's name, marked."""
        return f"edges of {self.store.name(index)}"

    def read(self, index: int) -> Image.Image:
        """Return the photo's edge map."""
        return edge_map(self.store.read(index))

    def state(self) -> str:
        """Return the photos' state."""
        return state_of(self.store)


def few_of_each(store: Store, per_class: int, seed: int) -> Store:
    """Return at most ``per_class`` samples of each class, drawn with the seed."""
    shuffled = order(len(store), seed)
    grouped = shuffled[np.argsort(store.labels[shuffled], kind="stable")]
    first = np.searchsorted(store.labels[grouped], store.labels[grouped])
    return SelectedStore(store, np.sort(grouped[np.arange(len(grouped)) - first < per_class]))


def own_photos(sketches: Store, photos: Store) -> np.ndarray:
    """Return the photo that each sketch was drawn from, (N,), int64, -1 where it is not among the photos.

    Told by their names, as Sketchy has them (Sangkloy et al., SIGGRAPH 2016): ``ID-k.png`` was drawn from ``ID.jpg``
    of the same class; so was ``ID.png``.

    Raises:
        ValueError: if not a single sketch's photo is there.
    """
    numbers = {(int(label), PurePosixPath(photos.name(i)).stem): i for i, label in enumerate(photos.labels)}
    own = np.full(len(sketches), -1, np.int64)
    for i, label in enumerate(sketches.labels.tolist()):
        stem = PurePosixPath(sketches.name(i)).stem
        own[i] = numbers.get((label, stem), numbers.get((label, stem.rpartition("-")[0]), -1))
    if not (own >= 0).any():
        raise ValueError(
            f"level is instance, but no sketch is named after a photo (ID-k.png after ID.jpg): {sketches.name(0)} and "
            f"{photos.name(0)}, for example; use level: class"
        )
    return own
