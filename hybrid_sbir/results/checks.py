"""Whether the rows of a table may be compared: data, settings and what was measured, against the neighbours'."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

from hybrid_sbir.results.definition import Column, Definition
from hybrid_sbir.results.lines import Line, counts
from hybrid_sbir.results.record_file import mapping
from hybrid_sbir.results.records import RunRecord

_SHOWN = 6  # differences in words
Facts = dict[str, str]
Found = list[tuple[Line, RunRecord]]


def check(definition: Definition, lines: list[Line]) -> None:
    """Add to each line's remarks what tells its runs from the neighbours'.

    The neighbours are the runs of the same column that share the parts of the name that ``alike`` lists; what most of
    them have is the rule, and where there is no majority what the first has.
    """
    for name in dict.fromkeys([definition.run, *(c.run for c in definition.columns if c.run)]):
        found = [(line, run) for line in lines for run in line.runs.get(name, [])]
        for line, run in found:
            if not run.finished:
                line.remarks.append(
                    f"not at its end: {run.name}, stopped after {run.epochs} of {run.max_epochs} epochs"
                )
        for about, facts in (("data", _data), ("settings", _settings)):
            for group in _groups(definition, about, found):
                _compare(group, [facts(run) for _, run in group], _WORDS[about])
        for column in definition.columns:
            if (column.run or definition.run) == name:
                measured = [(line, run) for line, run in found if counts(run, column)]
                _compare(
                    measured, [_measured(run, column) for _, run in measured], f"{column.heading} is measured otherwise"
                )


_WORDS = {"data": "other data", "settings": "trained otherwise"}


def _groups(definition: Definition, about: str, found: Found) -> Iterable[Found]:
    groups: dict[Hashable, Found] = defaultdict(list)
    for line, run in found:
        parts = definition.parts_of(line.row) or {}
        key = (line.part, *(parts.get(name) for name in definition.alike.get(about, [])))
        groups[key].append((line, run))
    return groups.values()


def _compare(group: Found, facts: list[Facts], words: str) -> None:
    """Remark on those whose facts are not the group's rule."""
    if not facts:
        return
    rule = dict(Counter(tuple(sorted(each.items())) for each in facts).most_common(1)[0][0])
    for (line, _), own in zip(group, facts, strict=True):
        names = [name for name in sorted({*rule, *own}) if rule.get(name) != own.get(name)]
        if not names:
            continue
        said = [
            f"{name} {own.get(name, 'not set')} (neighbours: {rule.get(name, 'not set')})" for name in names[:_SHOWN]
        ]
        more = f" and {len(names) - _SHOWN} more settings" if len(names) > _SHOWN else ""
        remark = f"{words}: {'; '.join(said)}{more}"
        if remark not in line.remarks:
            line.remarks.append(remark)


def _data(run: RunRecord) -> Facts:
    """What it was trained and evaluated on."""
    return {"fingerprint": run.fingerprint[:12], "classes": str(run.data.get("classes"))}


def _settings(run: RunRecord) -> Facts:
    """How it was trained."""
    return run.settings


def _measured(run: RunRecord, column: Column) -> Facts:
    """What a score is the mean of, and what computed it."""
    about = run.details.get(column.score.partition("/")[0], {})
    section = run.evaluated[column.score]
    facts = {
        "scored by": {"best": "training, its best epoch"}.get(section, section),
        "record's format": str(run.record.get("format")),
        "version of hybrid-sbir": str(run.versions.get("hybrid-sbir")),
        "classes": str(mapping(mapping(run.record, section), "data").get("classes", run.data.get("classes"))),
    }
    for name in ("queries", "catalogue", "definition"):
        if name in about:
            facts[name] = str(about[name])
    if isinstance(about.get("per_class"), dict) and "samples" not in about:  # a classifier's classes are its data's
        facts["evaluated classes"] = _digest(about["per_class"])
    return facts


def _digest(per_class: dict[str, Any]) -> str:
    """Stands for the classes' names and how many queries each has."""
    sizes = {name: about.get("queries") for name, about in per_class.items() if isinstance(about, dict)}
    digest = hashlib.sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()
    return f"{len(sizes)} ({digest[:8]})"
