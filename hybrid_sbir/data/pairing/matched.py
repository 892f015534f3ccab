"""Two data sets, sketches and photos, seen through the classes that both have; decoded once where a pack is wanted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from hybrid_sbir.batch import Domain
from hybrid_sbir.data.class_map import ClassMap
from hybrid_sbir.data.datamodule import ClassificationData, Part
from hybrid_sbir.data.pairing.classes import common_classes
from hybrid_sbir.data.pairing.stores import EdgeStore, JoinedStore, RelabelledStore
from hybrid_sbir.data.stores.packed import PackedStore
from hybrid_sbir.data.stores.store import Store

_DOMAINS: tuple[Domain, ...] = ("sketch", "photo")
_PARTS: tuple[Part, ...] = ("train", "val")


class ClassMismatchWarning(UserWarning):
    """Two sets have classes that the other one lacks."""


class MatchedSets:
    """The parts of two data sets with labels that mean the same in both.

    Attributes:
        common: the classes that both have.
        pack: folder for decoded images, or None.
    """

    def __init__(
        self,
        sketches: ClassificationData,
        photos: ClassificationData,
        class_map: ClassMap | Path | str | None = None,
        *,
        drawn_side: int = 256,
        pack: str | None = None,
    ) -> None:
        """Match the classes; no part is opened.

        Args:
            sketches: a data set.
            photos: another.
            class_map: see :func:`~hybrid_sbir.data.class_map.match_classes`.
            drawn_side: side of images that are drawn and not read, and shorter side of packed ones.
            pack: folder for decoded images, see :class:`~hybrid_sbir.data.stores.packed.PackedStore`.

        Raises:
            ClassMapError: if the map cannot be used.
            ValueError: if there is no common class.
        """
        self.common = common_classes(sketches.classes, photos.classes, class_map)
        self._sources: dict[Domain, ClassificationData] = {"sketch": sketches, "photo": photos}
        self._labels = {"sketch": self.common.sketch_labels, "photo": self.common.photo_labels}
        self._drawn_side, self.pack = drawn_side, pack
        self._opened: dict[str, Store] = {}

    def part(self, domain: Domain, classes: Sequence[str], *parts: Part) -> Store:
        """Return the samples of these parts and classes, numbered by the classes' order; each part opened once."""
        stores = [self._whole(domain, part) for part in parts]
        return RelabelledStore.restricted(stores[0] if len(stores) == 1 else JoinedStore(stores), classes)

    def edges(self, classes: Sequence[str]) -> Store:
        """Return the training photos of these classes as edge maps, in the order of :meth:`part`'s."""
        if "edges" not in self._opened:
            self._opened["edges"] = self._packed(EdgeStore(self._whole("photo", "train")))
        return RelabelledStore.restricted(self._opened["edges"], classes)

    def describe(self, training: Sequence[str], held_out: Sequence[str]) -> str:
        """Return a table: samples of each class trained with or held out, in training and validation."""
        rows = [("class", "sketches train", "val", "photos train", "val", "")]
        counts = [
            np.bincount(self._whole(domain, part).labels, minlength=len(self.common.names)).tolist()
            for domain in _DOMAINS
            for part in _PARTS
        ]
        for name, *numbers in zip(self.common.names, *counts, strict=True):
            if name in training or name in held_out:
                rows.append((name, *map(str, numbers), "held out" if name in held_out else ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def _whole(self, domain: Domain, part: Part) -> Store:
        """A part with all common classes: what is packed does not depend on which of them are used."""
        name = f"{domain} {part}"
        if name not in self._opened:
            source = self._sources[domain]
            source.drawn_side = self._drawn_side
            store = RelabelledStore(source.part(part), self._labels[domain], self.common.names)
            self._opened[name] = self._packed(store)
        return self._opened[name]

    def _packed(self, store: Store) -> Store:
        return store if self.pack is None else PackedStore(store, self.pack, self._drawn_side)


def matched(
    what: str, sketches: ClassificationData, photos: ClassificationData, class_map: str | None, stored: dict[str, Any]
) -> MatchedSets:
    """Match two sets and warn once of classes that only one has; ``stored``: further arguments, ``what``: for words."""
    sets = MatchedSets(sketches, photos, class_map, **stored)
    if not sets.common.complete:
        rank_zero_warn(f"{what} sets: {sets.common.text}", category=ClassMismatchWarning)
    return sets


def matched_test(
    sketches: ClassificationData | None,
    photos: ClassificationData | None,
    class_map: str | None,
    stored: dict[str, Any],
) -> MatchedSets | None:
    """Match the sets of a test of its own, None where there is none.

    Raises:
        ValueError: if only one of the two is given.
    """
    if sketches is None and photos is None:
        return None
    if sketches is None or photos is None:
        missing = "test_photos" if photos is None else "test_sketches"
        raise ValueError(f"a test set of its own needs test_sketches and test_photos; {missing} is missing")
    return matched("test", sketches, photos, class_map, stored)
