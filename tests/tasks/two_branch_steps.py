"""A task and its data as the command line builds them, and a few steps of the real trainer."""

import warnings

from lightning.pytorch import Trainer

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "use_distributed_sampler": False,
}


def trainer(**options):
    """The trainer without what writes files or to the screen."""
    return Trainer(**{**QUIET, "max_epochs": 2, "num_sanity_val_steps": 0, **options})


def fit(task, data, **options):
    """Two epochs of two batches, without validation unless asked for; returns the trainer."""
    options = {"limit_train_batches": 2, "limit_val_batches": 0, **options}
    used = trainer(**options)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(workers|val_dataloader|lr_scheduler).*")
        used.fit(task, datamodule=data)
    return used


def snapshot(task):
    """Copies of all tensors of the model by name."""
    return {name: value.clone() for name, value in task.model.state_dict().items()}


def moved(task, before):
    """Names of the model's tensors that are no longer what they were."""
    return {name for name, value in task.model.state_dict().items() if not value.equal(before[name])}


def statistics(task):
    """Names of the tensors that no optimiser holds: batch norms' running statistics and counters."""
    return set(task.model.state_dict()) - {name for name, _ in task.model.named_parameters(remove_duplicate=False)}


def private(task):
    """Names of what belongs to one branch alone: stem and first stages."""
    starts = [f"{domain}.{part}." for domain in ("sketch", "photo") for part in ("stem", "stages.0")]
    assert task.model.first_shared == 1, "written for the tiny model: two stages, the second shared"
    return {name for name in task.model.state_dict() if name.startswith(tuple(starts))}
