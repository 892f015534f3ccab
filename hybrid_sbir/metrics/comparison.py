"""Two runs on the same queries: is one better, by how much, and on which classes? Q queries, U units, B draws.

Queries differ far more than models do, so each query is compared with itself. The p-value is that of a sign-flip test:
were both runs the same, each difference could as well have had the other sign.
"""

from dataclasses import dataclass

import numpy as np

from hybrid_sbir.metrics.intervals import Sample, Unit, bounds, parts
from hybrid_sbir.metrics.values import RankingValues


@dataclass(frozen=True)
class ClassDifference:
    """One class in both runs.

    Attributes:
        queries: how many of its queries have a value.
        first: their mean in the first run.
        second: in the second.
        difference: second - first.
    """

    queries: int
    first: float
    second: float
    difference: float


@dataclass(frozen=True)
class Comparison:
    """What the second run gains over the first.

    Attributes:
        name: the metric.
        first: mean of the first run.
        second: of the second.
        difference: second - first.
        low: lower end of the difference's bootstrap interval.
        high: upper end.
        level: probability that the interval is made for.
        p_value: how often chance gives a difference at least as large, in either direction.
        exact: whether every combination of signs was counted, not a random choice.
        macro: whether each class counts once in the means.
        resample: what was drawn again and what had its sign flipped, "queries" or "classes".
        units: how many of those there are.
        better: queries that the second run serves better.
        worse: worse.
        equal: alike.
        per_class: class number -> its difference.
    """

    name: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    level: float
    p_value: float
    exact: bool
    macro: bool
    resample: Unit
    units: int
    better: int
    worse: int
    equal: int
    per_class: dict[int, ClassDifference]


def compare(
    first: RankingValues,
    second: RankingValues,
    name: str,
    *,
    macro: bool = False,
    resample: Unit = "queries",
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two runs query by query; queries without a value are left out.

    Args:
        first: one run.
        second: another, of the same queries in the same order, on a catalogue with the same classes.
        name: a metric that both have.
        macro: compare means over classes of their means, instead of those over queries.
        resample: "queries", or "classes": for what would differ in another data set; see :mod:`.intervals`.
        level: of the interval, between 0 and 1.
        resamples: how many means and how many combinations of signs are drawn; where there are no more combinations
            than that, all are counted.
        seed: the same seed gives the same numbers.

    Raises:
        ValueError: if the runs have different queries or catalogues, an argument is not as above, or fewer than two
            queries or classes have a value.
        KeyError: if the metric was not computed.
    """
    _check_same_queries(first, second)
    labels = first.labels.numpy()
    both = [Sample.of(run[name].numpy(), labels) for run in (first, second)]
    gains = Sample.of((second[name] - first[name]).numpy(), labels)
    low, high = bounds(gains, macro, resample, level, resamples, seed)
    p_value, exact = _sign_flips(_unit_gains(gains, macro, resample), resamples, np.random.default_rng([seed, 1]))
    return Comparison(
        name=name,
        first=both[0].mean(macro),
        second=both[1].mean(macro),
        difference=gains.mean(macro),
        low=low,
        high=high,
        level=level,
        p_value=p_value,
        exact=exact,
        macro=macro,
        resample=resample,
        units=gains.units(resample),
        better=int((gains.numbers > 0).sum()),
        worse=int((gains.numbers < 0).sum()),
        equal=int((gains.numbers == 0).sum()),
        per_class=_per_class(first, second, name),
    )


def _check_same_queries(first: RankingValues, second: RankingValues) -> None:
    sizes = len(first.labels), len(second.labels)
    if sizes[0] != sizes[1] or (first.labels != second.labels).any():
        raise ValueError(
            f"the runs have {sizes[0]} and {sizes[1]} queries, or their classes differ; "
            "compare runs of the same queries in the same order"
        )
    if first.photos != second.photos or (first.relevant != second.relevant).any():
        raise ValueError(
            f"the runs ranked {first.photos} and {second.photos} photos, or a query has more relevant ones in one of "
            "them; compare runs on the same catalogue"
        )


def _unit_gains(gains: Sample, macro: bool, resample: Unit) -> np.ndarray:
    """What each query or class adds to the difference of the means, (U,)."""
    weighted = gains.numbers * gains.weights(macro)
    return np.bincount(gains.classes, weighted) if resample == "classes" else weighted


def _sign_flips(gains: np.ndarray, draws: int, random: np.random.Generator) -> tuple[float, bool]:
    """The two-sided p-value of the sum of (U,), and whether every combination was counted.

    Among random ones the runs as they are count too: a p-value by permutation is never 0 (Phipson and Smyth, 2010).
    """
    units = len(gains)
    exact = 2**units <= draws
    total = 2**units if exact else draws
    observed = abs(gains.sum()) - 1e-12 * np.abs(gains).sum()  # sums of one set of numbers differ in rounding
    reached, start = 0, 0
    for count in parts(total, units):
        if exact:
            flips = np.arange(start, start + count)[:, None] >> np.arange(units) & 1
        else:
            flips = random.integers(2, size=(count, units), dtype=np.int8)
        reached += int((np.abs((1 - 2.0 * flips) @ gains) >= observed).sum())
        start += count
    return (reached / total if exact else (reached + 1) / (total + 1)), exact


def _per_class(first: RankingValues, second: RankingValues, name: str) -> dict[int, ClassDifference]:
    ours, theirs = first.per_class(), second.per_class()
    found = {}
    for label, row in ours.items():
        queries = int(((first.labels == label) & (first.relevant > 0)).sum())
        if queries:
            one, other = row[name], theirs[label][name]
            found[label] = ClassDifference(queries, one, other, other - one)
    return found
