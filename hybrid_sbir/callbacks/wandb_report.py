"""What is told to Weights & Biases, and when: rows after epochs, all else at the end."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from hybrid_sbir.callbacks.run_record import RunRecord
from hybrid_sbir.callbacks.wandb_names import flat, name_run
from hybrid_sbir.callbacks.wandb_run import WandbRun

if TYPE_CHECKING:
    from hybrid_sbir.callbacks.wandb_logger import WandbTracker


class WandbReport(Callback):
    """Report a run to W&B, from the first process.

    After an epoch its row of ``metrics.csv``, by the same names. After ``fit`` the best epoch's values as ``best/...``,
    after ``validate`` and ``test`` their scores as ``validate/...`` and ``test...``.

    Args:
        tracker: the settings.
        run: the W&B run.
    """

    def __init__(self, tracker: "WandbTracker", run: WandbRun) -> None:
        self._tracker, self._run = tracker, run

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the W&B run: a new one, or that which the checkpoint's run has."""
        if trainer.is_global_zero:
            self._open(trainer, afresh=not trainer.ckpt_path)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the rows that W&B does not have: the epoch's, and those that a kill kept from it."""
        if trainer.is_global_zero:
            for row in _rows(trainer)[self._run.epochs :]:
                self._run.log_epoch(row)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the best epoch's values."""
        if trainer.is_global_zero:
            best = _record(trainer).get("best") or {}
            self._run.summarise({f"best/{name}": value for name, value in best.items()})

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report what ``validate`` found."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._report(trainer, "validate")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report what ``test`` found."""
        self._report(trainer, "test")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the W&B run."""
        self._run.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the W&B run as one that was broken off."""
        self._run.close(exit_code=1)

    def _report(self, trainer: Trainer, verb: str) -> None:
        if not trainer.is_global_zero:
            return
        self._open(trainer)
        found = _record(trainer).get(verb) or {}
        scores = {name: value for name, value in found.items() if "/" in name}
        self._run.summarise({name if name.startswith(verb) else f"{verb}/{name}": v for name, v in scores.items()})

    def _open(self, trainer: Trainer, afresh: bool = False) -> None:
        config = self._tracker.config or _config(trainer)
        names = name_run(Path(trainer.default_root_dir), config)
        self._run.open(names, flat(config), afresh)


def _rows(trainer: Trainer) -> list[dict[str, float]]:
    """The rows of metrics.csv."""
    records = [callback for callback in trainer.callbacks if isinstance(callback, RunRecord)]  # type: ignore[attr-defined]
    return records[0].state_dict()["rows"] if records else []


def _record(trainer: Trainer) -> dict[str, Any]:
    """What metrics.json holds."""
    try:
        record = json.loads((Path(trainer.default_root_dir) / "metrics.json").read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _config(trainer: Trainer) -> dict[str, Any]:
    """The run's configuration, from its folder."""
    try:
        config = yaml.safe_load((Path(trainer.default_root_dir) / "config.yaml").read_text())
    except (OSError, ValueError, yaml.YAMLError):
        config = None
    return config if isinstance(config, dict) else _record(trainer).get("config") or {}
