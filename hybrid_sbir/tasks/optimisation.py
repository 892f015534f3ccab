"""From a task's optimiser and schedule settings to what the trainer takes."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, ReduceLROnPlateau, SequentialLR

Schedule = Literal["cosine", "warmup_cosine", "constant"] | LRSchedulerCallable

_WARM_UP = 0.1  # of the run's steps


def build_optimisation(
    parameters: list[Parameter],
    optimizer: OptimizerCallable,
    schedule: Schedule,
    max_epochs: int | None,
    steps: Callable[[], float] = lambda: math.inf,
    monitor: str = "val/loss",
) -> dict[str, Any]:
    """Build an optimiser and its schedule, which moves once an epoch ("warmup_cosine": once a step).

    Args:
        parameters: what to train.
        optimizer: builds the optimiser.
        schedule: ``"cosine"`` anneals to 0 over the run (thesis, section 4.2), ``"warmup_cosine"`` rises over the first
            tenth of the steps and then anneals to 0, ``"constant"`` leaves the rate alone, anything else builds a
            scheduler of its own.
        max_epochs: length of the run; None or -1 where it has no end in epochs.
        steps: tells the length of the run in optimiser steps; asked only where that matters.
        monitor: the logged score that ReduceLROnPlateau watches.

    Returns:
        What ``LightningModule.configure_optimizers`` returns.

    Raises:
        ValueError: if nothing is trainable, or a cosine does not end with the run.
    """
    if not parameters:
        raise ValueError("no parameter is trainable: every requires_grad is False")
    built = optimizer(parameters)
    if schedule == "constant":
        return {"optimizer": built}
    endless = max_epochs is None or max_epochs < 1
    if schedule in ("cosine", "warmup_cosine") and endless:
        raise ValueError(f"a cosine schedule ends with the run, but trainer.max_epochs is {max_epochs}; set it")
    if schedule == "warmup_cosine":
        return {"optimizer": built, "lr_scheduler": {"scheduler": _warmed_up(built, steps()), "interval": "step"}}
    if schedule == "cosine":
        return {"optimizer": built, "lr_scheduler": CosineAnnealingLR(built, T_max=max_epochs or 1)}
    scheduler = schedule(built)
    if type(scheduler) is CosineAnnealingLR and not endless and scheduler.T_max != max_epochs:
        raise ValueError(
            f"CosineAnnealingLR has T_max {scheduler.T_max}, but trainer.max_epochs is {max_epochs}; the rate would "
            "not end at its minimum: write lr_scheduler: cosine, which follows max_epochs"
        )
    if isinstance(scheduler, ReduceLROnPlateau):
        return {"optimizer": built, "lr_scheduler": {"scheduler": scheduler, "monitor": monitor}}
    return {"optimizer": built, "lr_scheduler": scheduler}


def _warmed_up(optimizer: Optimizer, steps: float) -> SequentialLR:
    """A rate that rises evenly to its full height and then falls to 0, step by step."""
    if steps == math.inf:
        raise ValueError("a warm-up is a share of the run's steps, but their number is not known; set max_epochs")
    rise = max(1, round(_WARM_UP * steps))
    fall = max(1, int(steps) - rise)
    warm = LinearLR(optimizer, start_factor=1 / (rise + 1), total_iters=rise)
    return SequentialLR(optimizer, [warm, CosineAnnealingLR(optimizer, T_max=fall)], milestones=[rise])


def steps_of(trainer: Trainer) -> float:
    """Return the length of a run in optimiser steps.

    ``trainer.estimated_stepping_batches`` would load the training data before a checkpoint's loops are restored, and a
    run that is continued inside an epoch would begin that epoch again.
    """
    data = getattr(trainer, "datamodule", None)
    if data is None or trainer.max_epochs is None or trainer.max_epochs < 0:
        return trainer.estimated_stepping_batches
    batches = len(data.train_dataloader())
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    steps = math.ceil(batches / trainer.accumulate_grad_batches) * trainer.max_epochs
    return steps if trainer.max_steps < 0 else min(steps, trainer.max_steps)


def check_schedule(
    checkpoint: Mapping[str, Any], max_epochs: int | None, steps: Callable[[], float] = lambda: math.inf
) -> None:
    """Refuse to continue a run under another length: its cosine would rise again, or never reach 0.

    Args:
        checkpoint: holds the schedules' states.
        max_epochs: length of the run as it is now.
        steps: tells the same in optimiser steps.

    Raises:
        ValueError: names both lengths, and what to do.
    """
    advice = (
        "continue it with the same length, or start a new run from its weights (init_from; two branches in stage 2: "
        "init_sketch, init_photo)"
    )
    for state in checkpoint.get("lr_schedulers", ()):
        if "T_max" in state and state["T_max"] != max_epochs:
            raise ValueError(
                f"the run's cosine ends at epoch {state['T_max']}, but trainer.max_epochs is {max_epochs}; {advice}"
            )
        if "_milestones" in state and "T_max" in state["_schedulers"][-1]:
            end = state["_milestones"][-1] + state["_schedulers"][-1]["T_max"]
            if end != max(steps(), 2):  # a rise and a fall take a step each
                raise ValueError(f"the run's cosine ends at step {end}, this one has {steps()} steps; {advice}")
