"""A table as it is to be printed: labels, values, and sentences below; no form yet."""

from dataclasses import dataclass, field, replace

from hybrid_sbir.results.checks import check
from hybrid_sbir.results.definition import Definition
from hybrid_sbir.results.lines import Line, Value, sort_runs, value
from hybrid_sbir.results.records import RunRecord
from hybrid_sbir.results.regime import remark_on_cuts

NOT_RUN, NO_SCORE, PUBLISHED = "not run", "no score yet", "published"
USES_CATALOGUE = "Headings with an asterisk: uses the catalogue, so that a photo's place depends on the other photos."
_SPREAD = "Percent; mean ± standard deviation over n seeds."
_INTERVAL = "[low, high]: 95 % bootstrap interval of the mean, the evaluated classes drawn again."
_BOLD = "Bold: the best of the rows that may be compared."


@dataclass(frozen=True)
class Heading:
    """Of a column of numbers.

    Attributes:
        key: its name in CSV.
        words: its name in print.
        published: whether published numbers stand beside it, and the differences to the own ones.
    """

    key: str
    words: str
    published: bool = False


@dataclass(frozen=True)
class Row:
    """A row of the table: its names, how many seeds or "not run", a value a heading, and what to look up below."""

    labels: list[str]
    n: str
    values: list[Value]
    mark: str = ""
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """See the module; ``marked`` is the heading of the marks, ``notes`` are sentences, ``problems`` files left out."""

    title: str
    labels: list[str]
    headings: list[Heading]
    rows: list[Row]
    marked: str = "remarks"
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def fill(definition: Definition, runs: list[RunRecord]) -> Table:
    """Make the table of a definition from runs, with what must be known to compare its rows."""
    lines, problems = sort_runs(definition, runs)
    check(definition, lines)
    comparable = [not line.remarks for line in lines]
    cut = remark_on_cuts(definition, lines)
    cells = [[value(definition, line, column) for column in definition.columns] for line in lines]
    embolden(cells, comparable)
    numbers = _numbers(lines)
    parts = [] if definition.parts == [""] else ["stage"]
    rows = [_row(definition, line, own, numbers) for line, own in zip(lines, cells, strict=True)]
    headings = [
        Heading(column.key, column.shown, any(row[place].published for row in cells))
        for place, column in enumerate(definition.columns)
    ]
    if definition.published == "rows":
        rows += [_published(definition, name) for name in definition.reference]
    notes = [*general_notes(headings, cells), *definition.notes, *cut]
    notes += [f"[{number}] {remark}." for remark, number in numbers.items()]
    return Table(definition.title, [*definition.label_names, *parts], headings, rows, "remarks", notes, problems)


def general_notes(headings: list[Heading], cells: list[list[Value]]) -> list[str]:
    """Say how the numbers are to be read."""
    values = [each for row in cells for each in row]
    notes = [_SPREAD]
    notes += [_INTERVAL] if any(each.low is not None for each in values) else []
    notes += [_BOLD] if any(each.best for each in values) else []
    return notes + ([USES_CATALOGUE] if any(each.words.endswith("*") for each in headings) else [])


def embolden(cells: list[list[Value]], comparable: list[bool]) -> None:
    """Mark the best own number of each column, among rows that may be compared; of a single one there is no best."""
    for place in range(len(cells[0]) if cells else 0):
        column = [row[place].mean for row, may in zip(cells, comparable, strict=True) if may]
        known = [round(number, 2) for number in column if number is not None]
        for row, may in zip(cells, comparable, strict=True):
            own = row[place].mean
            if len(known) > 1 and may and own is not None and round(own, 2) == max(known):
                row[place] = replace(row[place], best=True)


def _numbers(lines: list[Line]) -> dict[str, int]:
    """A number for each remark; rows with the same share it."""
    remarks = dict.fromkeys(remark for line in lines for remark in line.remarks)
    return {remark: place for place, remark in enumerate(remarks, 1)}


def _row(definition: Definition, line: Line, values: list[Value], numbers: dict[str, int]) -> Row:
    parts = definition.parts_of(line.row) or {}
    labels = [definition.label(name, parts[name]) for name in definition.label_names]
    labels += [definition.label("part", line.part)] if definition.parts != [""] else []
    own = [each.n for each, column in zip(values, definition.columns, strict=True) if column.run is None]
    n = NOT_RUN if not line.runs.get(definition.run) else str(max(own)) if any(own) else NO_SCORE
    return Row(labels, n, values, " ".join(f"[{numbers[remark]}]" for remark in line.remarks), line.remarks)


def _published(definition: Definition, name: str) -> Row:
    """A row of published numbers, by what its name is made of or, of another's system, as it is called."""
    parts, numbers = definition.parts_of(name), definition.reference[name]
    labels = [definition.label(each, parts[each]) for each in definition.label_names] if parts else [name]
    labels += [""] * (len(definition.label_names) + (definition.parts != [""]) - len(labels))
    return Row(labels, PUBLISHED, [Value(published=numbers.get(column.key, "")) for column in definition.columns])
