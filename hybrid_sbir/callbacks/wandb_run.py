"""A run of W&B that may fail without failing the training: opened, written to and closed behind one guard."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from hybrid_sbir.callbacks.wandb_log import becomes_whole, takes_row
from hybrid_sbir.callbacks.wandb_memory import Memory
from hybrid_sbir.callbacks.wandb_names import RunNames
from hybrid_sbir.callbacks.wandb_service import PATIENCE, UPLOAD, end_service, settings, within

_COPIES = "WANDB_DATA_DIR"
_ROW = 30.0  # s, for a row to be on the disk: W&B's service, where it hangs or cannot write, does not say so
_LAST = 10.0  # s, for the last of a closed file to reach the disk


class WandbRun:
    """One W&B run of a folder, from :meth:`open` to :meth:`close`; what goes wrong is said once and ends the logging.

    Args:
        folder: of the run; W&B's files go into ``wandb/`` in it.
        project: of W&B.
        entity: user or team; None for the key's own.
        offline: whether to write files only, without a network or a key; ``WANDB_MODE`` set to "offline" or "disabled"
            does so too, or turns W&B off.
        machine: whether W&B watches the machine: its name, processors, memory and GPUs.
    """

    def __init__(self, folder: Path, project: str, entity: str | None, offline: bool, machine: bool) -> None:
        self.folder, self.project, self.entity = folder, project, entity
        self.offline, self.machine = offline, machine
        self.broken = False
        self._run: Any = None
        self._place: Path | None = None
        self._memory: Memory | None = None

    @property
    def epochs(self) -> int:
        """How many epochs' rows have been logged, in this start or an earlier one."""
        return self._memory.epochs if self._memory else 0

    @property
    def id(self) -> str:
        """The W&B run's id."""
        return self._memory.id if self._memory else ""

    def open(self, names: RunNames, config: Mapping[str, Any], afresh: bool = False) -> None:
        """Start, or go on with, the folder's W&B run.

        Args:
            names: what to call it.
            config: flat.
            afresh: whether a training begins anew: W&B then begins anew too, unless no epoch was ever logged.
        """
        with self.guard("opening"):
            asked = os.environ.get("WANDB_MODE", "").lower()
            if self._run is not None or asked == "disabled":
                return
            known = Memory.read(self.folder)
            self._memory = known if known and not (afresh and known.epochs) else Memory.new()
            self._memory.write(self.folder)
            self._run = run = self._init(names, self.offline or asked in ("offline", "dryrun"))
            self._place = Path(run.dir).parent

            def describe() -> None:
                run.config.update({**names.facts, **config}, allow_val_change=True)
                _define(run)

            within(PATIENCE, describe)

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Log values at a step, by default one after the last."""
        with self.guard("logging"):
            if self._run is not None and self._memory is not None:
                run, self._memory.step = self._run, max(self._memory.step + 1, step or 0)
                row, place = dict(values), self._memory.step
                within(PATIENCE, lambda: run.log(row, step=place, commit=True))
                self._memory.write(self.folder)

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Log an epoch's row, as it stands in metrics.csv; it counts once it is on the disk, where a kill leaves it."""
        self.log(row, step=int(row["step"]))
        with self.guard("logging"):
            if self._run is not None and self._memory is not None:
                if late := [path for path in self._files() if not takes_row(path, self._memory.step, _ROW)]:
                    raise OSError(f"{late[0]} has not got the row after {_ROW:g} s; is the disk full?")
                self._memory.epochs += 1
                self._memory.write(self.folder)

    def summarise(self, values: Mapping[str, Any]) -> None:
        """Set final values."""
        with self.guard("summarising"):
            if (run := self._run) is not None:
                within(PATIENCE, lambda: run.summary.update(dict(values)))

    def act(self, what: str, action: Callable[[Any], None]) -> None:
        """Do something with W&B's own run, if there is one."""
        with self.guard(what):
            if (run := self._run) is not None:
                within(PATIENCE, lambda: action(run))

    def close(self, exit_code: int = 0) -> None:
        """End it; W&B's service writes what it still holds."""
        with self.guard("closing"):
            if (run := self._run) is not None:
                files = self._files()
                within(PATIENCE + (0 if run.offline else UPLOAD), lambda: run.finish(exit_code=exit_code))
                if broken := [path for path in files if not becomes_whole(path, _LAST)]:
                    raise OSError(f"{broken[0]} is not whole; is the disk full?")
        self._run = None
        if os.environ.get(_COPIES) == str((self.folder / "wandb").resolve()):
            del os.environ[_COPIES]

    def _files(self) -> list[Path]:
        """What this start of the run writes down."""
        return [] if self._run is None or self._place is None else list(self._place.glob("run-*.wandb"))

    @contextmanager
    def guard(self, what: str, harmless: bool = False) -> Iterator[None]:
        """Turn an exception into a warning, after which nothing more is tried; the training knows nothing of it.

        Args:
            what: failed.
            harmless: whether W&B itself is unharmed by it, and what follows is tried nevertheless.
        """
        if self.broken:
            self._run = None
        try:
            yield
        except Exception as error:
            left = "" if harmless else self._give_up()
            rank_zero_warn(
                f"W&B: {what} failed ({type(error).__name__}: {error}); the run goes on without it, and metrics.csv "
                f"and metrics.json have every value{left}"
            )

    def _give_up(self) -> str:
        """Let go of W&B, for good and without waiting for it at the process's end; say what it leaves."""
        self._run, self.broken = None, True
        end_service()
        if self._place is None:
            return ""
        sync = f"wandb sync {shlex.quote(str(self._place))}"
        return f"; its file in {self._place} may lack its end, `{sync}` uploads what is in it"

    def _init(self, names: RunNames, offline: bool) -> Any:
        """Start W&B; where its server cannot be reached, into files."""
        import wandb

        place = self.folder / "wandb"
        place.mkdir(parents=True, exist_ok=True)
        # Copies for uploads would otherwise lie in the home folder, for good.
        os.environ.setdefault(_COPIES, str(place.resolve()))
        about: dict[str, Any] = {"group": names.group, "job_type": names.job_type, "name": names.name}
        about |= {"project": self.project, "entity": self.entity, "tags": list(names.tags)}
        try:
            own = settings(offline, self.machine)
            start = partial(wandb.init, dir=str(self.folder), id=self.id, resume="allow", settings=own, **about)
            return within(2 * PATIENCE, start)
        except Exception as error:
            if offline:
                raise
            rank_zero_warn(f"W&B cannot be reached ({error}); the run is written to {place}, `wandb sync` uploads it")
            end_service()  # it still holds the run's id
            return self._init(names, offline=True)


def _define(run: Any) -> None:
    """Curves over epochs; the step can be chosen instead."""
    run.define_metric("epoch")
    run.define_metric("step")
    for pattern in ("lr", "train/*", "val/*", "val_unseen/*"):
        run.define_metric(pattern, step_metric="epoch")
