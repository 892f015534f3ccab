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
Key = tuple[str, str]  # backbone, activation


class ReportError(ValueError):
    """A result or a reference file that cannot be read."""


@dataclass(frozen=True)
class Result:
    """What one run reached.

    Attributes:
        key: backbone and activation.
        scores: metric -> percent.
        regime: what was trained on and how, in words; runs to be compared share it.
        seed: of the run.
        data: fingerprint of the data.
    """

    key: Key
    scores: dict[str, float]
    regime: str
    seed: int
    data: str


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
        return Result((backbone, model["activation"]), scores, regime, record["seed"], data)
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
    return results, problems


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
        grouped[result.key, ways[result.regime, result.data]].append(result)
    header = ["backbone", "activation", "top-1", "top-5", "seeds", "thesis top-1", "thesis top-5", "trained as"]
    lines = [_row(header), _row(["---", "---", "---:", "---:", "---:", "---:", "---:", "---"])]
    for (key, way), group in grouped.items():
        own = [_spread([r.scores[m] for r in group]) for m in _METRICS]
        published = [f"{reference[key][m]:.2f}" if key in reference else "-" for m in _METRICS]
        lines.append(_row([*key, *own, str(len(group)), *published, way]))
    return lines


def _ways(results: list[Result]) -> dict[tuple[str, str], str]:
    """A letter for each combination of regime and data: only rows of one letter are to be compared."""
    ways = dict.fromkeys((r.regime, r.data) for r in results)
    return {way: f"({chr(ord('a') + i)})" if i < 26 else f"({i})" for i, way in enumerate(ways)}


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _spread(values: list[float]) -> str:
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def _footnotes(results: list[Result]) -> list[str]:
    """Say how each row was trained, and that rows which differ in it are not to be compared."""
    ways = _ways(results)
    lines = [f"- {way} {regime}; data {data[:12]}" for (regime, data), way in ways.items()]
    if len(ways) > 1:
        lines.append("- rows of different letters differ in how or on what they were trained: compare with care")
    return lines
