"""A score a row, from runs or from a table of published numbers."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from hybrid_sbir.figures.reading import read
from hybrid_sbir.results.records import RunRecord

_ORDER = ("test/map", "val/top1", "val/map")  # which score a figure shows where none was asked for


@dataclass(frozen=True)
class Scored:
    """A row's score in percent.

    Attributes:
        row: its name.
        backbone: its backbone's name.
        mean: over the seeds.
        low: the least of the seeds.
        high: the greatest.
        seeds: how many; 0 of a published number.
    """

    row: str
    backbone: str
    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class Scores:
    """Rows to show.

    Attributes:
        score: ``val/top1``, or a published table's column.
        rows: in the order found.
        runs: that they are of.
        notes: what is left out, and why.
    """

    score: str
    rows: tuple[Scored, ...]
    runs: tuple[RunRecord, ...]
    notes: tuple[str, ...]


def read_scores(paths: Sequence[Path], score: str | None, only: str) -> Scores:
    """Read the scores of runs, mean over seeds, and of tables of published numbers.

    Args:
        paths: folders of runs, or CSV files; not both.
        score: a name in metrics.json, or a column; by default test mAP, validation top-1 or mAP, whichever is there.
        only: rows whose names match one of these patterns, shell-style, with spaces between.

    Raises:
        ValueError: if there is no such score.
        OSError: if a table cannot be read.
    """
    tables = [path for path in paths if path.suffix == ".csv"]
    if tables and len(tables) < len(paths):
        raise ValueError(f"give runs or tables of published numbers, not both; got {', '.join(map(str, paths))}")
    return _published(tables, score, only) if tables else _run(paths, score, only)


def _published(paths: Sequence[Path], score: str | None, only: str) -> Scores:
    rows: list[dict[str, str]] = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    columns = [name for name in (rows[0] if rows else {}) if name not in ("row", "backbone", "activation")]
    column = (score or _first(columns, ("map", "top1"))).rpartition("/")[2]
    if column not in columns:
        raise ValueError(f"{paths[0]} has no column {column!r}; --score can be {', '.join(columns) or 'none'}")
    chosen = _chosen([_row_name(row) for row in rows], only)
    found = [(_row_name(row), row[column]) for row in rows if _row_name(row) in chosen]
    try:
        scored = [Scored(name, name.partition("-")[0], *3 * (float(value),), 0) for name, value in found if value]
    except ValueError as error:
        raise ValueError(f"{paths[0]}, column {column}: {error}") from error
    gone = [name for name, value in found if not value]
    notes = (f"without a published number: {', '.join(gone)}",) if gone else ()
    return Scores(column, tuple(scored), (), notes)


def _chosen(rows: Sequence[str], only: str) -> set[str]:
    """The rows asked for; one in a folder of its own, stage1/NAME, only by a pattern with that folder."""
    found = {
        row
        for row in rows
        for pattern in only.split()
        if fnmatch(row, pattern) and row.count("/") == pattern.count("/")
    }
    if not found:
        raise ValueError(f"no row matches {only!r}; there are {', '.join(dict.fromkeys(rows))}")
    return found


def _row_name(row: dict[str, str]) -> str:
    """A table's rows are named, or told by backbone and activation."""
    return row.get("row") or f"{row.get('backbone')}-{row.get('activation')}"


def _run(paths: Sequence[Path], score: str | None, only: str) -> Scores:
    runs, problems = read(paths)
    chosen = _chosen([run.row for run in runs], only) if runs else set()
    runs = [run for run in runs if run.row in chosen]
    names = sorted({name for run in runs for name in run.scores})
    wanted = score or _first(names, _ORDER)
    rows: dict[str, dict[int, RunRecord]] = defaultdict(dict)
    notes = list(problems)
    for run in runs:
        if wanted in run.scores:
            other = rows[run.row].setdefault(run.seed or 0, run)
            if run.part > other.part:  # of two stages the later one is the result
                rows[run.row][run.seed or 0] = run
    if not rows:
        raise ValueError(
            f"no run has {wanted or 'a score'}; --score can be {', '.join(names) or 'none'}" + _told(problems)
        )
    without = dict.fromkeys(run.row for run in runs if run.row not in rows)
    notes += [f"without {wanted}: {', '.join(without)}"] if without else []
    notes += [f"{run.name} has {run.epochs} of {run.max_epochs} epochs" for run in runs if not run.finished]
    drawn = tuple(run for seeds in rows.values() for run in seeds.values())
    return Scores(wanted, tuple(_mean(row, seeds.values(), wanted) for row, seeds in rows.items()), drawn, tuple(notes))


def _mean(row: str, runs: Iterable[RunRecord], score: str) -> Scored:
    several = list(runs)
    values = [100 * run.scores[score] for run in several]
    return Scored(row, several[0].backbone, sum(values) / len(values), min(values), max(values), len(values))


def _first(names: Sequence[str], order: Sequence[str]) -> str:
    return next((name for name in order if name in names), names[0] if names else "")


def _told(problems: Sequence[str]) -> str:
    return f" ({'; '.join(problems)})" if problems else ""
