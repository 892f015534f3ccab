"""The data sets that ``hybrid-sbir data prepare`` makes of the official archives."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_sbir.data.datamodule import ClassificationData, Part
from hybrid_sbir.data.manifest import Manifest
from hybrid_sbir.data.stores.drawing_store import BitmapStore, StrokeStore
from hybrid_sbir.data.stores.file_store import FileStore
from hybrid_sbir.data.stores.store import SelectedStore, Store, fingerprint
from hybrid_sbir.data.undivided import ALL, check_divided


class Prepared(ClassificationData):
    """Any data set that ``hybrid-sbir data prepare`` made: Sketchy, a folder, one under a name of one's own.

    Attributes:
        manifest: its record.
        split: the split in use.
    """

    def __init__(self, name: str, root: str = "data", split: str = "random80", **options: Any) -> None:
        """Read the record.

        Args:
            name: its folder below ``root``.
            root: the folder of all prepared data sets.
            split: the name of a split, or ``all``: every part is the whole data set (a test set).
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.

        Raises:
            FileNotFoundError: if the data set is not prepared; the message has the command that does it.
            ManifestError: if it was altered or has no such split.
        """
        self.manifest = Manifest.load(Path(root) / name)
        self.split = split
        super().__init__(**options)

    def all_classes(self) -> tuple[str, ...]:
        """Return the classes of the split."""
        return self.manifest.classes if self.split == ALL else self.manifest.split_classes(self.split)

    def setup(self, stage: str) -> None:
        """See :class:`~hybrid_sbir.data.datamodule.ClassificationData`; a set that is not divided is not trained on."""
        if stage == "fit":
            check_divided(self)
        super().setup(stage)

    def open_part(self, part: Part) -> Store:
        """Return one part of the split; where it has no test part, validation's."""
        if self.split == ALL:
            return self.open_listed(*self.manifest.index())
        known = self.manifest.splits[self.split]["parts"]
        return self.open_listed(
            *self.manifest.split_part(self.split, "val" if part == "test" and part not in known else part)
        )

    @property
    def divided(self) -> bool:
        """Whether training and validation are different samples."""
        return self.split != ALL

    def open_listed(self, paths: list[str], labels: np.ndarray) -> Store:
        """Return the store of these samples."""
        manifest = self.manifest
        return FileStore(manifest.root, paths, labels, manifest.classes, version=manifest.hash)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the manifest's hash and the classes, labels, names and order of both parts."""
        return fingerprint(self.part("val"), fingerprint(self.part("train")), self.manifest.hash)


class TUBerlin(Prepared):
    """TU-Berlin: 20,000 sketches of 250 classes (Eitz et al., SIGGRAPH 2012)."""

    def __init__(self, root: str = "data", split: str = "random80", name: str = "tu_berlin", **options: Any) -> None:
        """See :class:`Prepared`."""
        super().__init__(name, root, split, **options)


class ImageNet(Prepared):
    """ImageNet (ILSVRC 2012), to pre-train on."""

    def __init__(
        self,
        root: str = "data",
        split: str = "official",
        name: str = "imagenet",
        channels: int = 3,
        train_transform: str = "imagenet_train",
        eval_transform: str = "imagenet_eval",
        min_side: int | None = None,
        **options: Any,
    ) -> None:
        """See :class:`Prepared`.

        Args:
            root: the folder of all prepared data sets.
            split: the name of a split.
            name: its folder below ``root``.
            channels: 1 or 3.
            train_transform: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.
            eval_transform: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.
            min_side: large photos may be shrunk while they are decoded, to no shorter side than this: faster, but not
                to the digit what torchvision does.
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.

        Raises:
            ValueError: if ``min_side`` is not positive.
        """
        if min_side is not None and min_side < 1:
            raise ValueError(f"min_side must be a positive number of pixels, got {min_side}")
        self._min_side = min_side
        transforms = {"train_transform": train_transform, "eval_transform": eval_transform}
        super().__init__(name, root, split, channels=channels, **transforms, **options)

    def open_listed(self, paths: list[str], labels: np.ndarray) -> Store:
        """Return the store of these photos."""
        manifest = self.manifest
        return FileStore(manifest.root, paths, labels, manifest.classes, None, self._min_side, manifest.hash)


class QuickDraw(Prepared):
    """QuickDraw's strokes or bitmaps, whichever were prepared; by default the thesis's Mini-QuickDraw."""

    def __init__(
        self,
        root: str = "data",
        split: str = "mini",
        name: str = "quickdraw",
        stroke_width: float = 0.02,
        padding: float = 0.04,
        **options: Any,
    ) -> None:
        """See :class:`Prepared`; strokes are drawn with the side that evaluation scales to.

        Args:
            root: the folder of all prepared data sets.
            split: the name of a split.
            name: its folder below ``root``, where both forms were prepared.
            stroke_width: as a share of the image's side.
            padding: white border on each side, as a share of the image's side.
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.
        """
        self._stroke_width, self._padding = stroke_width, padding
        super().__init__(name, root, split, **options)

    def open_listed(self, paths: list[str], labels: np.ndarray) -> Store:
        """Return these drawings."""
        row = {path: number for number, path in enumerate(self.manifest.index()[0])}
        return SelectedStore(self._whole, np.array([row[path] for path in paths], np.int64))

    @cached_property
    def _whole(self) -> Store:
        manifest = self.manifest
        paths, labels = manifest.index()
        if manifest.kind == "bitmaps":
            return BitmapStore(manifest.root / "bitmaps", paths, labels, manifest.classes)
        folder, side = manifest.root / "strokes", self.drawn_side
        return StrokeStore(folder, paths, labels, manifest.classes, side, self._stroke_width, self._padding)
