"""What a run has less of than the thesis's regime: epochs, pixels, width, classes, in words."""

from typing import Any

from hybrid_sbir.results.definition import Definition
from hybrid_sbir.results.lines import Line
from hybrid_sbir.results.record_file import mapping
from hybrid_sbir.results.records import RunRecord

_WORDS = {"max_epochs": "epochs", "size": "pixels a side", "width": "of the width", "batch_size": "samples a batch"}
_WORDS |= {"limit_train_batches": "batches an epoch"}
_ALL = "all"
_MISSING = object()
Item = tuple[str, str]  # cut or other, and the words


def remark_on_cuts(definition: Definition, lines: list[Line]) -> list[str]:
    """Say what differs from the thesis's regime: a note on what all lines with runs share, remarks on the rest.

    Returns:
        Notes on all lines.
    """
    ran = [line for line in lines if line.runs.get(definition.run)]
    items = [_line(definition, line) for line in ran]
    shared = [item for item in items[0] if all(item in other for other in items)] if items else []
    for line, own in zip(ran, items, strict=True):
        if rest := [item for item in own if item not in shared]:
            line.remarks.append(f"against the thesis's regime: {_said(rest)}")
    return [f"All rows, against the thesis's regime: {_said(shared)}."] if shared else []


def _said(items: list[Item]) -> str:
    kinds = dict.fromkeys(kind for kind, _ in items)
    return "; ".join(f"{kind}: {', '.join(words for own, words in items if own == kind)}" for kind in kinds)


def _line(definition: Definition, line: Line) -> list[Item]:
    """What differs in any of a line's runs."""
    parts = {**(definition.parts_of(line.row) or {}), "part": line.part}
    found = (item for run in line.runs[definition.run] for item in _run(definition.regime, run, parts))
    return sorted(dict.fromkeys(found), key=lambda item: item[0])


def _run(regime: dict[str, Any], run: RunRecord, parts: dict[str, str]) -> list[Item]:
    items: list[Item] = []
    for name, wanted in regime.items():
        value, own = _for_row(wanted, parts), _own(run, name)
        if value is None or own is _MISSING or own is None or own == value:
            continue
        words = _WORDS.get(name.rpartition(".")[2], name.rpartition(".")[2])
        if value == _ALL or (_is_number(own) and _is_number(value) and own < value):
            joint = "instead of" if value == _ALL else "of"
            share = _plain(own) if words == "of the width" else f"{_plain(own)} {joint} {_plain(value)}"
            items.append(("cut", f"{share} {words}"))
        else:
            items.append(("other", f"{words} {own} instead of {value}"))
    return items


def _for_row(wanted: Any, parts: dict[str, str]) -> Any:
    """A setting that depends on a part of the row's name is given by the part's values."""
    if not isinstance(wanted, dict):
        return wanted
    return next((value for key, value in wanted.items() if str(key) in parts.values()), None)


def _own(run: RunRecord, name: str) -> Any:
    """A run's setting by its dotted name.

    ``classes`` are of its data, ``test.queries`` of an evaluation; ``origin.`` is of the classifier it started from. A
    batch is that of all processes.
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
    if name == "data.init_args.batch_size" and _is_number(holder):
        return holder * run.processes
    return holder


def _plain(value: Any) -> str:
    return f"{value:g}" if _is_number(value) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
