"""What every retrieval data module shares: loaders of queries and catalogue that shard over processes."""

from abc import ABC, abstractmethod
from typing import Any, Literal

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from hybrid_sbir.batch import RetrievalSet
from hybrid_sbir.data.loading.dataset import KeyedDataset, PixelBatch, checked, normalise
from hybrid_sbir.data.loading.loader import ResumableLoader, as_is
from hybrid_sbir.data.loading.sampler import EpochSampler
from hybrid_sbir.data.pairing.evaluations import Evaluation
from hybrid_sbir.data.stores.store import Store
from hybrid_sbir.data.transforms import Transform

EvalPart = Literal["val", "test"]


class RetrievalData(LightningDataModule, ABC):
    """Evaluations as loaders: queries, catalogue, queries, catalogue, ..., each sample once over all processes.

    Set ``Trainer(use_distributed_sampler=False)``: the loaders share samples out over processes themselves.

    Attributes:
        batch_size: samples a batch and process.
        num_workers: loading processes of each loader.
        seed: of what is drawn.
    """

    def __init__(self, batch_size: int, num_workers: int, seed: int) -> None:
        super().__init__()
        if batch_size < 1 or num_workers < 0 or seed < 0:
            raise ValueError(
                "batch_size must be positive, num_workers and seed not negative; got "
                f"{batch_size}, {num_workers} and {seed}"
            )
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer evaluation samples than processes

    @abstractmethod
    def open_evaluations(self, part: EvalPart) -> list[Evaluation]:
        """Return a part's evaluations with their data; of "test" exactly one."""

    @abstractmethod
    def eval_transforms(self, part: EvalPart) -> tuple[Transform, Transform]:
        """Return what is done to queries and to photos."""

    def evaluations(self, part: EvalPart) -> list[RetrievalSet]:
        """Return what the loaders of ``val_dataloader`` or ``test_dataloader`` are, two for each entry.

        Raises:
            ValueError: if the part is another.
        """
        if part not in ("val", "test"):
            raise ValueError(f"part is '{part}'; evaluations are of 'val' or 'test'")
        return [evaluation.said for evaluation in self.open_evaluations(part)]

    def val_dataloader(self) -> list[ResumableLoader]:
        """Queries and catalogue of each of ``evaluations("val")``, in order."""
        return self._in_order("val")

    def test_dataloader(self) -> list[ResumableLoader]:
        """Queries and catalogue of ``evaluations("test")``, in order."""
        return self._in_order("test")

    def predict_dataloader(self) -> list[DataLoader[Any]]:
        """Give the test to ``predict``; the trainer rebuilds these loaders to follow the indices."""
        options = {"batch_size": self.batch_size, **self.loader_options()}
        return [DataLoader(loader.dataset, sampler=loader.sampler, **options) for loader in self._in_order("test")]

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Normalise on the device where the trainer rebuilt a loader; raise what a worker could not read."""
        if isinstance(batch, PixelBatch):
            return normalise(batch, self.eval_transforms("test")[dataloader_idx % 2])
        return checked(batch)

    def loader_options(self) -> dict[str, Any]:
        """Return the arguments of ``DataLoader`` that all loaders share."""
        return {"collate_fn": as_is, "num_workers": self.num_workers, "pin_memory": torch.cuda.is_available()}

    def world(self) -> tuple[int, int]:
        """Return this process's rank and the number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _in_order(self, part: EvalPart) -> list[ResumableLoader]:
        transforms = self.eval_transforms(part)
        return [
            self._loader(store, transform)
            for evaluation in self.open_evaluations(part)
            for store, transform in zip((evaluation.queries, evaluation.catalogue), transforms, strict=True)
        ]

    def _loader(self, store: Store, transform: Transform) -> ResumableLoader:
        rank, world_size = self.world()
        sampler = EpochSampler(len(store), seed=self.seed, rank=rank, world_size=world_size)
        return ResumableLoader(
            KeyedDataset(store, transform, self.seed), sampler, self.batch_size, **self.loader_options()
        )
