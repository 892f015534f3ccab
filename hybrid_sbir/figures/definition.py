"""Which rows share a panel of a figure of curves: read from a YAML file, or arranged by family."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hybrid_sbir.figures.names import FAMILIES, family
from hybrid_sbir.figures.paper import STROKES

_KEYS = {"title", "text", "thesis", "score", "axis", "reference", "panels"}
_PANEL_KEYS = {"title", "rows", "score", "axis"}


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: above it.
        rows: of its curves, in order, without the reference.
        score: a column of metrics.csv.
        axis: what the vertical axis is called.
    """

    title: str
    rows: tuple[str, ...]
    score: str
    axis: str


@dataclass(frozen=True)
class Definition:
    """A figure of curves.

    Attributes:
        title: of the figure.
        text: what the figure shows; empty for a sentence about the scores.
        thesis: how the thesis trained, for the caption of a cut regime; may be empty.
        reference: rows of which the first that was run is repeated in every panel.
        panels: in reading order.
    """

    title: str
    text: str
    thesis: str
    reference: tuple[str, ...]
    panels: tuple[Panel, ...]


def read_definition(path: Path) -> Definition:
    """Read a figure's definition: ``title``, ``score`` and ``panels``, each with ``title`` and ``rows``.

    ``text``, ``thesis``, ``axis`` and ``reference`` may be there. A panel may have its own ``score`` and ``axis``.

    Raises:
        ValueError: if it is none; says what is wrong.
        OSError: if it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        _check(content, _KEYS, ("title", "score", "panels"))
        shared = {"score": content["score"], "axis": content.get("axis") or axis_of(str(content["score"]))}
        panels = tuple(_panel(panel, shared) for panel in content["panels"])
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: no definition of a figure ({error})") from error
    reference = tuple(map(str, content.get("reference") or ()))
    text, thesis = (str(content.get(key) or "").strip() for key in ("text", "thesis"))
    return Definition(str(content["title"]), text, thesis, reference, panels)


def _panel(content: Any, shared: dict[str, str]) -> Panel:
    _check(content, _PANEL_KEYS, ("title", "rows"))
    if len(content["rows"]) > len(STROKES):
        raise ValueError(f"panel {content['title']!r} has {len(content['rows'])} rows; {len(STROKES)} are told apart")
    own = shared | ({"axis": axis_of(str(content["score"]))} if "score" in content else {})
    own |= {key: str(content[key]) for key in ("score", "axis") if key in content}
    return Panel(str(content["title"]), tuple(map(str, content["rows"])), own["score"], own["axis"])


def _check(content: Any, allowed: set[str], needed: Sequence[str]) -> None:
    if not isinstance(content, dict) or not set(needed) <= set(content) <= allowed:
        got = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"got {got}; {', '.join(needed)} are needed, {', '.join(sorted(allowed))} allowed")


def arranged(rows: Sequence[str], score: str, reference: tuple[str, ...], title: str | None) -> Definition:
    """Arrange rows in panels: all in one while they are few, else each family in panels of its own."""
    shown = [row for row in rows if row not in reference] or list(rows)
    groups = {"": shown}
    if len(shown) > len(STROKES):
        groups = {name.capitalize(): [row for row in shown if family(row) == name] for name in FAMILIES}
    panels = [panel for name, own in groups.items() for panel in _split(name, own, score)]
    return Definition(
        title or f"{axis_of(score).removesuffix(', %')} over the epochs", "", "", reference, tuple(panels)
    )


def _split(name: str, rows: Sequence[str], score: str) -> list[Panel]:
    """As many panels as a family needs, of about equal numbers of rows."""
    count = math.ceil(len(rows) / len(STROKES))
    most = math.ceil(len(rows) / count) if count else 1
    starts = range(0, len(rows), most)
    titles = [f"{name} ({n} of {count})" if count > 1 else name for n in range(1, count + 1)]
    return [
        Panel(title, tuple(rows[start : start + most]), score, axis_of(score))
        for title, start in zip(titles, starts, strict=True)
    ]


_SETS = {"val": "validation", "val_unseen": "held-out classes", "test": "test", "train": "training"}
_MEASURES = {"top1": "top-1", "top5": "top-5", "map": "mAP", "mrr": "mRR", "p10": "P@10"}


def axis_of(score: str) -> str:
    """What an axis of a score is called: ``val/top1`` is validation top-1, in percent."""
    evaluation, _, measure = score.rpartition("/")
    where = _SETS.get(evaluation, evaluation.replace("_", " "))
    return f"{where} {_MEASURES.get(measure, measure)}, %".strip()
