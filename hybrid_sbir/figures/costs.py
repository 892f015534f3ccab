"""What backbones cost, read from a measured table (``bench models``) or from the thesis's Table 3.1."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Work = Literal["infer", "train"]

_PUBLISHED = {"infer": "inference_ms", "train": "training_ms"}
_THESIS = "batch 64, 224 x 224 pixels, two Titan X; operations by the thesis's own count"


@dataclass(frozen=True)
class Cost:
    """Of one backbone.

    Attributes:
        gmacs: of one image, 1e9 multiply-accumulates.
        parameters: millions.
        ms: of a batch, milliseconds, the median.
        low: a quarter of the rounds took less; the same as ``ms`` where only that was published.
        high: a quarter took more.
    """

    gmacs: float
    parameters: float
    ms: float
    low: float
    high: float


@dataclass(frozen=True)
class Costs:
    """Of several backbones, measured alike.

    Attributes:
        by_backbone: name -> cost.
        setting: how they were measured, in words.
        width: factor on all widths.
        size: side of the images, pixels.
    """

    by_backbone: dict[str, Cost]
    setting: str
    width: float
    size: int


def read_costs(path: Path, work: Work, dtype: str) -> Costs:
    """Read a table of costs.

    Args:
        path: a JSON file of rows as ``bench models`` writes it, or a CSV file of the thesis's columns.
        work: inference or a training step.
        dtype: of the rows to take, ``float32``.

    Raises:
        ValueError: if it is damaged, has no such rows, or rows of several settings.
        OSError: if it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return _published(text, work) if path.suffix == ".csv" else _measured(json.loads(text), work, dtype)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        words = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else error
        raise ValueError(f"{path}: no table of costs to draw ({words})") from error


def _published(text: str, work: Work) -> Costs:
    costs = {}
    for row in csv.DictReader(text.splitlines()):
        ms = float(row[_PUBLISHED[work]])
        costs[row["backbone"]] = Cost(float(row["gmacs"]), float(row["parameters_millions"]), ms, ms, ms)
    if not costs:
        raise ValueError("it has no rows")
    return Costs(costs, _THESIS, 1.0, 224)


def _measured(rows: list[dict[str, Any]], work: Work, dtype: str) -> Costs:
    """The rows of one type, in this package's layout."""
    own = [row for row in rows if row["job"]["dtype"] == dtype and not row["job"]["published"]]
    settings = sorted({_setting(row) for row in own})
    if len(settings) != 1:
        have = sorted({row["job"]["dtype"] for row in rows})
        found = f"these settings in {dtype}: {'; '.join(settings)}" if settings else f"types: {', '.join(have)}"
        raise ValueError(f"it must have rows of one setting in {dtype} (--dtype); it has {found}")
    job = own[0]["job"]
    costs = {row["job"]["backbone"]: _cost(row, work) for row in own}
    return Costs(costs, settings[0], float(job["width"]), int(job["size"]))


def _cost(row: dict[str, Any], work: Work) -> Cost:
    time = row[work]["ms"]
    return Cost(row["macs"] / 1e9, row["parameters"] / 1e6, time["median"], time["low"], time["high"])


def _setting(row: dict[str, Any]) -> str:
    job, machine = row["job"], row["machine"]
    device = machine["device"]
    threads = f", {machine['cpu']['threads']} threads" if device["type"] == "cpu" else ""
    return (
        f"batch {job['batch']}, {job['size']} x {job['size']} pixels, {device['name']}{threads}, {job['dtype']}, "
        f"{job['activation']}-activation, width {job['width']:g}"
    )
