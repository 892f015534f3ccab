"""Stopping on SIGTERM and SIGINT with a checkpoint and the exit code that the shell expects."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.rank_zero import rank_zero_info

_VALIDATION = "epoch_loop.val_loop.batch_progress"


class StopOnSignal(Callback):
    """On SIGTERM or SIGINT: finish the step, write a checkpoint, exit with 143 or 130. A second SIGINT stops at once.

    Under SLURM with automatic requeueing Lightning's own handlers stay in place. In a run of several processes one that
    got the signal is enough.

    Args:
        save: writes the checkpoint.
    """

    def __init__(self, save: Callable[[Trainer], None]) -> None:
        self._save = save
        self._received = 0
        self._inside_validation = False

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen from here on; loader processes started later inherit the handlers, and Ctrl-C leaves them alive."""
        self._listen(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen, where there was no sanity check."""
        self._listen(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop after a step; after an epoch's last one the validation, or the next epoch's first, is the place."""
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if stepped and not trainer.is_last_batch:
            self._stop_if_asked(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before a validation; several processes can only agree here, for their numbers of batches may differ."""
        self._stop_inside_validation(trainer)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        """Stop inside a validation; the resumed run does the whole validation again."""
        if trainer.world_size > 1 or not self._received:
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging) and trainer.state.fn == TrainerFn.FITTING:
                # A validation has the averages in the model's place.
                callback.on_validation_epoch_end(trainer, pl_module)
        self._stop_inside_validation(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Describe a stop inside a validation as one in its first batch, which the trainer repeats on resuming."""
        if self._inside_validation:
            started = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
            progress = {"total": started, "current": dict(started), "is_last_batch": False}
            checkpoint["loops"]["fit_loop"][_VALIDATION] = progress

    def _listen(self, trainer: Trainer) -> None:
        environment = trainer.strategy.cluster_environment if hasattr(trainer.strategy, "cluster_environment") else None
        if isinstance(environment, SLURMEnvironment) and environment.auto_requeue:
            return
        signal.signal(signal.SIGTERM, self._receive)
        signal.signal(signal.SIGINT, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = number

    def _stop_inside_validation(self, trainer: Trainer) -> None:
        if trainer.validating and trainer.state.fn == TrainerFn.FITTING:
            self._inside_validation = True
            self._stop_if_asked(trainer)
            self._inside_validation = False

    def _stop_if_asked(self, trainer: Trainer) -> None:
        number = _of_any_process(trainer, self._received)
        if number:
            self._save(trainer)
            rank_zero_info(
                f"stopped by {signal.Signals(number).name} at step {trainer.global_step}; the state is in "
                f"{trainer.default_root_dir}/checkpoints/last.ckpt, continue with --ckpt_path last"
            )
            raise SystemExit(128 + number)


def _of_any_process(trainer: Trainer, number: int) -> int:
    if trainer.world_size == 1:
        return number
    received = torch.tensor(number, device=trainer.strategy.root_device)
    torch.distributed.all_reduce(received, op=torch.distributed.ReduceOp.MAX)
    return int(received)
