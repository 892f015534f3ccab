"""A few real steps of the calls that make would make, with their models, data and settings; no run is left behind."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hybrid_sbir.callbacks.step_clock import Pace, StepClock
from hybrid_sbir.cli.training import TrainingCLI
from hybrid_sbir.planning.steps import Call

_LARGE, _FEW = 128, 16
_QUIET = ("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false")


@dataclass(frozen=True)
class Measured:
    """One measured call.

    Attributes:
        pace: its parts.
        disk: bytes of its run's folder.
        batch: samples a batch where fewer than the regime's were taken, else None.
    """

    pace: Pace
    disk: int
    batch: int | None


class Sampler:
    """Measures calls one after the other; a later one starts from the weights that an earlier one left.

    Args:
        folder: for the runs; to be thrown away.
        steps: training batches to time.
    """

    def __init__(self, folder: Path, steps: int = 4) -> None:
        self._folder, self._steps = folder, steps
        self._stand_in: dict[Path, Path] = {}

    def same(self, call: Call, as_run: Path) -> None:
        """Let the run of a call that costs the same as another be represented by that one's."""
        self._stand_in[call.run] = self._stand_in.get(as_run, as_run)

    def measure(self, call: Call) -> Measured:
        """Take a few steps of a call."""
        words = self._redirected(call)
        with _silence():
            cli = _FewSteps(call.verb, [*words, *_QUIET], self._steps)
        folder = cli.folder
        if call.verb == "fit":
            self._stand_in[call.run] = folder
        disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if call.verb == "fit" else 0
        return Measured(cli.clock.pace, disk, cli.few)

    def _redirected(self, call: Call) -> list[str]:
        """Send what is written into the folder, and read what the measured runs stand in for from there."""
        runs = call.option("--runs")
        words = [self._replaced(word) for word in call.words]
        if runs is not None:
            return [*words, "--runs", str(self._folder / "runs")]
        own = Path(call.option("--config") or "").parent
        if own in self._stand_in:
            return words
        best = own / "checkpoints" / "best.ckpt"
        return [*words, "--runs", str(self._folder / "elsewhere"), "--ckpt_path", str(best)]

    def _replaced(self, word: str) -> str:
        for run, folder in self._stand_in.items():
            if word == str(run) or word.startswith(f"{run}/"):
                return str(folder) + word.removeprefix(str(run))
        return word


class _FewSteps(TrainingCLI):
    """A call that ends after a few batches."""

    def __init__(self, verb: str, words: list[str], steps: int) -> None:
        self.clock = StepClock(steps)
        self.few: int | None = None
        self._steps = steps
        super().__init__(verb, words)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._own_folder().path

    def before_instantiate_classes(self) -> None:
        """On a CPU take fewer large images a batch: time there is proportional to their number."""
        super().before_instantiate_classes()
        settings = self.config[self._verb].data.init_args
        asked = settings.get("batch_size", 64)
        if not torch.cuda.is_available() and settings.get("size", 224) > _LARGE and asked > _FEW:
            settings.batch_size = self.few = _FEW
            self.clock = StepClock(min(2, self._steps), 2, asked / _FEW)

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Build the trainer, with a clock."""
        trainer = super().instantiate_trainer(**kwargs)
        trainer.callbacks.append(self.clock)  # type: ignore[attr-defined]
        return trainer


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing of the few steps is for the screen."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
