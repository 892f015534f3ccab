"""Bootstrap intervals from what metrics.json keeps of each class.

Of a retrieval that is the number and the mean of its queries, of a classification its samples and how many were right.
Other classes are drawn, with all their samples: the wider and mostly the honest interval. It is what
``hybrid_sbir.metrics.bootstrap_interval(..., resample="classes")`` gives by default, without the values of the queries.
C classes, B resamples.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from hybrid_sbir.results.records import RunRecord

LEVEL, RESAMPLES, SEED = 0.95, 10_000, 0
_MOST = 2**31  # samples of a class; more is damage, and their sums would not fit


def class_interval(runs: Sequence[RunRecord], score: str) -> tuple[float | None, float | None]:
    """Return the interval of a score's mean over runs, in percent, or (None, None).

    Args:
        runs: of one row, a seed each.
        score: ``test/map``, ``val/top1``; of a group of classes, ``test/seen_map``, where the record names its classes.
    """
    each = [_classes(run, score) for run in runs]
    first = each[0] if each else {}
    if len(first) < 2 or any(
        {c: n for c, (n, _) in own.items()} != {c: n for c, (n, _) in first.items()} for own in each
    ):
        return None, None
    sizes = [size for size, _ in first.values()]
    means = [sum(own[name][1] for own in each) / len(each) for name in first]
    low, high = _bounds(sizes, means)
    return 100 * low, 100 * high


def _classes(run: RunRecord, score: str) -> dict[str, tuple[int, float]]:
    """Number of samples and mean of each class that has one; none if the record does not say."""
    evaluation, _, measure = score.partition("/")
    said = run.details.get(evaluation, {})
    per_class, groups = said.get("per_class"), said.get("groups")
    group, _, measure = measure.rpartition("_")
    members = groups.get(group) if group and isinstance(groups, dict) else None if group else per_class
    found: dict[str, tuple[int, float]] = {}
    if not isinstance(per_class, dict) or not isinstance(members, dict | list):
        return found
    for name in members:
        size, mean = _size_and_mean(per_class.get(str(name)), measure)
        if type(size) is int and 0 < size <= _MOST and isinstance(mean, int | float) and 0 <= mean <= 1:
            found[str(name)] = size, float(mean)
    return found


def _size_and_mean(about: Any, measure: str) -> tuple[Any, Any]:
    """Of one class: a retrieval has a mean over queries, a classification counts of samples; unchecked."""
    if not isinstance(about, dict):
        return None, None
    size, right = about.get("samples"), about.get(measure)
    if type(size) is int and type(right) is int and 0 < size <= _MOST and right <= _MOST:
        return size, right / size
    return about.get("queries"), right


def _bounds(sizes: list[int], means: list[float]) -> tuple[float, float]:
    """Ends of the percentile interval of the mean over queries, classes drawn again; sizes and means (C,)."""
    import numpy as np

    counts = np.array(sizes, dtype=np.int64)
    sums = np.array(means) * counts
    drawn = _drawn(len(sizes))
    found = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@cache
def _drawn(classes: int) -> Any:
    """Which classes each resample has, (B, C)."""
    import numpy as np

    return np.random.default_rng(SEED).integers(classes, size=(RESAMPLES, classes))
