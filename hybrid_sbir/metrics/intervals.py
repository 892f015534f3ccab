"""How far a mean over queries can be trusted: bootstrap intervals. Q queries with a value, C classes, B resamples.

What is drawn again must be what would be drawn anew. "queries": other sketches of the same classes. "classes": other
classes, with all their sketches; queries of one class share their relevant photos and rise and fall together, so this
interval is the wider and mostly the honest one. With few classes (tens) percentile intervals are a little too narrow.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from hybrid_sbir.metrics.values import RankingValues

Unit = Literal["queries", "classes"]
_NUMBERS = 1 << 21  # drawn at once: 16 MiB


@dataclass(frozen=True)
class Interval:
    """A mean and where it would lie for other queries or classes.

    Attributes:
        name: the metric.
        estimate: the mean over queries or, if ``macro``, over classes.
        low: lower end.
        high: upper end.
        level: probability that the interval is made for.
        macro: whether each class counts once.
        resample: what was drawn again.
        units: how many of those there are.
    """

    name: str
    estimate: float
    low: float
    high: float
    level: float
    macro: bool
    resample: Unit
    units: int


@dataclass(frozen=True)
class Sample:
    """Numbers of those queries that have one.

    Attributes:
        numbers: (Q,), float64.
        classes: each query's class, counted from 0, (Q,).
        labels: the classes' numbers, (C,).
    """

    numbers: np.ndarray
    classes: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray, labels: np.ndarray) -> "Sample":
        """Leave out what is NaN; both (Q,)."""
        known = ~np.isnan(numbers)
        found, classes = np.unique(labels[known], return_inverse=True)
        return cls(numbers[known], classes, found)

    def units(self, resample: Unit) -> int:
        """How many queries or classes there are."""
        return len(self.labels if resample == "classes" else self.numbers)

    def weights(self, macro: bool) -> np.ndarray:
        """What each query counts in the mean, (Q,); the sum is 1."""
        if not macro:
            return np.full(len(self.numbers), 1 / max(1, len(self.numbers)))
        return 1 / (len(self.labels) * np.bincount(self.classes)[self.classes])

    def mean(self, macro: bool) -> float:
        """The mean over queries, or over classes of their means; NaN without a query."""
        return math.fsum(self.numbers * self.weights(macro)) if len(self.numbers) else math.nan


def bootstrap_interval(
    found: RankingValues,
    name: str,
    *,
    macro: bool = False,
    resample: Unit = "queries",
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a metric's mean; queries without a value are left out.

    Args:
        found: what :func:`~hybrid_sbir.metrics.ranking_metrics` returned.
        name: a metric among it.
        macro: the mean over classes of their means, instead of that over queries.
        resample: "queries" (if ``macro``, within each class) or "classes".
        level: between 0 and 1.
        resamples: how many means are drawn.
        seed: the same seed gives the same interval.

    Raises:
        ValueError: if an argument is not as above, or fewer than two queries or classes have a value.
        KeyError: if the metric was not computed.
    """
    sample = Sample.of(found[name].numpy(), found.labels.numpy())
    low, high = bounds(sample, macro, resample, level, resamples, seed)
    return Interval(name, sample.mean(macro), low, high, level, macro, resample, sample.units(resample))


def bounds(sample: Sample, macro: bool, resample: Unit, level: float, resamples: int, seed: int) -> tuple[float, float]:
    """The interval's ends; see :func:`bootstrap_interval`."""
    if resample not in get_args(Unit):
        raise ValueError(f"resample is '{resample}'; it can be {', '.join(get_args(Unit))}")
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level is {level} and resamples {resamples}; give 0 < level < 1 and at least one resample")
    if sample.units(resample) < 2:
        raise ValueError(f"{sample.units(resample)} of the {resample} have a value; an interval needs at least two")
    means = np.concatenate(list(_means(sample, macro, resample, resamples, np.random.default_rng(seed))))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _means(
    sample: Sample, macro: bool, resample: Unit, resamples: int, random: np.random.Generator
) -> Iterator[np.ndarray]:
    """Means of samples drawn again, as many as ``resamples`` in all."""
    sizes = np.bincount(sample.classes)
    sums = np.bincount(sample.classes, sample.numbers)
    for count in parts(resamples, sample.units(resample)):
        if resample == "classes":
            drawn = random.integers(len(sizes), size=(count, len(sizes)))
            yield (sums / sizes)[drawn].mean(axis=1) if macro else sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        elif macro:
            own = [sample.numbers[sample.classes == each] for each in range(len(sizes))]
            drawn_means = [each[random.integers(len(each), size=(count, len(each)))].mean(axis=1) for each in own]
            yield np.mean(drawn_means, axis=0)
        else:
            drawn = random.integers(len(sample.numbers), size=(count, len(sample.numbers)))
            yield sample.numbers[drawn].mean(axis=1)


def parts(total: int, width: int) -> Iterator[int]:
    """Cut ``total`` rows of ``width`` numbers into as many rows as are drawn at once."""
    step = max(1, _NUMBERS // width)
    for start in range(0, total, step):
        yield min(step, total - start)
