"""Runs sorted into the lines of a table, and the numbers of its cells: means and deviations over seeds."""

from dataclasses import dataclass, field
from statistics import mean, stdev

from hybrid_sbir.results.class_intervals import class_interval
from hybrid_sbir.results.definition import Column, Definition
from hybrid_sbir.results.records import RunRecord


@dataclass
class Line:
    """A row of the table, or one part of it.

    Attributes:
        row: its name.
        part: the stage, say; empty where there is only one.
        last: whether it is the row's last part, beside which the published numbers stand.
        runs: pattern of runs' names -> the runs, a seed each.
        remarks: what a reader must know before comparing it.
    """

    row: str
    part: str
    last: bool = True
    runs: dict[str, list[RunRecord]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Value:
    """A cell: numbers in percent.

    Attributes:
        mean: over the seeds; None if there is none.
        deviation: over them, None for a single one.
        n: how many.
        low: lower end of the mean's bootstrap interval, other classes drawn; None where the record has no classes.
        high: its upper end.
        published: the thesis's number as it was printed; empty if there is none.
        best: whether it is the column's best own number.
        partial: whether some of the row's seeds have no number here.
    """

    mean: float | None = None
    deviation: float | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None
    published: str = ""
    best: bool = False
    partial: bool = False

    @property
    def difference(self) -> float | None:
        """Own mean minus the published number, in points; None without either."""
        return self.mean - float(self.published) if self.mean is not None and self.published else None


def sort_runs(definition: Definition, runs: list[RunRecord]) -> tuple[list[Line], list[str]]:
    """Sort runs into lines.

    Returns:
        The table's lines in order, rows not listed last; and a line for each run that has no place.
    """
    problems = [f"{run.path}: no score yet" for run in runs if not run.scores]
    runs = [run for run in runs if run.scores]
    found = [definition.row_of(run.name) for run in runs]
    rows = [*definition.rows, *dict.fromkeys(row for row in found if row is not None and row not in definition.rows)]
    last = definition.parts[-1]
    lines = [Line(row, part, part == last) for row in rows for part in definition.parts]
    used: set[int] = set()
    for run_name in dict.fromkeys([definition.run, *(c.run for c in definition.columns if c.run)]):
        for line in lines:
            if line.last or "{part}" in run_name:
                line.runs[run_name] = _of_line(definition, run_name, line, runs, used, problems)
    strangers = [run.name for run in runs if id(run) not in used]
    if strangers:
        more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
        problems.append(f"no rows of this table: {', '.join(strangers[:3])}{more}")
    return lines, problems


def _of_line(
    definition: Definition, run_name: str, line: Line, runs: list[RunRecord], used: set[int], problems: list[str]
) -> list[RunRecord]:
    """A line's runs, a seed each, in the order of the seeds."""
    pattern = definition.run_pattern(run_name, line.row, line.part)
    own: dict[int | None, RunRecord] = {}
    for run in runs:
        if not any(map(pattern.fullmatch, _names(run))):
            continue
        used.add(id(run))
        first = own.setdefault(run.seed, run)
        problem = f"{run.path}: a second result of seed {run.seed} of {line.row}, after {first.path}; it does not count"
        if first is not run and problem not in problems:
            problems.append(problem)
    return [own[seed] for seed in sorted(own, key=lambda seed: -1 if seed is None else seed)]


def _names(run: RunRecord) -> list[str]:
    """What a run is called, and what its place is called: a folder may have been moved below another."""
    parts = run.folder.resolve().parts
    return [run.name, *("/".join(parts[-depth:]) for depth in (1, 2))]


def value(definition: Definition, line: Line, column: Column) -> Value:
    """Return a line's number in a column."""
    beside = line.last and definition.published == "beside"
    published = definition.reference.get(line.row, {}).get(column.key, "") if beside else ""
    return own_value(line.runs.get(column.run or definition.run, []), column, published)


def own_value(runs: list[RunRecord], column: Column, published: str = "") -> Value:
    """Return the number of runs that differ in their seed only."""
    counted = [run for run in runs if counts(run, column)]
    if not counted:
        return Value(published=published)
    numbers = [100 * run.scores[column.score] for run in counted]
    low, high = class_interval(counted, column.score) if column.interval else (None, None)
    deviation = stdev(numbers) if len(numbers) > 1 else None
    partial = len(counted) < len(runs)
    return Value(mean(numbers), deviation, len(numbers), low, high, published, partial=partial)


def counts(run: RunRecord, column: Column) -> bool:
    """Whether a run has this column's score, from where the column takes it."""
    return column.score in run.scores and column.section in (None, run.evaluated[column.score])
