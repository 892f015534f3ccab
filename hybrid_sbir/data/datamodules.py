"""The data sets behind the command line: one small class each, saying where the parts are; here those of one's own."""

import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hybrid_sbir.data.datamodule import ClassificationData, Part
from hybrid_sbir.data.embedded import CLASSES, EmbeddedStore
from hybrid_sbir.data.listfile import read_mapping
from hybrid_sbir.data.prepared import ImageNet, Prepared, QuickDraw, TUBerlin
from hybrid_sbir.data.prepared_domain import Flickr15k, PreparedDomain, Sketchy
from hybrid_sbir.data.sketch_photo import SketchPhotoData
from hybrid_sbir.data.splits import Parts, kfold, random80, stratified80
from hybrid_sbir.data.stores.file_store import FolderStore, ListStore, class_folders
from hybrid_sbir.data.stores.store import SelectedStore, Store
from hybrid_sbir.data.undivided import ALL, check_divided
from hybrid_sbir.data.unimodal import SeenClasses, UnimodalData

__all__ = [
    "Embedded",
    "Flickr15k",
    "Folder",
    "ImageNet",
    "ListFiles",
    "Prepared",
    "PreparedDomain",
    "QuickDraw",
    "SeenClasses",
    "SketchPhotoData",
    "Sketchy",
    "TUBerlin",
    "UnimodalData",
]

_PARTS = {"train", "val", "test"}


class Folder(ClassificationData):
    """One's own images: a folder of class folders, or ``train``, ``val`` (and ``test``) folders of class folders."""

    def __init__(self, root: str, split: str = "stratified80", split_seed: int = 0, **options: Any) -> None:
        """List the class folders.

        Args:
            root: the folder.
            split: how one folder of class folders is divided: ``stratified80``, ``random80``, ``kfold5_0`` ...
                ``kfold5_4``, or ``all``: not at all, every part is the whole (a test set); not used where there are
                ``train`` and ``val``.
            split_seed: of that division.
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.

        Raises:
            FileNotFoundError: if there are no class folders.
            ValueError: if the split is unknown.
        """
        self.root = Path(root)
        self.split = split
        self.split_seed = split_seed
        folders = set(class_folders(root))
        self._has_parts = folders <= _PARTS and {"train", "val"} <= folders
        if self.divided:
            divide(np.zeros(5, np.int64), split, split_seed)
        super().__init__(**options)

    def all_classes(self) -> tuple[str, ...]:
        """Return the names of the class folders."""
        return class_folders(self.root / "train" if self._has_parts else self.root)

    def setup(self, stage: str) -> None:
        """See :class:`~hybrid_sbir.data.datamodule.ClassificationData`; a set that is not divided is not trained on."""
        if stage == "fit":
            check_divided(self)
        super().setup(stage)

    def open_part(self, part: Part) -> Store:
        """Return one part; without a test part, validation's."""
        if self._has_parts:
            return FolderStore(self.root / self._existing(part), self.all_classes())
        if not self.divided:
            return self._whole
        rows = divide(self._whole.labels, self.split, self.split_seed)["train" if part == "train" else "val"]
        return SelectedStore(self._whole, rows)

    @property
    def divided(self) -> bool:
        """Whether training and validation are different samples."""
        return self._has_parts or self.split != ALL

    @cached_property
    def _whole(self) -> FolderStore:
        return FolderStore(self.root, self.all_classes())

    def _existing(self, part: Part) -> Part:
        return "val" if part == "test" and not (self.root / "test").is_dir() else part


def divide(labels: np.ndarray, split: str, seed: int) -> Parts:
    """Divide samples into train and val by the split of this name.

    Raises:
        ValueError: if there is no such split or the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"split_seed must not be negative, got {seed}")
    fold = re.fullmatch(r"kfold5_([0-4])", split)
    if fold:
        return kfold(labels, seed, 5)[int(fold[1])]
    splits = {"random80": random80, "stratified80": stratified80}
    if split not in splits:
        raise ValueError(f"unknown split '{split}'; known: {', '.join(splits)}, kfold5_0 to kfold5_4, all")
    return splits[split](labels, seed)


class ListFiles(ClassificationData):
    """List files ``path<TAB>label`` with their ``mapping.txt``, as the thesis published its splits."""

    def __init__(
        self, train: str, val: str, mapping: str, test: str | None = None, root: str | None = None, **options: Any
    ) -> None:
        """Read the mapping.

        Args:
            train: list file of the training part.
            val: list file of the validation part.
            mapping: lines of ``class<TAB>label``.
            test: list file of the test part; by default the validation part is tested.
            root: where the listed files are now; by default relative paths start at the list's folder, and absolute
                ones are used as they are.
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.

        Raises:
            FileNotFoundError: if the mapping is missing.
        """
        self._lists: dict[Part, str] = {"train": train, "val": val, "test": test or val}
        self._mapping = mapping
        self._root = root
        super().__init__(**options)

    def all_classes(self) -> tuple[str, ...]:
        """Return the classes of the mapping."""
        return tuple(read_mapping(self._mapping))

    def open_part(self, part: Part) -> Store:
        """Read the part's list."""
        return ListStore(self._lists[part], self._mapping, self._root)


class Embedded(ClassificationData):
    """The set that the package draws itself: nothing to download."""

    def __init__(
        self,
        domain: Literal["sketch", "photo"] = "sketch",
        per_class: int = 200,
        eval_per_class: int = 50,
        data_seed: int = 0,
        **options: Any,
    ) -> None:
        """Keep the settings.

        Args:
            domain: grey sketches or coloured photos.
            per_class: training samples a class.
            eval_per_class: validation samples a class, and as many for the test.
            data_seed: another seed is another set.
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.
        """
        self._domain: Literal["sketch", "photo"] = domain
        self._per_class = {"train": per_class, "val": eval_per_class, "test": eval_per_class}
        self._data_seed = data_seed
        super().__init__(**options)

    def all_classes(self) -> tuple[str, ...]:
        """Return the classes that the package can draw."""
        return CLASSES

    def open_part(self, part: Part) -> Store:
        """Return one part, drawn with the side that evaluation scales to."""
        side = self.drawn_side
        return EmbeddedStore(part, self._domain, self._per_class[part], side, self._data_seed, self.classes)
