"""The training loss: stops when it is no longer a number, and its mean over the epoch."""

import math
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class LossWatch(Callback):
    """Check each training loss before it reaches the weights, and log the epoch's mean as ``train/loss``.

    The mean is summed in float64 and is part of the checkpoint, so a run resumed inside an epoch reports the same one.
    """

    def __init__(self) -> None:
        self._batch: Any = None
        self._sum = 0.0
        self._samples = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a new mean."""
        self._sum, self._samples = 0.0, 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Remember the samples, to name them if their loss is no number."""
        self._batch = batch

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Check and add a step's loss.

        Raises:
            FloatingPointError: if the loss of any process is infinite or not a number; names step and samples.
        """
        value = _unscaled(trainer, loss)
        finite = math.isfinite(value)
        if not trainer.strategy.reduce_boolean_decision(finite, all=True):
            raise FloatingPointError(self._refusal(trainer, value, finite))
        self._sum += value * len(self._batch.index)
        self._samples += len(self._batch.index)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the epoch's mean."""
        total, samples = _over_processes(trainer, self._sum, self._samples)
        pl_module.log("train/loss", torch.tensor(total / max(samples, 1), dtype=torch.float64))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Store the sums over all processes."""
        total, samples = _over_processes(trainer, self._sum, self._samples)
        checkpoint["loss_watch"] = {"sum": total, "samples": int(samples)}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Continue the sums; the first process takes those of all."""
        state = checkpoint.get("loss_watch", {"sum": 0.0, "samples": 0})
        if trainer.is_global_zero:
            self._sum, self._samples = state["sum"], state["samples"]

    def _refusal(self, trainer: Trainer, value: float, finite: bool) -> str:
        step, epoch = trainer.global_step, trainer.current_epoch
        if finite:
            return f"the loss of another process is not finite at step {step} (epoch {epoch}); see its message"
        samples = self._batch.index.tolist()
        return (
            f"the loss is {value} at step {step} (epoch {epoch}), samples {samples}; it did not reach the weights, "
            "and the checkpoints hold earlier ones. Look at these samples, lower the learning rate, or use bf16-mixed "
            "instead of 16-mixed, and continue with --ckpt_path last"
        )


def _unscaled(trainer: Trainer, loss: Tensor) -> float:
    """The loss as the task returned it: without the factors of float16 training and gradient accumulation."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    value = loss.item() * trainer.accumulate_grad_batches
    return value if scaler is None else value / scaler.get_scale()


def _over_processes(trainer: Trainer, *values: float) -> list[float]:
    """Sums over all processes, in float64."""
    if trainer.world_size == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64, device=trainer.strategy.root_device)
    torch.distributed.all_reduce(sums)
    return sums.tolist()
