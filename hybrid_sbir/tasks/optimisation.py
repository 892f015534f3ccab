"""From a task's optimiser and schedule settings to what the trainer takes."""

from collections.abc import Mapping
from typing import Any, Literal

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch.nn import Parameter
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

Schedule = Literal["cosine", "constant"] | LRSchedulerCallable


def build_optimisation(
    parameters: list[Parameter], optimizer: OptimizerCallable, schedule: Schedule, max_epochs: int | None
) -> dict[str, Any]:
    """Build an optimiser and its schedule, which moves once an epoch.

    Args:
        parameters: what to train.
        optimizer: builds the optimiser.
        schedule: ``"cosine"`` anneals to 0 over the run (thesis, section 4.2), ``"constant"`` leaves the rate alone,
            anything else builds a scheduler of its own.
        max_epochs: length of the run; None or -1 where it has no end in epochs.

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
    if schedule == "cosine":
        if max_epochs is None or max_epochs < 1:
            raise ValueError(f"a cosine schedule ends with the run, but trainer.max_epochs is {max_epochs}; set it")
        return {"optimizer": built, "lr_scheduler": CosineAnnealingLR(built, T_max=max_epochs)}
    scheduler = schedule(built)
    if type(scheduler) is CosineAnnealingLR and not endless and scheduler.T_max != max_epochs:
        raise ValueError(
            f"CosineAnnealingLR has T_max {scheduler.T_max}, but trainer.max_epochs is {max_epochs}; the rate would "
            "not end at its minimum: write lr_scheduler: cosine, which follows max_epochs"
        )
    if isinstance(scheduler, ReduceLROnPlateau):
        return {"optimizer": built, "lr_scheduler": {"scheduler": scheduler, "monitor": "val/loss"}}
    return {"optimizer": built, "lr_scheduler": scheduler}


def check_schedule(checkpoint: Mapping[str, Any], max_epochs: int | None) -> None:
    """Refuse to continue a run under another length: its cosine would rise again, or never reach 0.

    Raises:
        ValueError: names both lengths, and what to do.
    """
    for state in checkpoint.get("lr_schedulers", ()):
        if "T_max" in state and state["T_max"] != max_epochs:
            raise ValueError(
                f"the run's cosine ends at epoch {state['T_max']}, but trainer.max_epochs is {max_epochs}; continue it "
                "with the same length, or start a new run from its weights: --model.init_args.init_from FILE"
            )
