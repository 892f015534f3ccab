"""What all data modules share: parts of a data set -> loaders that shard over processes and resume exactly."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from lightning import LightningDataModule
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from hybrid_sbir.data.device_transforms import ViewedBatch, ViewedDataset, render
from hybrid_sbir.data.loading.dataset import KeyedDataset, PixelBatch, checked, normalise
from hybrid_sbir.data.loading.loader import ResumableLoader, as_is
from hybrid_sbir.data.loading.sampler import EpochSampler
from hybrid_sbir.data.stores.packed import PackedStore
from hybrid_sbir.data.stores.store import SelectedStore, Store, fingerprint
from hybrid_sbir.data.transforms import CentreView, Transform, preset

Part = Literal["train", "val", "test"]
_PARTS_OF: dict[str, tuple[Part, ...]] = {"fit": ("train", "val"), "validate": ("val",)}


class MissingClassWarning(UserWarning):
    """A class of the training part has no sample in another part."""


class ClassificationData(LightningDataModule, ABC):
    """Labelled images in parts; a subclass says where they are.

    Set ``Trainer(use_distributed_sampler=False)``: the loaders share samples out over processes themselves, without
    repeats in evaluation.

    Attributes:
        classes: class names by label.
        num_classes: how many.
        channels: 1 or 3.
        drawn_side: side of images that are drawn and not read: what evaluation scales to.
    """

    def __init__(
        self,
        *,
        batch_size: int = 64,
        size: int = 224,
        channels: int = 1,
        num_workers: int = 2,
        seed: int = 0,
        train_transform: str = "classification_train",
        eval_transform: str = "classification_eval",
        classes: Sequence[str] | None = None,
        max_classes: int | None = None,
        drop_last: bool = True,
        pack: str | None = None,
        pack_side: int | None = None,
        augment_on: Literal["host", "device"] = "host",
    ) -> None:
        """Keep the settings; nothing is read but the names of the classes.

        Args:
            batch_size: samples a batch and process.
            size: side of the images.
            channels: 1 or 3.
            num_workers: loading processes for each process that trains; the batches do not depend on it.
            seed: of the order and of the augmentation.
            train_transform: preset for training, see ``hybrid_sbir.data.transforms``.
            eval_transform: preset for validation, test and prediction.
            classes: use only these, numbered in this order.
            max_classes: use only the first so many.
            drop_last: leave out an epoch's last training batch where it is not full.
            pack: a folder for decoded images, made at the first use and read ever after: much faster than files.
            pack_side: larger images are packed with this shorter side; by default that of the evaluation,
                ``round(size * 256 / 224)``.
            augment_on: draw crops, mirror images and turns in the loading processes (``host``: on a CPU the faster way)
                or on the device that trains (``device``: for an accelerator that the host cannot feed otherwise).

        Raises:
            ValueError: if a setting is out of its range or a class is unknown.
        """
        super().__init__()
        if batch_size < 1 or num_workers < 0:
            raise ValueError(f"batch_size must be positive, num_workers not negative; got {batch_size}, {num_workers}")
        if pack_side is not None and pack_side < 1:
            raise ValueError(f"pack_side must be a positive number of pixels, got {pack_side}")
        if augment_on not in ("host", "device"):
            raise ValueError(f"augment_on must be 'host' or 'device', got '{augment_on}'")
        self.batch_size = batch_size
        self.channels = channels
        self.num_workers = num_workers
        self.seed = seed
        self.drop_last = drop_last
        self.train_transform = preset(train_transform, size, channels)
        self.eval_transform = preset(eval_transform, size, channels)
        self.drawn_side = CentreView.proportional(size).shorter_side
        self.pack = pack
        self.pack_side = self.drawn_side if pack_side is None else pack_side
        self.augment_on = augment_on
        self.classes = _choose(self.all_classes(), classes, max_classes)
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer evaluation samples than processes
        self._stores: dict[str, Store] = {}

    @abstractmethod
    def all_classes(self) -> tuple[str, ...]:
        """Return the names of all classes, without reading more than their list."""

    @abstractmethod
    def open_part(self, part: Part) -> Store:
        """Return one part, with all classes."""

    @property
    def num_classes(self) -> int:
        """The number of classes in use."""
        return len(self.classes)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over classes, labels, names and order of the training and validation parts."""
        return fingerprint(self.part("val"), fingerprint(self.part("train")))

    def part(self, part: Part) -> Store:
        """Return one part, restricted to the classes in use; opened once."""
        if part not in self._stores:
            store = self.open_part(part)
            if store.classes != self.classes:
                store = SelectedStore(store, np.arange(len(store)), self.classes)
            if self.pack is not None:
                store = PackedStore(store, self.pack, self.pack_side)
            self._stores[part] = store
        return self._stores[part]

    def prepare_data(self) -> None:
        """Pack in one process a machine, before the others look for the pack."""
        if self.pack is not None:
            self._open((self.trainer and self.trainer.state.fn) or "fit")

    def setup(self, stage: str) -> None:
        """Open the parts that a stage needs.

        Raises:
            ValueError: in ``fit`` and ``validate``, if a part is empty; in ``fit``, if a class has no samples, or
                validation has one that training lacks.
        """
        self._open(stage)
        self._refuse_empty(stage)
        if stage == "fit":
            self._compare_parts()

    def _open(self, stage: str) -> None:
        for part in _PARTS_OF.get(stage, ("test",)):
            self.part(part)

    def _refuse_empty(self, stage: str) -> None:
        words = {"train": "training", "val": "validation"}
        for part in _PARTS_OF.get(stage, ()):
            if not len(self.part(part)):
                raise ValueError(
                    f"the {words[part]} part has no sample at all, of any of the {self.num_classes} classes; "
                    "add samples (one a class cannot be divided), or choose another split"
                )

    def _compare_parts(self) -> None:
        train, val = (np.bincount(self.part(part).labels, minlength=self.num_classes) > 0 for part in ("train", "val"))
        empty = [self.classes[label] for label in np.flatnonzero(~val & ~train)]
        if empty:
            raise ValueError(
                f"{len(empty)} of {self.num_classes} classes have no sample at all: {', '.join(empty[:5])}; "
                "add samples, or leave these classes out with 'classes'"
            )
        unlearnt = [self.classes[label] for label in np.flatnonzero(val & ~train)]
        if unlearnt:
            raise ValueError(
                f"{len(unlearnt)} classes of the validation part have no training sample: {', '.join(unlearnt[:5])}; "
                "add samples, or leave these classes out with 'classes'"
            )
        untested = [self.classes[label] for label in np.flatnonzero(train & ~val)]
        if untested:
            rank_zero_warn(
                f"{len(untested)} of {self.num_classes} classes have no validation sample: {', '.join(untested[:5])}",
                category=MissingClassWarning,
            )

    def train_dataloader(self) -> ResumableLoader:
        """Shuffled, augmented, in equally many batches for all processes."""
        loader = self._loader("train", self.train_transform, shuffle=True, drop_last=self.drop_last)
        if not len(loader):
            raise ValueError(
                f"{len(self.part('train'))} training samples give {self._world()[1]} process(es) no full batch of "
                f"{self.batch_size}; lower the batch size (--data.init_args.batch_size 16) or keep the batch that is "
                f"not full (--data.init_args.drop_last false)"
            )
        return loader

    def val_dataloader(self) -> ResumableLoader:
        """In order; the processes together see each sample once."""
        return self._loader("val", self.eval_transform)

    def test_dataloader(self) -> ResumableLoader:
        """In order; the processes together see each sample once."""
        return self._loader("test", self.eval_transform)

    def predict_dataloader(self) -> DataLoader[Any]:
        """Give the test part to ``predict``; the trainer rebuilds this loader to follow the indices."""
        loader = self._loader("test", self.eval_transform)
        return DataLoader(loader.dataset, batch_size=self.batch_size, sampler=loader.sampler, **self._options())

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Finish on the device what the loader left: drawing, or normalising where the trainer rebuilt a loader."""
        transform = self.train_transform if self.trainer is not None and self.trainer.training else self.eval_transform
        if isinstance(batch, ViewedBatch):
            return render(batch, transform)
        return normalise(batch, transform) if isinstance(batch, PixelBatch) else checked(batch)

    def _loader(
        self, part: Part, transform: Transform, shuffle: bool = False, drop_last: bool = False
    ) -> ResumableLoader:
        store = self.part(part)
        rank, world_size = self._world()
        sampler = EpochSampler(
            len(store), seed=self.seed, shuffle=shuffle, rank=rank, world_size=world_size, equal_shares=shuffle
        )
        dataset = (ViewedDataset if self.augment_on == "device" else KeyedDataset)(store, transform, self.seed)
        return ResumableLoader(dataset, sampler, self.batch_size, drop_last=drop_last, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "collate_fn": as_is,
            "num_workers": self.num_workers,
            "persistent_workers": self.num_workers > 0,
            "pin_memory": torch.cuda.is_available(),
        }

    def _world(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)


def _choose(known: tuple[str, ...], classes: Sequence[str] | None, max_classes: int | None) -> tuple[str, ...]:
    chosen = known if classes is None else tuple(classes)
    unknown = [name for name in chosen if name not in known]
    if unknown or len(set(chosen)) != len(chosen):
        raise ValueError(
            f"classes must be different names out of {len(known)} ({', '.join(known[:5])}...); "
            f"unknown: {', '.join(unknown[:5]) or 'none'}, repeated: {len(chosen) - len(set(chosen))}"
        )
    if max_classes is not None and not 2 <= max_classes <= len(chosen):
        raise ValueError(f"max_classes must be from 2 to the {len(chosen)} classes here, got {max_classes}")
    return chosen[:max_classes]
