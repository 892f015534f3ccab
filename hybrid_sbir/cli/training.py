"""fit, validate, test and predict: LightningCLI with this project's run folder, guards and links."""

from inspect import isabstract
from pathlib import Path
from typing import Any, cast

import yaml
from jsonargparse import ArgumentError, Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import _get_rank
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import CheckpointIO

import hybrid_sbir.data.datamodules
import hybrid_sbir.tasks
from hybrid_sbir.callbacks import (
    Beginning,
    Checkpoints,
    EmbeddingsFile,
    LossWatch,
    PredictionsFile,
    RunRecord,
    StepRandomness,
    StopOnSignal,
)
from hybrid_sbir.checkpoint_io import DurableCheckpointIO
from hybrid_sbir.cli.messages import shorten
from hybrid_sbir.cli.outcome import ending, score_lines
from hybrid_sbir.cli.quiet import hush
from hybrid_sbir.cli.run_folder import RunFolder
from hybrid_sbir.cli.run_name import default_name, inside
from hybrid_sbir.cli.untrained import check_untrained, trains_anything
from hybrid_sbir.cli.verbs import VERBS


class TrainingCLI(LightningCLI):
    """Parse a trainer's verb, build everything, run.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        arguments: the words after it.
    """

    def __init__(self, verb: str, arguments: list[str]) -> None:
        self._verb = verb
        self._folder: RunFolder | None = None
        hush()
        try:
            super().__init__(
                model_class=LightningModule,
                datamodule_class=LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                save_config_callback=None,  # RunRecord writes it
                trainer_defaults={"use_distributed_sampler": False, "logger": False},
                auto_configure_optimizers=False,
                load_from_checkpoint_support=False,
                parser_kwargs={"exit_on_error": False, verb: _describe(verb)},
                args=[verb, *arguments],
            )
        except MisconfigurationException as error:  # the trainer's word for settings that do not go together
            raise ValueError(str(error)) from error
        finally:
            if self._folder is not None:
                self._folder.close()

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Only the verb that was called: building the parsers of all four takes seconds."""
        return {self._verb: LightningCLI.subcommands()[self._verb]}

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what concerns the run as a whole."""
        parser.add_argument(
            "--name", type=str | None, default=None, help="Of the run; made from data and model if not given."
        )
        parser.add_argument(
            "--runs", type=Path, default=Path("runs"), help="Folder of all runs; this one's is RUNS/NAME."
        )
        parser.add_argument(
            "--overwrite", type=bool, default=False, help="Whether to delete an earlier run of this name."
        )
        parser.add_argument("--seed_everything", type=int, default=0, help="Of weights, order and augmentation.")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the checkpoints' options, and pass on what one part knows and another needs."""
        parser.add_lightning_class_args(Checkpoints, "checkpoints")
        parser.link_arguments("data.num_classes", "model.init_args.num_classes", apply_on="instantiate")
        parser.link_arguments("data.channels", "model.init_args.in_channels", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.init_args.seed")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, without LightningCLI's warning that the process has arguments too (they are these)."""
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            raise ArgumentError(None, shorten(str(error), _named_classes())) from error
        seed = self.config[self._verb].seed_everything
        if seed < 0:
            raise ArgumentError(None, f"--seed_everything is {seed}; give 0 or more")

    def _parse_ckpt_path(self) -> None:
        """Do not read settings from checkpoints: ours hold none, and the configuration is in the run's config.yaml."""

    def before_instantiate_classes(self) -> None:
        """Find the run's folder and the checkpoint, before anything expensive is built."""
        config = self.config[self._verb]
        if config.trainer.use_distributed_sampler:
            raise ValueError(
                "trainer.use_distributed_sampler is true; the data's own sampler shares the samples out over processes "
                "(and the trainer's would repeat some): leave it false"
            )
        if config.trainer.overfit_batches:
            raise ValueError(
                "trainer.overfit_batches would replace the data's sampler, which keeps the order of a resumed run; "
                "use trainer.limit_train_batches, or fewer classes: data.init_args.max_classes"
            )
        trains = trains_anything(config.model.class_path)
        if not trains:
            check_untrained(self._verb, config)
        config.name = config.name or default_name(config)
        self._folder = RunFolder(config.runs / inside(config.name))
        _put_loggers_into(self._folder.path, config)
        # Processes that the first one starts come here later, when it has already written into the folder.
        first = not _get_rank()
        if self._verb == "fit" and first:
            found = self._folder.to_fit(config.ckpt_path, config.overwrite)
        elif self._verb == "fit":
            found = (
                self._folder.checkpoint(config.ckpt_path) if config.ckpt_path in ("best", "last") else config.ckpt_path
            )
        elif not trains:
            found = None  # in the folder there may be checkpoints of the model that it uses
        else:
            found = self._folder.to_evaluate(config.ckpt_path, bool(config.model.init_args.get("init_from")))
        self._recorded = yaml.safe_load(self._parser(self._verb).dump(config, skip_none=False)) | _ONCE
        config.ckpt_path = None if found is None else str(found)
        if found is not None:
            for name in (start for start in _STARTS if start in config.model.init_args):
                config.model.init_args[name] = None  # the checkpoint replaces it, and the file may be gone

    def before_fit(self) -> None:
        """Put an earlier run aside now that everything has been built: what was wrong so far has not cost it."""
        if self.config[self._verb].overwrite and self.trainer.is_global_zero:
            self._own_folder().put_aside()

    def predict(self, **kwargs: Any) -> None:
        """Predict without keeping all results in memory: PredictionsFile and EmbeddingsFile write them."""
        self.trainer.predict(**kwargs | {"return_predictions": False})

    def validate(self, **kwargs: Any) -> None:
        """Validate; the trainer's own table repeats every score in a column a loader."""
        self.trainer.validate(**kwargs | {"verbose": False})
        self._print(score_lines(self.trainer.callback_metrics))  # type: ignore[arg-type]

    def test(self, **kwargs: Any) -> None:
        """Test, and print the scores as after ``validate``."""
        self.trainer.test(**kwargs | {"verbose": False})
        self._print(score_lines(self.trainer.callback_metrics))  # type: ignore[arg-type]

    def after_fit(self) -> None:
        """Say where the run lies, and what comes next."""
        kept = cast(Checkpoints, self._get(self.config_init, "checkpoints"))
        self._print(ending(self._own_folder().path, kept.monitor, kept.best_score))

    def _print(self, lines: list[str]) -> None:
        if self.trainer.is_global_zero:
            print(*lines, sep="\n", flush=True)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the guards and the records of every run."""
        trainer = self._get(self.config_init, "trainer")
        checkpoints = cast(Checkpoints, self._get(self.config_init, "checkpoints"))
        config = self.config[self._verb]
        callbacks = [
            *_as_list(trainer.callbacks),
            Beginning(self._own_folder().discard_old),
            StepRandomness(config.seed_everything),
            LossWatch(),
            StopOnSignal(checkpoints.save_last),
            PredictionsFile(),
            EmbeddingsFile(),
            RunRecord(self._recorded, config.name, config.seed_everything, checkpoints.monitor, checkpoints.mode),
        ]
        plugins = _as_list(trainer.plugins)
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins.append(DurableCheckpointIO())
        return super().instantiate_trainer(
            callbacks=callbacks, plugins=plugins, default_root_dir=str(self._own_folder().path), **kwargs
        )

    def _own_folder(self) -> RunFolder:
        assert self._folder is not None, "the folder is found before anything is built"
        return self._folder


def _describe(verb: str) -> dict[str, Any]:
    """What the verb's ``--help`` begins with."""
    return {
        "exit_on_error": False,
        "usage": f"hybrid-sbir {verb} --config FILE [--config FILE ...] [options]",
        "description": f"{VERBS[verb].summary.capitalize()}. Later files and options go over earlier ones. What a "
        "class of model or data takes: --model.help ClassificationTask, --data.help Folder.",
    }


def _named_classes() -> list[str]:
    """The project's classes that a configuration can name."""
    known = [hybrid_sbir.tasks, hybrid_sbir.data.datamodules]
    kinds = (LightningModule, LightningDataModule)
    classes = [value for room in known for value in vars(room).values() if isinstance(value, type)]
    return [c.__name__ for c in classes if issubclass(c, kinds) and not isabstract(c)]


_STARTS = ("init_from", "init_sketch", "init_photo")
"""Settings that name files with initial weights."""

_ONCE = {"ckpt_path": None, "overwrite": False}
"""What concerns one start of a run, and is not part of its recorded configuration."""


def _put_loggers_into(folder: Path, config: Namespace) -> None:
    """Let loggers write into the run's folder, under the run's name, where the configuration does not say otherwise."""
    for logger in _as_list(config.trainer.logger):
        settings = logger.get("init_args") if isinstance(logger, Namespace) else None
        if settings is None:
            continue
        for key, value in (("save_dir", str(folder)), ("name", config.name)):
            if key in settings and settings[key] in (None, "."):
                settings[key] = value


def _as_list(value: Any) -> list[Any]:
    if value is None or isinstance(value, bool):
        return []
    return list(value) if isinstance(value, list) else [value]
