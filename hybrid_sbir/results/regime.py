"""What a run has less of than the thesis's regime: epochs, pixels, width, classes, in words."""

from typing import Any

from hybrid_sbir.results.definition import Definition
from hybrid_sbir.results.lines import Line
from hybrid_sbir.results.record_file import mapping
from hybrid_sbir.results.records import RunRecord

_WORDS = {"max_epochs": "epochs", "size": "pixels a side", "width": "of the width", "batch_size": "samples a batch"}
_MISSING = object()


def remark_on_cuts(definition: Definition, lines: list[Line]) -> list[str]:
    """Say what differs from the thesis's regime: a note if it is the same for all lines with runs, else remarks.

    Returns:
        Notes on all lines.
    """
    said = {id(line): _line(definition, line) for line in lines if line.runs.get(definition.run)}
    words = list(said.values())
    if words and all(each == words[0] for each in words):
        return [f"All rows, against the thesis's regime: {words[0]}."] if words[0] else []
    for line in lines:
        if said.get(id(line)):
            line.remarks.append(f"against the thesis's regime: {said[id(line)]}")
    return []


def _line(definition: Definition, line: Line) -> str:
    """What differs in any of a line's runs."""
    parts = definition.parts_of(line.row) or {}
    each = [_run(definition.regime, run, {**parts, "part": line.part}) for run in line.runs[definition.run]]
    return "; ".join(dict.fromkeys(words for words in each if words))


def _run(regime: dict[str, Any], run: RunRecord, parts: dict[str, str]) -> str:
    less, other = [], []
    for name, wanted in regime.items():
        value, own = _for_row(wanted, parts), _own(run, name)
        words = _WORDS.get(name.rpartition(".")[2], name.rpartition(".")[2])
        if value is None or own is _MISSING or own == value:
            continue
        if _is_number(own) and _is_number(value) and own < value:
            less.append(f"{own:g} of {value:g} {words}" if words != "of the width" else f"{own:g} {words}")
        else:
            other.append(f"{words} {own} instead of {value}")
    if not run.finished:
        less.insert(0, f"stopped after {run.epochs} of its {run.max_epochs} epochs")
    return "; ".join(([f"cut: {', '.join(less)}"] if less else []) + ([f"other: {', '.join(other)}"] if other else []))


def _for_row(wanted: Any, parts: dict[str, str]) -> Any:
    """A setting that depends on a part of the row's name is given by the part's values."""
    if not isinstance(wanted, dict):
        return wanted
    return next((value for key, value in wanted.items() if str(key) in parts.values()), None)


def _own(run: RunRecord, name: str) -> Any:
    """A run's setting by its dotted name.

    ``classes`` are of its data, ``test.queries`` of an evaluation; ``origin.`` is of the classifier it started from.
    """
    if name == "classes":
        return run.data.get("classes", _MISSING)
    words = name.split(".")
    if words[0] == "origin":
        holder: Any = mapping(run.origin, "data") if words[1:] == ["classes"] else mapping(run.origin, "config")
        words = words[1:]
    else:
        holder = run.details if words[0] in run.details else run.config
    for word in words:
        if not isinstance(holder, dict) or word not in holder:
            return _MISSING
        holder = holder[word]
    return holder


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
