"""What runs leave in their folders, for tables and figures: scores, curves, settings and origin of each run.

A run's folder has metrics.json and, where it was trained, metrics.csv; a committed result is the same without the rest.
Scores are fractions. Nothing here imports PyTorch, so that a table takes no longer than its files.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hybrid_sbir.results.curves import read_curve
from hybrid_sbir.results.record_file import Name, Scores, count, details, kind, mapping
from hybrid_sbir.results.settings import of_all_processes, settings

_LEFT_BY_A_RUN = {"metrics.json", "metrics.csv", "config.yaml", "checkpoints"}


class RecordError(ValueError):
    """A result that cannot be read; says which file and what to do."""


@dataclass(frozen=True)
class RunRecord:
    """What one run reached, and how.

    Attributes:
        folder: where it was read from.
        name: of the run, as its record has it: ``resnet26-pre-seed0``, ``resnet26-pretrained-modern-seed1/stage3``.
        row: the name without its seed and part; runs that differ in their seed only share it.
        part: what follows the seed in the name, ``stage3`` say; else empty.
        seed: of the run.
        kind: "classification", "retrieval", "unimodal", or the class of another task.
        scores: score -> fraction, ``val/top1``, ``test/map``, ``test_reranked/map``: of the best checkpoint as
            ``validate`` and ``test`` found them, else of the best epoch.
        evaluated: score -> the part of the record it is from: ``validate``, ``test`` or ``best``.
        details: evaluation -> what was said beside its means: ``per_class``, ``queries``, ``catalogue``, ``remarks``.
        curve: a dictionary an epoch, by the names of metrics.csv.
        config: the complete settings.
        data: what it was trained on, or evaluated if it only evaluates: ``module``, ``fingerprint``, ``classes``.
        finished: whether it was trained to its end, or only evaluates.
        epochs: trained so far; 0 of a run that only evaluates.
        max_epochs: that it is to train.
        record: all of metrics.json: ``git``, ``parameters``, ``wall_time_s``...
        origin: of a unimodal run the record of the classifier whose features it ranks, where that is at hand.
    """

    folder: Path
    name: str
    row: str
    part: str
    seed: int | None
    kind: str
    scores: dict[str, float]
    evaluated: dict[str, str]
    details: dict[str, dict[str, Any]]
    curve: list[dict[str, float]]
    config: dict[str, Any]
    data: dict[str, Any]
    finished: bool
    epochs: int
    max_epochs: int
    record: dict[str, Any] = field(repr=False)
    origin: dict[str, Any] = field(repr=False)

    @property
    def path(self) -> Path:
        """Of its metrics.json."""
        return self.folder / "metrics.json"

    @property
    def fingerprint(self) -> str:
        """Of the data; "unknown" where the record has none."""
        return str(self.data.get("fingerprint") or "unknown")

    @property
    def versions(self) -> dict[str, Any]:
        """Of Python and packages."""
        return mapping(self.record, "versions")

    @property
    def device(self) -> dict[str, Any]:
        """What it was trained on, or evaluated if it only evaluates: ``type``, ``name``, ``precision``, ``threads``."""
        return mapping(self.record, "device")

    @property
    def model(self) -> dict[str, Any]:
        """The settings of its task: ``backbone``, ``activation``, ``width``..."""
        return mapping(mapping(self.config, "model"), "init_args")

    @property
    def backbone(self) -> str:
        """The backbone's name, also where only the run's name tells it; a hybrid of one's own is called by the run."""
        named = self.model.get("backbone") or self.model.get("torchvision")
        if isinstance(named, str):
            return named
        return self.row if named is not None else self.row.partition("-")[0]

    @property
    def activation(self) -> str:
        """Return "pre", "post", or "-" where neither settings nor name tell."""
        words = [self.model.get("activation"), *self.row.split("-")[1:]]
        return next((word for word in words if word in ("pre", "post")), "-")

    @property
    def settings(self) -> dict[str, str]:
        """How it was trained, the classifier whose features it ranks included; see the function of this name."""
        own = of_all_processes(settings(self.config, self.backbone, self.activation), self.processes)
        before = settings(mapping(self.origin, "config"), self.backbone, self.activation)
        before = of_all_processes(before, count(mapping(self.origin, "device"), "processes", 1))
        trained = {name: str(self.origin[name]) for name in ("epochs", "data") if name in self.origin}
        return own | {f"origin.{name}": words for name, words in (before | trained).items()}

    @property
    def processes(self) -> int:
        """How many processes shared a batch; the settings' batch size is each one's."""
        return count(self.device, "processes", 1)

    @property
    def way(self) -> tuple[Any, ...]:
        """How and on what it was trained: only runs that agree in it are repeats of one another."""
        own = tuple(sorted(self.settings.items()))
        return self.kind, self.fingerprint, str(self.data.get("classes")), self.finished, self.epochs, own


def read_run(folder: Path | str) -> RunRecord:
    """Read a run's folder, or a committed result of one.

    Raises:
        RecordError: if its metrics.json is missing, or a file is damaged; says which, and what to do.
    """
    folder = Path(folder)
    path = folder / "metrics.json"
    try:
        return _record(folder, json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError) as e:
        raise RecordError(f"{path}: not there; give a run's folder, or train it (hybrid-sbir fit)") from e
    except OSError as e:
        raise RecordError(f"{path}: cannot be read ({e.strerror or e}); mend that, or leave the run out") from e
    except (ValueError, TypeError, RecursionError) as e:
        remedy = "evaluate the run again (hybrid-sbir validate or test), or restore the file"
        raise RecordError(f"{path}: damaged ({e}); {remedy}") from e


def _record(folder: Path, record: Any) -> RunRecord:
    if not isinstance(record, dict):
        raise ValueError(f"it holds a {type(record).__name__} instead of an object")
    config = mapping(record, "config", needed=True)
    name = str(record.get("name") or folder.resolve().name)
    row, seed, part = Name.of(name)
    scores, evaluated = Scores.of(record)
    read = RunRecord(
        folder=folder,
        name=name,
        row=row,
        part=part,
        seed=count(record, "seed") if record.get("seed") is not None else seed,
        kind=kind(config),
        scores=scores,
        evaluated=evaluated,
        details=details(record),
        curve=read_curve(folder / "metrics.csv"),
        config=config,
        data=mapping(record, "data", needed=True),
        finished=bool(record.get("finished", "epochs" not in record)),
        epochs=count(record, "epochs"),
        max_epochs=count(record, "max_epochs", count(record, "epochs")),
        record=record,
        origin=_origin(record, config),
    )
    # What these are taken from is checked here, not when a table asks.
    _ = read.versions, read.device, read.way, mapping(mapping(config, "data"), "init_args")
    _ = [mapping(mapping(record, section), "data") for section in ("validate", "test")]
    _ = [mapping(read.origin, part) for part in ("config", "data", "device")]
    return read


def _origin(record: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The classifier's record: a kept result has it, a run names the folder or the checkpoint."""
    if kind(config) != "unimodal" or "origin" in record:
        return mapping(record, "origin")
    start = mapping(mapping(config, "model"), "init_args").get("init_from")
    if not isinstance(start, str):
        return {}
    for folder in (Path(start), Path(start).parent.parent):
        try:
            found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else {}
    return {}


def read_runs(folders: Iterable[Path | str]) -> tuple[list[RunRecord], list[str]]:
    """Read all runs in folders, and in folders of folders.

    Returns:
        The runs in the order of the folders; and a line for each that is missing, damaged, or repeats another's seed
        with the same settings, which is no second measurement.
    """
    runs: list[RunRecord] = []
    problems: list[str] = []
    for folder in (folder for given in folders for folder in _find(Path(given))):
        try:
            runs.append(read_run(folder))
        except RecordError as e:
            problems.append(str(e))
    return _once(runs, problems), problems


def _find(given: Path) -> list[Path]:
    """Folders of runs, at or below the one given, which stands for itself if there is none."""
    found = []
    for place, inner, files in os.walk(given):
        inner.sort()
        if _LEFT_BY_A_RUN & {*files, *inner}:
            found.append(Path(place))
            inner.clear()  # what is inside a run's folder is its own
    return found or [given]


def _once(runs: list[RunRecord], problems: list[str]) -> list[RunRecord]:
    """Each seed once: a row's name tells rows apart where it has a seed, else backbone and settings do."""
    first: dict[Any, RunRecord] = {}
    for run in runs:
        row = run.row if Name.of(run.name).seed is not None else (run.backbone, run.activation)
        same = first.setdefault((row, run.part, run.seed, run.way), run)
        if same is not run:
            problems.append(f"{run.path}: repeats seed {run.seed} of {same.path}, and so does not count")
    return list(first.values())
