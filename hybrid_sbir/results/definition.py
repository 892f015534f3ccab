"""The definition of a table: a YAML file that says which rows and columns it has and what the thesis got.

``title``: of the table. ``rows``: names without seeds, in order. ``names``: what a row's name is made of,
``"{backbone}-{activation}"``. ``run``: the name of a row's run, ``"{row}-seed{seed}"``; it may also have the parts of
the row's name, and ``{part}`` where ``parts`` are given (a line each). ``columns``: ``{key, heading, score}``, the
score as metrics.json has it; and ``run``, of other runs than the row's own; ``section: validate``, only if it is from
there; ``interval: false``. ``reference``: a CSV file of published numbers, percent: ``row`` and the columns' keys.

``regime``: what the thesis trained with, by settings' names; a value may depend on a part of the row's name; ``all``
is what a setting that limits something leaves out; null in a run is the trainer's default, and so not said.
``alike``: parts of the names; rows that share them must have the same ``settings`` and the same ``data``.
``labels``: words for values of a part, or a folder whose files NN_WORDS.yaml give them. ``derived``: further parts of a
name, from others. ``published: rows``: published numbers that own ones cannot be compared with are rows of their own,
whatever their names. ``others``: of which names runs not listed are rows too (``["*-modern"]``); by default of all that
fit ``names``. ``notes``: sentences below the table.
"""

import csv
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path
from string import Formatter
from typing import Any, Literal

import yaml


class ReportError(ValueError):
    """A definition or a reference that cannot be used, or nothing to make a table of."""


@dataclass(frozen=True)
class Column:
    """A column of own numbers; see the module."""

    key: str
    heading: str
    score: str
    run: str | None = None
    section: str | None = None
    interval: bool = True

    @property
    def uses_catalogue(self) -> bool:
        """Whether its ranking needs all photos: query expansion and re-ranking do."""
        return self.score.partition("/")[0].endswith(("_expanded", "_reranked"))

    @property
    def shown(self) -> str:
        """The heading, with an asterisk where the catalogue is used."""
        return f"{self.heading}*" if self.uses_catalogue else self.heading


@dataclass(frozen=True)
class Definition:
    """A table; see the module for the fields."""

    title: str
    rows: list[str]
    run: str
    columns: list[Column]
    names: str = "{row}"
    parts: list[str] = field(default_factory=lambda: [""])
    reference: dict[str, dict[str, str]] = field(default_factory=dict)
    regime: dict[str, Any] = field(default_factory=dict)
    alike: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    derived: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    published: Literal["beside", "rows"] = "beside"
    others: list[str] = field(default_factory=lambda: ["*"])
    notes: list[str] = field(default_factory=list)

    def parts_of(self, row: str) -> dict[str, str] | None:
        """Take a row's name apart, by ``names``; None if it is not made so."""
        found = re.fullmatch(_pattern(self.names, {}), row)
        if found is None:
            return None
        parts = found.groupdict() | {"row": row}
        for name, tables in self.derived.items():
            for part, values in tables.items():
                parts[name] = values.get(parts.get(part, ""), "none")
        return parts

    def run_pattern(self, run: str, row: str, part: str) -> re.Pattern[str]:
        """Return what the names of a row's runs look like; the group ``seed`` is the seed."""
        return re.compile(_pattern(run, {**(self.parts_of(row) or {}), "row": row, "part": part}))

    def row_of(self, name: str) -> str | None:
        """Return the row that a run of this name belongs to, listed or among the others; None if to none."""
        for part in self.parts:
            found = re.fullmatch(_pattern(self.run, {"part": part}), name)
            row = found["row"] if found else ""
            if self.parts_of(row) is not None and (row in self.rows or any(fnmatch(row, each) for each in self.others)):
                return row
        return None

    def label(self, part: str, value: str) -> str:
        """Return a part's value in words."""
        words = self.labels.get(part, {}).get(value)
        return value if words is None else words

    @property
    def label_names(self) -> list[str]:
        """What a row's name is made of, in order."""
        return [name for _, name, _, _ in Formatter().parse(self.names) if name]


def _pattern(template: str, known: dict[str, str]) -> str:
    """A regular expression for names made by a template; what is not known is a group of its own."""
    words = []
    for literal, name, _, _ in Formatter().parse(template):
        words.append(re.escape(literal))
        if name is not None:
            unknown = rf"(?P<{name}>\d+)" if name == "seed" else f"(?P<{name}>[^/]+)" if name == "row" else ""
            words.append(re.escape(known[name]) if name in known else unknown or f"(?P<{name}>[^-/]+)")
    return "".join(words)


def read_definition(path: Path) -> Definition:
    """Read a table's definition and the published numbers it names.

    Raises:
        ReportError: if one cannot be read or does not fit; says what does.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _checked(path, dict(raw))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as e:
        if isinstance(e, ReportError):
            raise
        words = f"{type(e).__name__}: {e}".replace("\n", " ")
        raise ReportError(
            f"{path}: not the definition of a table ({words}); see experiments/table_4_1/table.yaml"
        ) from e


def _checked(path: Path, raw: dict[str, Any]) -> Definition:
    known = set(Definition.__dataclass_fields__)
    if wrong := sorted(set(raw) - known):
        raise ReportError(f"{path}: no such field: {', '.join(wrong)}; there are {', '.join(sorted(known))}")
    columns = [Column(**each) for each in raw["columns"]]
    reference = raw.pop("reference", None)
    numbers = read_reference(path.parent / reference, [c.key for c in columns]) if reference else {}
    labels = {part: _labels(path.parent, words) for part, words in raw.pop("labels", {}).items()}
    own = {**raw, "columns": columns, "rows": [str(row) for row in raw["rows"]]}
    definition = Definition(**own, reference=numbers, labels=labels)
    if strange := [row for row in definition.rows if definition.parts_of(row) is None]:
        raise ReportError(f"{path}: rows {', '.join(strange)} are not made as names says: {definition.names}")
    if definition.published not in ("beside", "rows"):
        raise ReportError(f"{path}: published is {definition.published}; it can be beside, rows")
    if definition.published == "beside" and (strange := sorted(set(numbers) - set(definition.rows))):
        raise ReportError(f"{path.parent / reference}: rows {', '.join(strange)} are none of the table's")
    return definition


def _labels(folder: Path, words: Any) -> dict[str, str]:
    """Words for a part's values: a mapping, or a folder of files NN_WORDS.yaml, of which several may share a number."""
    if isinstance(words, dict):
        return {str(value): str(label) for value, label in words.items()}
    names = sorted(file.name.split(".")[0] for file in (folder / words).glob("*_*.yaml"))
    return {
        name.partition("_")[0]: f"{name.partition('_')[0]} {name.partition('_')[2].replace('_', ' ')}" for name in names
    }


def read_reference(path: Path, keys: list[str]) -> dict[str, dict[str, str]]:
    """Read published numbers: row -> column -> the number in percent, as it was printed.

    Raises:
        ReportError: if the file is missing, damaged, or has a column that the table has not.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        if wrong := sorted(set(rows[0] if rows else ["row"]) - {"row", *keys}, key=str):
            raise ReportError(f"{path}: columns {', '.join(map(str, wrong))}; the table has row, {', '.join(keys)}")
        found = {r["row"]: {k: r[k] for k in keys if r.get(k)} for r in rows}
        _ = [float(number) for row in found.values() for number in row.values()]
    except ReportError:
        raise
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as e:
        raise ReportError(f"{path}: not a table of row,{','.join(keys)} in percent ({type(e).__name__}: {e})") from e
    if len(found) < len(rows):
        raise ReportError(f"{path}: a row is there twice; give each once")
    return found
