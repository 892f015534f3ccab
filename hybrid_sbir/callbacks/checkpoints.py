"""Which states of a run are kept: the newest and the best."""

import math
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn


class Checkpoints(Checkpoint):
    """Keep ``checkpoints/last.ckpt`` (every epoch, and every few steps) and ``checkpoints/best.ckpt`` of a run.

    Either continues the run exactly. No state is taken on an epoch's last step, before the validation: the trainer
    would skip that validation on resuming.

    Args:
        monitor: the metric that says what is best.
        mode: whether a larger (``"max"``) or a smaller one is better.
        every_n_steps: optimiser steps between two states inside an epoch; 0 for none.
    """

    def __init__(
        self, monitor: str = "val/top1", mode: Literal["max", "min"] = "max", every_n_steps: int = 1000
    ) -> None:
        if every_n_steps < 0:
            raise ValueError(f"checkpoints.every_n_steps is {every_n_steps}; give 0 (only at epoch ends) or more")
        self.monitor, self.mode, self.every_n_steps = monitor, mode, every_n_steps
        self.best_score: float | None = None
        self._saved_step = -1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the state after every so many optimiser steps."""
        step = trainer.global_step
        due = self.every_n_steps and step % self.every_n_steps == 0 and step != self._saved_step
        if due and not trainer.is_last_batch:
            self._saved_step = step
            self.save_last(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to select by a score that the validation does not give, before anything is trained.

        Raises:
            ValueError: names the score and those there are.
        """
        logged = [name for name in trainer.callback_metrics if name.startswith("val")]
        if trainer.state.fn == TrainerFn.FITTING and self.monitor.startswith("val") and self.monitor not in logged:
            raise ValueError(
                f"checkpoints.monitor is {self.monitor}, but the validation gives "
                f"{', '.join(sorted(logged)) or 'none'}; choose one of these (val_unseen: hold classes out of training "
                "with data.init_args.held_out)"
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the state after the epoch, and its validation."""
        score = trainer.callback_metrics.get(self.monitor)
        # The best goes first: a run killed between the two repeats the epoch and finds the same best again.
        if score is not None and self._improves(float(score)):
            self.best_score = float(score)
            self._save(trainer, "best")
        self.save_last(trainer)

    def save_last(self, trainer: Trainer) -> None:
        """Write the present state to ``last.ckpt``."""
        self._save(trainer, "last")

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far."""
        return {"best_score": self.best_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from an earlier best score."""
        self.best_score = state_dict["best_score"]

    @property
    def state_key(self) -> str:
        """The name of the state in a checkpoint."""
        return "Checkpoints"

    def _improves(self, score: float) -> bool:
        if self.best_score is None or math.isnan(self.best_score):
            return True
        return score > self.best_score if self.mode == "max" else score < self.best_score

    def _save(self, trainer: Trainer, name: str) -> None:
        _refuse_broken_weights(trainer)
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / f"{name}.ckpt", weights_only=False)


def _refuse_broken_weights(trainer: Trainer) -> None:
    """A gradient may overflow where the loss did not: such weights must not replace the last good ones.

    Raises:
        FloatingPointError: names the parameter.
    """
    for name, parameter in trainer.lightning_module.named_parameters():
        if not parameter.isfinite().all():
            raise FloatingPointError(
                f"parameter {name} is no longer finite at step {trainer.global_step}; the checkpoints hold earlier "
                "weights. Lower the learning rate or set trainer.gradient_clip_val, and continue with --ckpt_path last"
            )
