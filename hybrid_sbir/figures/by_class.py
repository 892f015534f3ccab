"""Each class's score of a run, and which classes were trained with.

N samples, K classes.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_sbir.figures.reading import read_one
from hybrid_sbir.results.prediction_page import accuracy
from hybrid_sbir.results.records import RunRecord
from hybrid_sbir.results.run_files import read_arrays

_CLOSE = 1e-4  # a mean over a group of classes must agree with the recorded one, or the groups are others


@dataclass(frozen=True)
class ByClass:
    """Of one run.

    Attributes:
        name: of the run.
        measure: ``AP`` or ``accuracy``.
        source: the evaluation, in words.
        values: class -> percent; NaN where it has no value.
        counts: class -> queries or samples.
        groups: group -> its classes, in alphabetical order; one group without a name where none are known.
        runs: the record, for how it was trained; empty where there is none.
    """

    name: str
    measure: str
    source: str
    values: dict[str, float]
    counts: dict[str, int]
    groups: dict[str, list[str]]
    runs: tuple[RunRecord, ...]

    def mean(self, group: str) -> float:
        """Over the samples of a group's classes, percent."""
        known = [name for name in self.groups[group] if math.isfinite(self.values[name])]
        weights = sum(self.counts[name] for name in known)
        return sum(self.values[name] * self.counts[name] for name in known) / weights if weights else math.nan


def read_by_class(folder: Path, evaluation: str | None) -> ByClass:
    """Read a run's scores by class: a retrieval's AP as recorded or else as its embeddings rank; otherwise accuracy.

    A classifier's accuracy is that of its predictions, or else as recorded.

    Args:
        folder: of the run.
        evaluation: of a retrieval: ``test``, ``val``, ``test_reranked``...; by default test, or val if that is all.

    Raises:
        ValueError: if a file is damaged, or there is no such evaluation.
        FileNotFoundError: if there is nothing to read.
    """
    name, record = read_one(folder)
    told = record.details if record else {}
    recorded = {name for name, said in told.items() if said.get("per_class") and "samples" not in said}
    if evaluation is not None and evaluation not in recorded:
        raise ValueError(f"{folder} has no evaluation {evaluation!r}; it has {', '.join(sorted(recorded)) or 'none'}")
    if record and recorded:
        return _recorded(record, evaluation or ("test" if "test" in recorded else sorted(recorded)[0]))
    if (folder / "embeddings.npz").is_file():
        return _ranked(folder)
    if record and told and not (folder / "predictions.npz").is_file():
        return _counted(record, *next(iter(told.items())))
    return _predicted(folder, name, record)


def _counted(record: RunRecord, evaluation: str, about: Mapping[str, Any]) -> ByClass:
    """From a classifier's metrics.json."""
    try:
        counts = {name: int(own["samples"]) for name, own in about["per_class"].items()}
        values = {name: 100 * own["top1"] / counts[name] for name, own in about["per_class"].items()}
    except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{record.path}: the classes of {evaluation} cannot be read ({error!r})") from error
    return ByClass(record.name, "accuracy", evaluation, values, counts, {"": sorted(values)}, (record,))


def _recorded(record: RunRecord, evaluation: str) -> ByClass:
    """From metrics.json; validation's held-out classes are a group beside those trained with."""
    said = {evaluation: record.details[evaluation]}
    if evaluation == "val" and "val_unseen" in record.details:
        said["val_unseen"] = record.details["val_unseen"]
    try:
        values = {k: 100 * _number(v["map"]) for about in said.values() for k, v in about["per_class"].items()}
        counts = {k: int(v["queries"]) for about in said.values() for k, v in about["per_class"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{record.path}: the classes of {evaluation} cannot be read ({error!r})") from error
    groups = {name: sorted(about["per_class"]) for name, about in zip(("seen", "unseen"), said.values(), strict=False)}
    if evaluation != "val":
        groups = _groups(record, evaluation, values, counts)
    return ByClass(record.name, "AP", evaluation, values, counts, groups, (record,))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _groups(
    record: RunRecord, evaluation: str, values: Mapping[str, float], counts: Mapping[str, int]
) -> dict[str, list[str]]:
    """Seen and unseen, by the map of classes that the run was tested with; only if the recorded means agree."""
    everything = {"": sorted(values)}
    path = record.config.get("data", {}).get("init_args", {}).get("test_class_map")
    trained = set(record.details.get("val", {}).get("per_class", {}))
    if not path or not trained or not Path(path).is_file():
        return everything
    mapped = json.loads(Path(path).read_text(encoding="utf-8"))
    seen = sorted(name for name in values if isinstance(mapped, dict) and mapped.get(name) in trained)
    unseen = sorted(set(values) - set(seen))
    groups = {"seen": seen, "unseen": unseen}
    told = ByClass("", "", "", dict(values), dict(counts), groups, ())
    agree = all(
        abs(told.mean(name) / 100 - record.scores.get(f"{evaluation}/{name}_map", math.nan)) < _CLOSE for name in groups
    )
    return groups if agree else everything


def _ranked(folder: Path) -> ByClass:
    """From embeddings.npz, ranked here."""
    from hybrid_sbir.results.retrieval_run import RetrievalRun  # ranks, and so imports PyTorch

    run = RetrievalRun.read(folder)
    found = run.ranked(("ap",)).per_class()
    values = {run.classes[label]: 100 * means["ap"] for label, means in found.items()}
    counts = {run.classes[label]: int((run.query_labels == label).sum()) for label in found}
    there = {name: sorted(run.classes[label] for label in own if label in found) for name, own in run.groups.items()}
    groups = {name: own for name, own in there.items() if own}
    whole = set().union(*groups.values()) == set(values) if groups else False
    return ByClass(run.name, "AP", "embeddings.npz", values, counts, groups if whole else {"": sorted(values)}, ())


def _predicted(folder: Path, name: str, record: RunRecord | None) -> ByClass:
    """From predictions.npz."""

    def scored(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, int]]:
        labels, probabilities, classes = arrays["label"], arrays["probabilities"], arrays["classes"]
        if probabilities.shape != (labels.size, classes.size):
            raise ValueError(
                f"probabilities are {probabilities.shape} for {labels.size} samples, {classes.size} classes"
            )
        own = {str(classes[k]): labels == k for k in np.unique(labels)}
        values = {name: 100 * accuracy(probabilities[rows], labels[rows], 1) for name, rows in own.items()}
        return values, {name: int(rows.sum()) for name, rows in own.items()}

    values, counts = read_arrays(folder, "predictions.npz", scored)
    return ByClass(
        name, "accuracy", "predictions.npz", values, counts, {"": sorted(values)}, (record,) if record else ()
    )
