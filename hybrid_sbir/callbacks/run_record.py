"""What a run leaves behind beside its checkpoints: config.yaml, metrics.csv and metrics.json."""

import csv
import io
import json
import math
import time
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from hybrid_sbir.callbacks.provenance import device, revision, versions
from hybrid_sbir.durable import write_durably

_THIS_FILE = Path(__file__)


class RunRecord(Checkpoint):
    """Record a run in its folder, the trainer's ``default_root_dir``.

    ``metrics.csv`` has a row an epoch with every logged metric; the rows are part of the checkpoint, so a resumed run
    writes the file that an uninterrupted one would have written. ``metrics.json`` says what was run, on what, and what
    came out. Both are written whole after every epoch, by the first process.

    It is a ``Checkpoint`` for the order of the hooks only: after all that log, before :class:`Checkpoints` saves.

    Args:
        config: the resolved configuration.
        name: of the run.
        seed: of the run.
        monitor: the metric that says which epoch is best.
        mode: ``"max"`` or ``"min"``.
    """

    def __init__(self, config: dict[str, Any], name: str, seed: int | None, monitor: str, mode: str) -> None:
        self._config, self._name, self._seed = config, name, seed
        self._monitor, self._mode = monitor, mode
        self._rows: list[dict[str, float]] = []
        self._rate = float("nan")
        self._seconds_before = 0.0
        self._start = time.monotonic()

    @property
    def state_key(self) -> str:
        """The name of the state in a checkpoint."""
        return "RunRecord"

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far and the time they took."""
        return {"rows": [dict(row) for row in self._rows], "rate": self._rate, "seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after earlier rows."""
        self._rows, self._rate = list(state_dict["rows"]), state_dict["rate"]
        self._seconds_before, self._start = state_dict["seconds"], time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the configuration, and a record of a run without an epoch."""
        for logger in trainer.loggers:
            logger.log_hyperparams(self._config)
        if trainer.is_global_zero:
            folder = _folder(trainer)
            write_durably(folder / "config.yaml", yaml.safe_dump(self._config, sort_keys=False).encode())
        self._write(trainer, finished=False)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note the learning rate: at the epoch's end the schedule has already moved on to the next epoch's."""
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": self._rate}
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        self._rows.append(row)
        if trainer.is_global_zero:
            write_durably(_folder(trainer) / "metrics.csv", _as_csv(self._rows))
        self._write(trainer, finished=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Mark the run as finished."""
        self._write(trainer, finished=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add what ``validate`` found; inside ``fit`` the epoch's end records it."""
        if trainer.state.fn == "validate":
            self._add_result(trainer, "validate")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add what ``test`` found."""
        self._add_result(trainer, "test")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let loggers write what they still hold."""
        _close_loggers(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let loggers write what they still hold, after a stop or an error too."""
        _close_loggers(trainer)

    def _add_result(self, trainer: Trainer, verb: str) -> None:
        """Write a result into the record, leaving what ``fit`` wrote as it is."""
        if not trainer.is_global_zero:
            return
        path = _folder(trainer) / "metrics.json"
        record = _read_or_set_aside(path) or self._describe(trainer)
        result = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        checkpoint = str(trainer.ckpt_path) if trainer.ckpt_path else None
        unsound = getattr(trainer.lightning_module, "non_finite", [])
        details = getattr(trainer.lightning_module, "details", {})  # of a retrieval: each class's scores, remarks
        about = {
            "checkpoint": checkpoint,
            "data": _data(trainer),
            "device": device(trainer),
            "non_finite": len(unsound),
        }
        record[verb] = about | result | ({"details": details} if details else {})
        _write_json(path, record)

    def _write(self, trainer: Trainer, finished: bool) -> None:
        if not trainer.is_global_zero:
            return
        record = self._describe(trainer) | {
            "epochs": len(self._rows),
            "max_epochs": trainer.max_epochs,
            "steps": trainer.global_step,
            "best": self._best(),
            "last": self._rows[-1] if self._rows else None,
            "wall_time_s": round(self._seconds(), 3),
            "finished": finished,
        }
        _write_json(_folder(trainer) / "metrics.json", record)

    def _describe(self, trainer: Trainer) -> dict[str, Any]:
        parameters = sum(p.numel() for p in trainer.lightning_module.parameters())
        return {
            "format": 1,
            "name": self._name,
            "seed": self._seed,
            "parameters": parameters,
            "data": _data(trainer),
            "device": device(trainer),
            "versions": versions(),
            "git": revision(_THIS_FILE),
            "config": self._config,
        }

    def _best(self) -> dict[str, float] | None:
        scored = [row for row in self._rows if not math.isnan(row.get(self._monitor, math.nan))]
        choose = max if self._mode == "max" else min
        return choose(scored, key=lambda row: row[self._monitor]) if scored else None

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._start


def _close_loggers(trainer: Trainer) -> None:
    """End trackers' runs (W&B's ``finish``): a forked process has no interpreter's exit to do it."""
    for logger in trainer.loggers:
        finish = getattr(getattr(logger, "experiment", None), "finish", None)
        if callable(finish):
            finish()


def _folder(trainer: Trainer) -> Path:
    folder = Path(trainer.default_root_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _data(trainer: Trainer) -> dict[str, Any]:
    data = getattr(trainer, "datamodule", None)
    fingerprint, classes = getattr(data, "fingerprint", None), getattr(data, "classes", ())
    return {"module": type(data).__name__, "fingerprint": fingerprint, "classes": len(classes)}


def _as_csv(rows: list[dict[str, float]]) -> bytes:
    """All rows under the union of their columns."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_json(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(_strict(record), indent=2, default=str, allow_nan=False)
    write_durably(path, (text + "\n").encode())


def _strict(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, dict):
        return {name: _strict(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_or_set_aside(path: Path) -> dict[str, Any] | None:
    """Read a record; a damaged one is kept under another name, so that the result that comes now has a place."""
    try:
        record = json.loads(path.read_text())
        if isinstance(record, dict):
            return record
        reason = f"it holds a {type(record).__name__}"
    except FileNotFoundError:
        return None
    except ValueError as error:
        reason = str(error)
    kept = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.replace(kept)
    rank_zero_warn(f"{path} is damaged ({reason}); it is kept as {kept.name}, and a new one is written")
    return None
