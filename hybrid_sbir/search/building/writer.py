"""What predict finds, batch by batch into the journal; how far it is; no process outlives the one that started it.

Shapes: N photos, E embedding size.
"""

import os
import signal
import time
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from tqdm import tqdm

from hybrid_sbir.search.building.job import Job
from hybrid_sbir.search.building.journal import Journal
from hybrid_sbir.search.building.loading import PhotoBatch
from hybrid_sbir.search.catalogue import Entry

_NOT_FINITE = "unlike the photos that the model was trained on: its embedding is not finite"


class JournalWriter(BasePredictionWriter):
    """Writes each batch into the journal as it comes, and shows how far it is.

    Args:
        job: what is built.

    Attributes:
        seconds: that the embedding took.
    """

    def __init__(self, job: Job) -> None:
        super().__init__("batch")
        self.seconds = 0.0
        self._job = job
        self._journal: Journal | None = None
        self._bar: tqdm | None = None
        self._parent, self._photos = os.getppid(), 0

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin this process's part of the journal."""
        self.seconds = -time.perf_counter()
        self._journal = Journal(self._job.side, trainer.global_rank)
        plan = trainer.datamodule.plan  # type: ignore[attr-defined]
        self._photos = plan.photos
        self._bar = tqdm(
            desc="embedding",
            total=plan.photos,
            initial=plan.photos - plan.pending,
            unit=" photos",
            disable=not trainer.is_global_zero,
            mininterval=1,
        )

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: np.ndarray,
        batch_indices: Any,
        batch: PhotoBatch,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write a batch."""
        assert self._journal is not None, "on_predict_start comes first"
        assert self._bar is not None, "on_predict_start comes first"
        if trainer.local_rank and os.getppid() != self._parent:
            raise SystemExit("the process that started this one is gone")
        self._journal.add(*_finite(batch.entries, prediction))
        done = int(self._bar.n) + len(batch.entries) * trainer.world_size
        self._bar.update(min(done, self._photos) - int(self._bar.n))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End this process's part."""
        self._close()
        self.seconds += time.perf_counter()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the processes that this one started: they would go on without it."""
        self._close()
        kill = getattr(trainer.strategy.launcher, "kill", None)
        if kill is not None:
            kill(signal.SIGTERM)

    def _close(self) -> None:
        if self._journal is not None:
            self._journal.__exit__(None, None, None)
        if self._bar is not None:
            self._bar.close()


def _finite(
    entries: list[tuple[Entry, str | None]], vectors: np.ndarray
) -> tuple[list[tuple[Entry, str | None]], np.ndarray]:
    """Skip photos whose vectors no photo can be found by."""
    good = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
    if good.all():
        return entries, vectors
    left = iter(good)
    return [(e, r if r is not None or next(left) else _NOT_FINITE) for e, r in entries], vectors[good]
