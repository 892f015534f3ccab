"""A run of W&B that may fail without failing the training: opened, written to and closed behind one guard."""

import json
import os
import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from hybrid_sbir.callbacks.wandb_log import becomes_whole, grow
from hybrid_sbir.callbacks.wandb_names import RunNames
from hybrid_sbir.durable import write_durably

_LETTERS = string.ascii_lowercase + string.digits
_MEMORY = "wandb_run.json"
_COPIES = "WANDB_DATA_DIR"
_SECONDS = 30.0  # for W&B's service, or its server, to answer
_FLUSH, _ROW = 0.1, 1.0  # s between two writes of the service; for a row to be among them
_LAST = 10.0  # s, for the last of a closed file to reach the disk


@dataclass
class Memory:
    """What of a run has reached W&B, kept in the run's folder so that a later start goes on there.

    Attributes:
        id: of the W&B run.
        epochs: how many epochs' rows have been logged.
        step: the last step that something was logged at.
    """

    id: str
    epochs: int = 0
    step: int = -1

    @classmethod
    def read(cls, folder: Path) -> "Memory | None":
        """Read it from a run's folder; None if there is none that can be read."""
        try:
            return cls(**json.loads((folder / _MEMORY).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def new(cls) -> "Memory":
        """Return that of a run of which W&B knows nothing; the id is random, whatever the run's seed."""
        return cls("".join(secrets.choice(_LETTERS) for _ in range(8)))

    def write(self, folder: Path) -> None:
        """Write it into a run's folder."""
        write_durably(folder / _MEMORY, (json.dumps(asdict(self)) + "\n").encode())


class WandbRun:
    """One W&B run of a folder, from :meth:`open` to :meth:`close`; what goes wrong is said once and ends the logging.

    Args:
        folder: of the run; W&B's files go into ``wandb/`` in it.
        project: of W&B.
        entity: user or team; None for the key's own.
        offline: whether to write files only, without a network or a key.
        machine: whether W&B watches the machine: its name, processors, memory and GPUs.
    """

    def __init__(self, folder: Path, project: str, entity: str | None, offline: bool, machine: bool) -> None:
        self.folder, self.project, self.entity = folder, project, entity
        self.offline, self.machine = offline, machine
        self.broken = False
        self._run: Any = None
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
            if self._run is not None:
                return
            known = Memory.read(self.folder)
            self._memory = known if known and not (afresh and known.epochs) else Memory.new()
            self._memory.write(self.folder)
            self._run = self._init(names, self.offline)
            self._run.config.update({**names.facts, **config}, allow_val_change=True)
            _define(self._run)

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Log values at a step, by default one after the last."""
        with self.guard("logging"):
            if self._run is not None and self._memory is not None:
                self._memory.step = max(self._memory.step + 1, step or 0)
                self._run.log(dict(values), step=self._memory.step, commit=True)
                self._memory.write(self.folder)

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Log an epoch's row, as it stands in metrics.csv; it counts once it is on the disk, where a kill leaves it."""
        files = {path: path.stat().st_size for path in self._files()}
        self.log(row, step=int(row["step"]))
        grow(files, _ROW)
        with self.guard("logging"):
            if self._run is not None and self._memory is not None:
                self._memory.epochs += 1
                self._memory.write(self.folder)

    def summarise(self, values: Mapping[str, Any]) -> None:
        """Set final values."""
        with self.guard("summarising"):
            if self._run is not None:
                self._run.summary.update(dict(values))

    def act(self, what: str, action: Callable[[Any], None]) -> None:
        """Do something with W&B's own run, if there is one."""
        with self.guard(what):
            if self._run is not None:
                action(self._run)

    def close(self, exit_code: int = 0) -> None:
        """End it; W&B's service writes what it still holds."""
        run, self._run = self._run, None
        with self.guard("closing"):
            if run is not None:
                files = self._files(run)
                run.finish(exit_code=exit_code)
                if broken := [path for path in files if not becomes_whole(path, _LAST)]:
                    raise OSError(f"{broken[0]} is not whole; is the disk full?")
        if os.environ.get(_COPIES) == str((self.folder / "wandb").resolve()):
            del os.environ[_COPIES]

    def _files(self, run: Any = None) -> list[Path]:
        """What this start of the run writes down."""
        run = run or self._run
        return [] if run is None else list(Path(run.dir).parent.glob("run-*.wandb"))

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
            if not harmless:
                self.broken, self._run = True, None
            rank_zero_warn(
                f"W&B: {what} failed ({type(error).__name__}: {error}); the run goes on without it, and metrics.csv "
                "and metrics.json have every value"
            )

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
            settings = _settings(offline, self.machine)
            return wandb.init(dir=str(self.folder), id=self.id, resume="allow", settings=settings, **about)
        except Exception as error:
            if offline:
                raise
            rank_zero_warn(f"W&B cannot be reached ({error}); the run is written to {place}, `wandb sync` uploads it")
            wandb.teardown()  # its service still holds the run's id
            return self._init(names, offline=True)


def _settings(offline: bool, machine: bool) -> Any:
    """W&B's settings: nothing is recorded that was not asked for, and nothing waits for long."""
    import wandb

    return wandb.Settings(
        mode="offline" if offline else "online",
        console="off",  # what is printed stays here
        disable_code=True,
        disable_git=True,  # a remote's address may hold a password; metrics.json has the revision
        disable_job_creation=True,
        save_code=False,
        x_save_requirements=False,
        x_disable_meta=not machine,
        x_disable_stats=not machine,
        x_disable_machine_info=not machine,
        host=None if machine else "not-recorded",
        silent=True,
        init_timeout=_SECONDS,
        x_service_wait=_SECONDS,
        finish_timeout=20 * _SECONDS,
        x_transaction_log_flush_interval=_FLUSH,  # what a killed run has told is on the disk
    )


def _define(run: Any) -> None:
    """Curves over epochs; the step can be chosen instead."""
    run.define_metric("epoch")
    run.define_metric("step")
    for pattern in ("lr", "train/*", "val/*", "val_unseen/*"):
        run.define_metric(pattern, step_metric="epoch")
