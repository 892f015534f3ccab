"""What is told to Weights & Biases, and when: rows after epochs, all else at the end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from hybrid_sbir.callbacks.run_record import RunRecord
from hybrid_sbir.callbacks.wandb_cost import cost
from hybrid_sbir.callbacks.wandb_files import artifact_name, log_model, log_results
from hybrid_sbir.callbacks.wandb_findings import Finding
from hybrid_sbir.callbacks.wandb_gallery import (
    classification_finding,
    embeddings_finding,
    predictions_finding,
    retrieval_finding,
)
from hybrid_sbir.callbacks.wandb_names import RunNames, flat, name_run
from hybrid_sbir.callbacks.wandb_outputs import Outputs
from hybrid_sbir.callbacks.wandb_run import WandbRun

if TYPE_CHECKING:
    from hybrid_sbir.callbacks.wandb_logger import WandbTracker

_EVALUATING = (TrainerFn.VALIDATING, TrainerFn.TESTING)


class WandbReport(Checkpoint):
    """Report a run to W&B, from the first process.

    It is a ``Checkpoint`` for the order of the hooks only: after RunRecord and Checkpoints, whose files it reports.

    After an epoch its row of ``metrics.csv``, by the same names. After ``fit`` the best epoch's values as ``best/...``
    and the best checkpoint; after ``validate`` and ``test`` their scores as ``validate/...`` and ``test...``, tables
    and pictures; after ``predict`` the pictures of its file; after each of them configuration and scores.

    Args:
        tracker: the settings.
        run: the W&B run.
    """

    def __init__(self, tracker: "WandbTracker", run: WandbRun) -> None:
        self._tracker, self._run = tracker, run
        self._outputs: Outputs | None = None
        self._scores: list[Any] = []
        self._known = np.zeros((3, 0), np.int64)
        self._image: Tensor | None = None

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
        """Log the best epoch's values, what the model costs, and the best checkpoint."""
        if not trainer.is_global_zero:
            return
        record, settings = _record(trainer), self._tracker
        best = record.get("best") or {}
        self._run.summarise({f"best/{name}": value for name, value in best.items()})
        self._add_cost(pl_module)
        if settings.artifacts:
            folder, name, most = _folder(trainer), self._artifact(trainer), settings.most_megabytes
            self._run.act("logging the model", lambda run: log_model(run, folder, name, record, most))

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to a classifier outside of ``fit``; in ``fit`` nothing is done that takes time."""
        if self._tracker.media and trainer.state.fn in _EVALUATING and not hasattr(pl_module, "embed"):
            self._outputs = Outputs(pl_module)

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep what a classifier took the samples for, and one image to count operations with."""
        if self._image is None and hasattr(batch, "image"):
            self._image = batch.image[:1].detach()
        if self._outputs is not None:
            self._outputs.add(batch)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take what the task has ranked with; it forgets it when it has logged its scores."""
        if trainer.state.fn in _EVALUATING:
            self._scores = list(getattr(pl_module, "scores", ()))
            if self._outputs is not None:
                self._known, self._outputs = self._outputs.gather(trainer), None

    on_test_epoch_end = on_validation_epoch_end

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report what ``validate`` found."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._report(trainer, pl_module, "validate", "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report what ``test`` found."""
        self._report(trainer, pl_module, "test", "test")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show what ``predict`` wrote."""
        if trainer.is_global_zero and self._tracker.media:
            self._open(trainer)
            with self._run.guard("drawing predictions", harmless=True):
                for finding in _of_files(_folder(trainer), trainer, self._tracker.shown):
                    self._show(finding)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log configuration and scores, which have been written by now, and close the W&B run."""
        if trainer.is_global_zero and self._tracker.artifacts:
            folder, name = _folder(trainer), self._artifact(trainer)
            self._run.act("logging results", lambda run: log_results(run, folder, name))
        self._run.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the W&B run as one that was broken off."""
        if self._outputs is not None:
            self._outputs.remove()
        self._run.close(exit_code=1)

    def _report(self, trainer: Trainer, pl_module: LightningModule, verb: str, part: str) -> None:
        if not trainer.is_global_zero:
            return
        self._open(trainer)
        found = _record(trainer).get(verb) or {}
        scores = {name: value for name, value in found.items() if "/" in name}
        self._run.summarise({name if name.startswith(verb) else f"{verb}/{name}": v for name, v in scores.items()})
        self._add_cost(pl_module)
        if self._tracker.media:
            with self._run.guard("drawing what was found", harmless=True):
                for finding in self._findings(trainer, pl_module, part):
                    self._show(finding)
        self._scores, self._known = [], np.zeros((3, 0), np.int64)

    def _findings(self, trainer: Trainer, pl_module: LightningModule, part: str) -> Iterator[Finding]:
        loaders: Any = trainer.val_dataloaders if part == "val" else trainer.test_dataloaders
        shown = self._tracker.shown
        if self._known.size:
            store = getattr(getattr(loaders, "dataset", None), "store", None)
            classes = getattr(getattr(trainer, "datamodule", None), "classes", ())
            yield classification_finding(part, self._known, list(classes), store, shown)
        else:  # a classifier's own table says more than its record
            details = Finding(part)
            for name, said in getattr(pl_module, "details", {}).items():
                details.add_details(name, said["per_class"])
            yield details
        for place, scores in enumerate(self._scores):
            sets = (loaders[2 * place].dataset, loaders[2 * place + 1].dataset)
            yield retrieval_finding(scores, sets, shown)

    def _show(self, finding: Finding) -> None:
        import wandb

        shown: dict[str, Any] = {
            name: wandb.Table(columns=[*columns], data=rows) for name, (columns, rows) in finding.tables.items()
        }
        for name, pictures in finding.pictures.items():
            # Drawn lines stay sharp in PNG; strips of photos would be large in it.
            kind = "jpg" if name.startswith("gallery") else "png"
            shown[name] = [wandb.Image(picture, caption=caption, file_type=kind) for picture, caption in pictures]
        if shown:
            self._run.log(shown)

    def _add_cost(self, pl_module: LightningModule) -> None:
        with self._run.guard("counting operations", harmless=True):
            self._run.summarise(cost(pl_module, self._image))

    def _open(self, trainer: Trainer, afresh: bool = False) -> None:
        self._run.open(self._names(trainer), flat(self._config(trainer)), afresh)

    def _names(self, trainer: Trainer) -> RunNames:
        return name_run(_folder(trainer), self._config(trainer), self._tracker.tags)

    def _config(self, trainer: Trainer) -> dict[str, Any]:
        return self._tracker.config or _config(trainer)

    def _artifact(self, trainer: Trainer) -> str:
        names = self._names(trainer)
        return artifact_name(_folder(trainer), names.group, names.facts.get("preset"), names.name)


def _of_files(folder: Path, trainer: Trainer, shown: int) -> Iterator[Finding]:
    """What the file that ``predict`` has written shows."""
    ranked = isinstance(trainer.predict_dataloaders, list)
    path, read = (
        (folder / "embeddings.npz", embeddings_finding) if ranked else (folder / "predictions.npz", predictions_finding)
    )
    if path.exists():
        with np.load(path, allow_pickle=False) as file:
            needed = [name for name in file.files if not name.endswith("_embedding")]
            yield read({name: file[name] for name in needed}, shown)


def _rows(trainer: Trainer) -> list[dict[str, float]]:
    """The rows of metrics.csv."""
    records = [callback for callback in trainer.callbacks if isinstance(callback, RunRecord)]  # type: ignore[attr-defined]
    return records[0].state_dict()["rows"] if records else []


def _record(trainer: Trainer) -> dict[str, Any]:
    """What metrics.json holds."""
    try:
        record = json.loads((_folder(trainer) / "metrics.json").read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _config(trainer: Trainer) -> dict[str, Any]:
    """The run's configuration, from its folder."""
    try:
        config = yaml.safe_load((_folder(trainer) / "config.yaml").read_text())
    except (OSError, ValueError, yaml.YAMLError):
        config = None
    return config if isinstance(config, dict) else _record(trainer).get("config") or {}


def _folder(trainer: Trainer) -> Path:
    return Path(trainer.default_root_dir)
