"""Bootstrap intervals of retrieval scores from what metrics.json keeps: each class's mean and number of queries.

Other classes are drawn, with all their queries: the wider and mostly the honest interval. It is what
``hybrid_sbir.metrics.bootstrap_interval(..., resample="classes")`` gives by default, without the values of the queries.
C classes, B resamples.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from hybrid_sbir.results.records import RunRecord

LEVEL, RESAMPLES, SEED = 0.95, 10_000, 0
_MOST = 2**31  # queries of a class; more is damage, and their sums would not fit


def class_interval(runs: Sequence[RunRecord], score: str) -> tuple[float | None, float | None]:
    """Return the interval of a score's mean over runs, in percent, or (None, None).

    Args:
        runs: of one row, a seed each.
        score: ``test/map`` say; classes are kept for scores of a whole evaluation only.
    """
    evaluation, _, measure = score.partition("/")
    each = [_classes(run.details.get(evaluation, {}).get("per_class"), measure) for run in runs]
    first = each[0] if each else {}
    if len(first) < 2 or any(
        {c: n for c, (n, _) in own.items()} != {c: n for c, (n, _) in first.items()} for own in each
    ):
        return None, None
    sizes = [size for size, _ in first.values()]
    means = [sum(own[name][1] for own in each) / len(each) for name in first]
    low, high = _bounds(sizes, means)
    return 100 * low, 100 * high


def _classes(per_class: Any, measure: str) -> dict[str, tuple[int, float]]:
    """Number of queries and mean of each class that has one; none if the record does not say."""
    found: dict[str, tuple[int, float]] = {}
    for name, about in per_class.items() if isinstance(per_class, dict) else ():
        size, mean = (about.get("queries"), about.get(measure)) if isinstance(about, dict) else (None, None)
        if type(size) is int and 0 < size <= _MOST and isinstance(mean, int | float) and 0 <= mean <= 1:
            found[str(name)] = size, float(mean)
    return found


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
