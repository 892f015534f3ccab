"""Results of runs beside the thesis's numbers, as a Markdown table. Reads ``metrics.json`` files; knows no model."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hybrid_sbir.durable import write_durably

_METRICS = ("top1", "top5")
_ROW = {"model.init_args.backbone", "model.init_args.activation"}
_NOT_SETTINGS = {"name", "runs", "overwrite", "seed_everything", "ckpt_path", "checkpoints", "data.init_args.seed"}
_NOT_SETTINGS |= {f"data.init_args.{name}" for name in ("root", "pack", "num_workers", "augment_on")}
_NOT_SETTINGS |= {f"trainer.{name}" for name in ("accelerator", "logger", "callbacks", "profiler", "log_every_n_steps")}
_NOT_SETTINGS |= {f"trainer.enable_{name}" for name in ("progress_bar", "model_summary", "checkpointing")}
Key = tuple[str, str]  # backbone, activation


class ReportError(ValueError):
    """A result or a reference file that cannot be read."""


@dataclass(frozen=True)
class Result:
    """What one run reached.

    Attributes:
        key: backbone and activation.
        scores: metric -> percent.
        regime: what was trained on and how, in words.
        settings: how it was trained, one value a dotted name; runs to be compared share them.
        seed: of the run.
        data: fingerprint of the data.
        path: of the record.
    """

    key: Key
    scores: dict[str, float]
    regime: str
    settings: dict[str, str]
    seed: int
    data: str
    path: Path

    @property
    def way(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """How and on what it was trained: only rows that agree in it are to be compared."""
        return self.regime, self.data, tuple(sorted(self.settings.items()))


def report(runs: list[Path], reference: Path | None = None, out: Path | None = None) -> str:
    """Print the results of runs, mean and deviation over seeds, beside published numbers.

    Args:
        runs: run folders, or folders of run folders.
        reference: published numbers, a CSV file of ``backbone,activation,top1,top5`` in percent.
        out: a Markdown file to write too.
    """
    results, problems = _read_runs(runs)
    table = _table(results, _read_reference(reference) if reference else {})
    text = "\n".join([*table, "", *_footnotes(results), *problems]) + "\n"
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_durably(out, text.encode())
    print(text, end="")
    return text


def read_result(path: Path) -> Result:
    """Read one run's ``metrics.json``.

    Raises:
        ReportError: if it is missing, damaged, or of a run without a validated epoch.
    """
    try:
        record = json.loads(path.read_text())
        model = record["config"]["model"]["init_args"]
        backbone = model["backbone"] if isinstance(model["backbone"], str) else record["name"]
        scores = _scores(record)
        regime, data = _regime(record, model), record["data"]["fingerprint"] or "unknown"
        key = (backbone, model["activation"])
        return Result(key, scores, regime, _settings(record["config"]), record["seed"], data, path)
    except FileNotFoundError as e:
        raise ReportError(f"{path}: not there; is {path.parent} a run's folder?") from e
    except (ValueError, KeyError, TypeError) as e:
        raise ReportError(f"{path}: not a finished run's record ({type(e).__name__}: {e})") from e


def _scores(record: dict[str, Any]) -> dict[str, float]:
    """The score of the validated checkpoint where there is one, else the best epoch's."""
    scored = record.get("validate") or record.get("best")
    if not scored:
        raise ValueError("no epoch has been validated")
    return {metric: 100 * scored[f"val/{metric}"] for metric in _METRICS}


def _settings(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten a configuration, without what names the run or its row, or only says where and how fast it ran."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        if prefix + name in _NOT_SETTINGS or prefix + name in _ROW:
            continue
        if isinstance(value, dict):
            flat |= _settings(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(value)
    return flat


def _regime(record: dict[str, Any], model: dict[str, Any]) -> str:
    data = record["config"]["data"]["init_args"]
    epochs = f"{record['epochs']} of {record['max_epochs']}" if not record["finished"] else str(record["epochs"])
    size = data.get("size", 224)
    shape = f"width {model['width']}, stem {model['stem']}, {size} x {size} pixels"
    return f"{record['data']['module']}, {record['data']['classes']} classes; {shape}; {epochs} epochs"


def _read_runs(runs: list[Path]) -> tuple[list[Result], list[str]]:
    """The readable results, and a line for each file that is not."""
    files: list[Path] = []
    for run in runs:
        inside = sorted(run.glob("*/metrics.json")) if not (run / "metrics.json").exists() else []
        files += inside or [run / "metrics.json"]
    results, problems = [], []
    for file in files:
        try:
            results.append(read_result(file))
        except ReportError as e:
            problems.append(f"- not in the table: {e}")
    if not results:
        raise ReportError("\n".join(problems) or "no runs given; name at least one run's folder")
    return _once(results, problems), problems


def _once(results: list[Result], problems: list[str]) -> list[Result]:
    """Each seed once a row: a run named twice, or repeated with its seed, is no second measurement."""
    first: dict[Any, Result] = {}
    for result in results:
        same = first.setdefault((result.key, result.way, result.seed), result)
        if same is not result:
            problems.append(f"- not in the table: {result.path} repeats seed {result.seed} of {same.path}")
    return list(first.values())


def _read_reference(path: Path) -> dict[Key, dict[str, float]]:
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {(r["backbone"], r["activation"]): {m: float(r[m]) for m in _METRICS} for r in rows}
    except (OSError, KeyError, ValueError, TypeError) as e:
        raise ReportError(f"{path}: not a table of backbone,activation,top1,top5 ({type(e).__name__}: {e})") from e


def _table(results: list[Result], reference: dict[Key, dict[str, float]]) -> list[str]:
    """A row for every backbone, activation and way of training, in the order of the runs."""
    grouped: dict[tuple[Key, str], list[Result]] = defaultdict(list)
    ways = _ways(results)
    for result in results:
        grouped[result.key, ways[result.way]].append(result)
    beside = ["thesis top-1", "thesis top-5"] if reference else []
    lines = [_row(["backbone", "activation", "top-1", "top-5", "seeds", *beside, "trained as"])]
    lines.append(_row(["---", "---", "---:", "---:", "---:", *("---:" for _ in beside), "---"]))
    for (key, way), group in grouped.items():
        own = [_spread([r.scores[m] for r in group]) for m in _METRICS]
        published = [f"{reference[key][m]:.2f}" if key in reference else "-" for m in _METRICS if reference]
        lines.append(_row([*key, *own, str(len(group)), *published, way]))
    return lines


def _ways(results: list[Result]) -> dict[Any, str]:
    """A letter for each way of training: only rows of one letter are to be compared."""
    ways = dict.fromkeys(r.way for r in results)
    return {way: f"({chr(ord('a') + i)})" if i < 26 else f"({i})" for i, way in enumerate(ways)}


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _spread(values: list[float]) -> str:
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def _footnotes(results: list[Result]) -> list[str]:
    """Say how each row was trained, and that rows which differ in it are not to be compared."""
    ways = _ways(results)
    different = _different([dict(settings) for _, _, settings in ways])
    lines = []
    for (regime, data, settings), letter in ways.items():
        extra = "".join(f"; {name} {dict(settings).get(name, 'not set')}" for name in different)
        lines.append(f"- {letter} {regime}; data {data[:12]}{extra}")
    if len(ways) > 1:
        lines.append("- rows of different letters differ in how or on what they were trained: compare with care")
    return lines


def _different(settings: list[dict[str, str]]) -> list[str]:
    """Names of the settings in which the ways of training differ."""
    names = sorted({name for each in settings for name in each})
    return [name for name in names if len({each.get(name) for each in settings}) > 1]
