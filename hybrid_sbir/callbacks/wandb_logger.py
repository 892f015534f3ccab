"""The logger that turns Weights & Biases on; experiments/overlays/wandb.yaml names it."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor

from hybrid_sbir.callbacks.wandb_report import WandbReport
from hybrid_sbir.callbacks.wandb_run import WandbRun

_NOT_IN_NAMES = "/\\#?%:"  # W&B's rule for projects
_LONGEST = 128  # characters of a project's name, W&B's too


class WandbTracker(Logger):
    """Log a run to Weights & Biases: its curves, and at its end tables, pictures and files.

    The logger holds the settings; a callback, :class:`~hybrid_sbir.callbacks.wandb_report.WandbReport`, does the work:
    only a callback sees whole epochs and evaluations. Group, job type, name and tags come from the run's folder.

    Args:
        project: of W&B.
        entity: user or team; None for the key's own.
        offline: write files only: neither network nor key; ``wandb sync RUN_FOLDER/wandb/offline-run-*`` uploads them.
        media: log tables of classes, galleries and confusion after an evaluation.
        shown: queries in a gallery, at most.
        artifacts: log the best checkpoint, and configuration and scores, as artifacts.
        most_megabytes: a larger checkpoint is not made an artifact.
        machine: let W&B watch the machine: its name, processors, memory and GPUs.
        tags: further tags.

    Raises:
        ValueError: if a number makes no sense, or W&B takes no project of this name.
    """

    def __init__(
        self,
        project: str = "hybrid-sbir",
        entity: str | None = None,
        offline: bool = True,
        media: bool = True,
        shown: int = 12,
        artifacts: bool = True,
        most_megabytes: float = 500.0,
        machine: bool = False,
        tags: list[str] | None = None,
    ) -> None:
        super().__init__()
        if shown < 1:
            raise ValueError(f"trainer.logger.init_args.shown is {shown}; give 1 or more, or media: false")
        if most_megabytes < 0:
            raise ValueError(f"trainer.logger.init_args.most_megabytes is {most_megabytes}; give 0 or more")
        if not 0 < len(project) <= _LONGEST or set(project) & set(_NOT_IN_NAMES):
            raise ValueError(
                f"trainer.logger.init_args.project is '{project}'; give 1 to {_LONGEST} characters, none of "
                f"{' '.join(_NOT_IN_NAMES)}"
            )
        self.project, self.entity, self.offline, self.machine = project, entity, offline, machine
        self.media, self.shown, self.artifacts, self.most_megabytes = media, shown, artifacts, most_megabytes
        self.tags = tuple(tags or ())
        self.config: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project

    @property
    def version(self) -> str | None:
        """W&B names its runs itself."""
        return None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Nothing: the trainer calls this with pieces of an epoch; the report logs the row that metrics.csv gets."""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keep the configuration, which RunRecord gives when training starts."""
        self.config = dict(params) if isinstance(params, dict) else vars(params)

    def log_graph(self, model: torch.nn.Module, input_array: Tensor | None = None) -> None:
        """Join the run: this is where the trainer shows a logger its model, before anything runs, in every process."""
        if not isinstance(model, LightningModule):
            return
        trainer = model.trainer
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        if not any(isinstance(callback, WandbReport) for callback in callbacks):
            folder = Path(trainer.default_root_dir)
            # Last: when it is called, RunRecord and Checkpoints have written what it reports.
            callbacks.append(WandbReport(self, WandbRun(folder, self.project, self.entity, self.offline, self.machine)))
