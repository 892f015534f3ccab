"""Runs of any kind in a table a kind, without a definition: letters say which were trained alike."""

from collections import defaultdict
from typing import Any

from hybrid_sbir.results.definition import Column
from hybrid_sbir.results.lines import own_value
from hybrid_sbir.results.record_file import mapping
from hybrid_sbir.results.records import RunRecord
from hybrid_sbir.results.settings import different
from hybrid_sbir.results.table import Heading, Row, Table, embolden, general_notes

_SHOWN = 8  # settings in words
_RANKED = [("map", "mAP"), ("mrr", "mRR"), ("p10", "P@10")]
COLUMNS = {
    "classification": [
        *(
            Column(f"{part}{measure}", f"{words}{heading}", f"{evaluation}/{measure}")
            for part, words, evaluation in (("", "", "val"), ("test_", "test ", "test"))
            for measure, heading in (("top1", "top-1"), ("top5", "top-5"))
        ),
    ],
    "retrieval": [
        *(Column(key, heading, f"test/{key}") for key, heading in _RANKED),
        Column("seen_map", "mAP seen", "test/seen_map"),
        Column("unseen_map", "mAP unseen", "test/unseen_map"),
        Column("expanded_map", "mAP expanded", "test_expanded/map"),
        Column("reranked_map", "mAP re-ranked", "test_reranked/map"),
        Column("val_map", "val. mAP", "val/map"),
        Column("val_unseen_map", "val. unseen mAP", "val_unseen/map"),
    ],
    "unimodal": [
        *(
            Column(f"{part}{key}", f"{words}{heading}", f"{evaluation}/{key}")
            for part, words, evaluation in (("", "", "test"), ("val_", "val. ", "val"))
            for key, heading in _RANKED
        ),
    ],
}
"""What is shown of each kind, as far as its runs have it; of another kind all scores."""

Reference = dict[str, dict[str, str]]


def tables(runs: list[RunRecord], reference: Reference | None = None) -> list[Table]:
    """Make a table of each kind of run; published numbers are found by the row's name or BACKBONE-ACTIVATION."""
    kinds: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        kinds[run.kind].append(run)
    return [_table(kind, own, reference or {}, len(kinds) > 1) for kind, own in kinds.items()]


def columns_of(kind: str, runs: list[RunRecord]) -> list[Column]:
    """Return the columns of a kind that any of the runs has a number for."""
    scores = dict.fromkeys(name for run in runs for name in run.scores)
    known = COLUMNS.get(kind) or [Column(name, name, name) for name in sorted(scores)]
    return [column for column in known if column.score in scores]


def _table(kind: str, runs: list[RunRecord], reference: Reference, titled: bool) -> Table:
    """A row for every backbone, activation, part and way of training, in the order of the runs."""
    ways = _ways(runs)
    grouped: dict[Any, list[RunRecord]] = defaultdict(list)
    for run in runs:
        grouped[run.backbone, run.activation, run.part or _task(run), run.way].append(run)
    columns = columns_of(kind, runs)
    cells = [
        [own_value(group, column, _published(reference, group[0], column)) for column in columns]
        for group in grouped.values()
    ]
    if len(ways) == 1:
        embolden(cells, [True] * len(cells))
    rows = [
        Row([_named(group), group[0].backbone, group[0].activation], str(len(group)), own, ways[group[0].way])
        for group, own in zip(grouped.values(), cells, strict=True)
    ]
    headings = [
        Heading(column.key, column.shown, any(row[place].published for row in cells))
        for place, column in enumerate(columns)
    ]
    notes = general_notes(headings, cells) + _footnotes(runs, ways)
    return Table(kind if titled else "", ["run", "backbone", "activation"], headings, rows, "trained as", notes)


def _published(reference: Reference, run: RunRecord, column: Column) -> str:
    own = reference.get(run.row) or reference.get(f"{run.backbone}-{run.activation}") or {}
    return own.get(column.key, "")


def _task(run: RunRecord) -> str:
    return str(mapping(run.config, "model").get("class_path"))


def _named(group: list[RunRecord]) -> str:
    """The runs' common row, or their names."""
    names = list(dict.fromkeys(f"{run.row}/{run.part}" if run.part else run.row for run in group))
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _ways(runs: list[RunRecord]) -> dict[Any, str]:
    """A letter for each way of training: only rows of one letter are to be compared."""
    ways = dict.fromkeys(run.way for run in runs)
    return {way: f"({chr(ord('a') + i)})" if i < 26 else f"({i})" for i, way in enumerate(ways)}


def _footnotes(runs: list[RunRecord], ways: dict[Any, str]) -> list[str]:
    """Say how each row was trained, and that rows which differ in it are not to be compared."""
    first = {run.way: run for run in reversed(runs)}
    base = next(iter(first[way] for way in ways))
    lines = []
    for way, letter in ways.items():
        run, own, other = first[way], first[way].settings, base.settings
        names = different([own, other])
        said = [f"{name} {own.get(name, 'not set')} ((a): {other.get(name, 'not set')})" for name in names[:_SHOWN]]
        said += [f"{len(names) - _SHOWN} more settings differ from (a)'s"] if len(names) > _SHOWN else []
        lines.append("; ".join([f"{letter} {_regime(run)}; data {run.fingerprint[:12]}", *said]))
    if len(ways) > 1:
        lines.append("rows of different letters differ in how or on what they were trained: compare with care")
    return lines


def _regime(run: RunRecord) -> str:
    """What was trained on and how long, in words, as far as the record tells."""
    data = mapping(mapping(run.config, "data"), "init_args")
    shape = [f"{name} {run.model[name]}" for name in ("width", "stem") if name in run.model]
    shape.append(f"{data.get('size', 224)} x {data.get('size', 224)} pixels")
    epochs = f"{run.epochs} epochs" if run.finished else f"{run.epochs} of {run.max_epochs} epochs"
    said = [f"{run.data.get('module')}, {run.data.get('classes')} classes", ", ".join(shape)]
    return "; ".join([*said, *([epochs] if run.max_epochs else [])])
