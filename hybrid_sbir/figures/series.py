"""Curves to draw, from runs: the seeds of a row together, its stages one after another.

E epochs.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hybrid_sbir.results.records import RunRecord


@dataclass(frozen=True)
class Series:
    """A row's score over its epochs, in percent.

    Attributes:
        row: its name.
        epochs: 1, 2, ... (E,); of several stages counted on.
        mean: over the seeds, (E,); NaN where there is no value.
        low: the least of the seeds, (E,).
        high: the greatest.
        seeds: of the runs that are in the mean.
        borders: epochs after which a next stage begins.
    """

    row: str
    epochs: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    seeds: tuple[int, ...]
    borders: tuple[int, ...]


@dataclass(frozen=True)
class _Line:
    """One seed's curve, its stages joined."""

    seed: int
    values: tuple[float, ...]
    borders: tuple[int, ...]


def gather(runs: Sequence[RunRecord], score: str) -> tuple[dict[str, Series], list[str]]:
    """Join the stages of each run and the seeds of each row.

    Args:
        runs: in the order of preference: of two of the same name the first is drawn.
        score: a column of metrics.csv, ``val/top1``.

    Returns:
        The curves by row, and notes: what is left out of them, and why.
    """
    rows: dict[str, dict[int, dict[str, RunRecord]]] = defaultdict(lambda: defaultdict(dict))
    notes: list[str] = []
    for run in runs:
        first = rows[run.row][run.seed or 0].setdefault(run.part, run)
        if first is not run and first.curve != run.curve:
            notes.append(f"{run.name} was found twice, with other numbers: drawn from {first.folder}, not {run.folder}")
    series = {}
    stages = {run.part for run in runs if run.part}
    for row, seeds in rows.items():
        notes += [
            f"{row}, seed {n}: without {gone}" for n, parts in seeds.items() for gone in sorted(stages - {*parts})
        ]
        for seed, parts in seeds.items():
            if gone := sorted(stages - {*parts}) if any(parts) else []:
                notes.append(f"{row}, seed {seed}: without {', '.join(gone)}")
        lines = [line for seed, parts in seeds.items() if (line := _joined(row, seed, parts, score, notes))]
        if lines:
            series[row] = _together(row, lines, notes)
    return series, notes


def _joined(row: str, seed: int, parts: dict[str, RunRecord], score: str, notes: list[str]) -> _Line | None:
    """A run's stages as one curve; None where there is nothing to draw."""
    values: list[float] = []
    borders: list[int] = []
    for part in sorted(parts):
        run = parts[part]
        found = [100 * epoch.get(score, math.nan) for epoch in run.curve]
        if not any(map(math.isfinite, found)):
            continue
        if values:
            borders.append(len(values))
        values += found
        if not run.finished:
            notes.append(f"{run.name} has {run.epochs} of {run.max_epochs} epochs so far")
    if not values:
        notes.append(f"{row}, seed {seed}: no {score} in its epochs")
        return None
    return _Line(seed, tuple(values), tuple(borders))


def _together(row: str, lines: list[_Line], notes: list[str]) -> Series:
    """Mean and range over the seeds that have all epochs; a shorter one would make the mean jump where it ends."""
    longest = max(len(line.values) for line in lines)
    whole = sorted((line for line in lines if len(line.values) == longest), key=lambda line: line.seed)
    for line in lines:
        if line not in whole:
            notes.append(f"{row}, seed {line.seed}: {len(line.values)} epochs, {longest} of others; not in the mean")
        if gaps := [epoch for epoch, value in enumerate(line.values, 1) if not math.isfinite(value)]:
            notes.append(f"{row}, seed {line.seed}: no value in epoch {', '.join(map(str, gaps))}")
    columns = list(zip(*(line.values for line in whole), strict=True))
    known = [[value for value in column if math.isfinite(value)] for column in columns]
    return Series(
        row,
        list(range(1, longest + 1)),
        [sum(column) / len(column) if column else math.nan for column in known],
        [min(column, default=math.nan) for column in known],
        [max(column, default=math.nan) for column in known],
        tuple(line.seed for line in whole),
        whole[0].borders,
    )
