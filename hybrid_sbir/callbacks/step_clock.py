"""A run that takes a few steps of an epoch, to learn how long the whole would take."""

import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


@dataclass
class Pace:
    """What one call of the trainer takes.

    Attributes:
        epochs: it would train for; 0 where nothing is trained.
        steps: batches an epoch.
        step_s: seconds a training batch, loading included.
        batches: evaluation batches of each loader.
        batch_s: seconds an evaluation batch of each loader.
        start_s: seconds from the call to the first batch.
        computing: share of the steps' time in which this process's threads computed, where the model is on a CPU; small
            on a machine that is busy with other things. 1 elsewhere.
    """

    epochs: int = 0
    steps: int = 0
    step_s: float = 0.0
    batches: list[int] = field(default_factory=list)
    batch_s: list[float] = field(default_factory=list)
    start_s: float = 0.0
    computing: float = 1.0

    @property
    def evaluation_s(self) -> float:
        """Seconds of one evaluation."""
        return sum(n * s for n, s in zip(self.batches, self.batch_s, strict=True))

    @property
    def seconds(self) -> float:
        """Seconds of all epochs with an evaluation after each; of one evaluation where nothing is trained."""
        return self.start_s + max(self.epochs, 1) * (self.steps * self.step_s + self.evaluation_s)


class StepClock(Callback):
    """Stop a run after a few batches of one epoch and of one evaluation, and note how long they took.

    Args:
        steps: training batches to time, after one that is not counted.
        batches: evaluation batches of each loader, the first of which is not counted where there are others.
        share: how much smaller than the regime's the batches are; counts of batches in the settings grow by it.
    """

    def __init__(self, steps: int = 4, batches: int = 3, share: float = 1.0) -> None:
        self._steps, self._batches, self._share = steps, batches, share
        self._begun = self._first = time.perf_counter()
        self._computed = time.process_time()
        self._ends: list[float] = []
        self._evaluated: dict[int, list[float]] = {}
        self._limits: dict[str, int | float] = {}
        self._last = 0.0
        self.pace = Pace()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember how long the run would be, and cut it, before its loaders are asked for."""
        for part in ("train", "val", "test"):
            self._limits[part] = getattr(trainer, f"limit_{part}_batches")
        if stage == "fit":
            self.pace.epochs = int(trainer.max_epochs or 1)
            trainer.fit_loop.max_epochs = 1
            trainer.num_sanity_val_steps = 0
            trainer.check_val_every_n_epoch = 1
        trainer.limit_train_batches = self._steps + 1
        trainer.limit_val_batches = trainer.limit_test_batches = self._batches

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time and the number of steps."""
        self._started()
        loader: Any = trainer.train_dataloader
        self.pace.steps = self._limited(len(loader), "train")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note when a step ended: between two ends lies a step with the loading of its batch."""
        self._ends.append(time.perf_counter())
        times = [b - a for a, b in zip(self._ends, self._ends[1:], strict=False)]
        self.pace.step_s = median(times) if times else time.perf_counter() - self._last

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note how much of the time was this process's own."""
        if pl_module.device.type == "cpu":
            passed = (time.perf_counter() - self._first) * torch.get_num_threads()
            self.pace.computing = min(1.0, (time.process_time() - self._computed) / passed)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the numbers of batches."""
        self._evaluation(trainer.val_dataloaders, "val")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the numbers of batches."""
        self._evaluation(trainer.test_dataloaders, "test")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note when an evaluation's batch ended."""
        now = time.perf_counter()
        self._evaluated.setdefault(dataloader_idx, []).append(now - self._last)
        self._last = now
        times = [kept[1:] or kept for _, kept in sorted(self._evaluated.items())]
        self.pace.batch_s = [median(each) for each in times] + [0.0] * (len(self.pace.batches) - len(times))

    on_test_batch_end = on_validation_batch_end

    def _started(self) -> None:
        self._last = time.perf_counter()
        if not self.pace.start_s:
            self.pace.start_s = self._last - self._begun
            self._first, self._computed = self._last, time.process_time()

    def _evaluation(self, loaders: Any, part: str) -> None:
        self._started()
        self._evaluated.clear()
        each = loaders if isinstance(loaders, list | tuple) else [loaders]
        self.pace.batches = [self._limited(len(loader), part) for loader in each]
        self.pace.batch_s = [0.0] * len(each)

    def _limited(self, length: int, part: str) -> int:
        limit = self._limits[part]
        return min(length, round(limit * self._share)) if isinstance(limit, int) else int(length * limit)
