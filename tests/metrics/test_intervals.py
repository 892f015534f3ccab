"""Bootstrap intervals: as wide as theory says for queries and for classes, the same for a seed, refused in words."""

import math

import numpy as np
import pytest
import torch

from hybrid_sbir.metrics import RankingValues, bootstrap_interval

NORMAL = 1.96


def values(numbers, labels):
    numbers, labels = torch.as_tensor(numbers, dtype=torch.float64), torch.as_tensor(labels)
    counts = (~numbers.isnan()).long()
    return RankingValues({"ap": numbers}, labels, counts, 0 * counts, counts > 1, 9, "cosine", "expected")


@pytest.fixture
def clustered():
    """40 classes of 10 queries that are alike: knowing one is nearly knowing them all."""
    random = np.random.default_rng(0)
    labels = np.arange(400) % 40
    return random.normal(0.5, 0.1, 40)[labels] + random.normal(0, 0.01, 400), labels


def half_width(interval):
    assert interval.low < interval.estimate < interval.high
    return (interval.high - interval.low) / 2


@pytest.mark.parametrize("macro", [False, True])
def test_the_width_over_queries_and_over_classes_is_the_normal_one(clustered, macro):
    numbers, labels = clustered
    found = values(numbers, labels)
    over_classes = bootstrap_interval(found, "ap", macro=macro, resample="classes")
    own = np.array([numbers[labels == label].mean() for label in range(40)])
    assert half_width(over_classes) == pytest.approx(NORMAL * own.std() / math.sqrt(40), rel=0.05)
    over_queries = bootstrap_interval(found, "ap", macro=macro)
    spread = 0.01 if macro else numbers.std()  # within a class, or whatever the class
    assert half_width(over_queries) == pytest.approx(NORMAL * spread / math.sqrt(400), rel=0.1)
    assert (over_classes.units, over_queries.units) == (40, 400)


def drawn_mean(groups, macro, resample, random):
    """One mean of a sample drawn again, query by query; ``groups`` has each class's numbers."""
    if resample == "classes":
        groups = [groups[random.integers(len(groups))] for _ in groups]
    elif macro:
        groups = [[group[random.integers(len(group))] for _ in group] for group in groups]
    else:
        every = [number for group in groups for number in group]
        groups = [[every[random.integers(len(every))] for _ in every]]
    return np.mean([np.mean(group) for group in groups]) if macro else np.mean([n for group in groups for n in group])


@pytest.mark.parametrize("macro", [False, True])
@pytest.mark.parametrize("resample", ["queries", "classes"])
def test_the_ends_agree_with_drawing_one_by_one_where_classes_are_unequal(macro, resample):
    random = np.random.default_rng(0)
    groups = [list(random.normal(0.03 * size, 0.1, size)) for size in (1, 2, 3, 5, 8, 13)]
    labels = np.repeat(np.arange(6) * 3, [len(group) for group in groups])
    found = bootstrap_interval(values(np.concatenate(groups), labels), "ap", macro=macro, resample=resample, level=0.8)
    means = [drawn_mean(groups, macro, resample, random) for _ in range(3000)]
    low, high = np.quantile(means, [0.1, 0.9])
    tolerance = 0.06 * (high - low)
    assert (found.low, found.high) == (pytest.approx(low, abs=tolerance), pytest.approx(high, abs=tolerance))


def test_the_level_is_kept():
    """Of intervals for 30 numbers each, about as many hold the true mean as the level says; a little fewer."""
    random = np.random.default_rng(1)
    samples = [values(random.random(30), np.zeros(30, dtype=int)) for _ in range(300)]
    for level in (0.5, 0.9):
        found = [bootstrap_interval(each, "ap", level=level, resamples=400) for each in samples]
        held = np.mean([each.low <= 0.5 <= each.high for each in found])
        assert level - 0.1 < held < level + 0.06


def test_a_mean_of_unequal_classes_is_of_queries_or_of_classes():
    found = values([1.0, 1.0, 1.0, 0.0], [5, 5, 5, 8])
    assert bootstrap_interval(found, "ap").estimate == 0.75
    macro = bootstrap_interval(found, "ap", macro=True, resample="classes")
    assert (macro.estimate, macro.low, macro.high) == (0.5, 0.0, 1.0)
    mean = bootstrap_interval(found, "ap", resample="classes")
    assert (mean.estimate, mean.low, mean.high) == (0.75, 0.0, 1.0)


def test_a_seed_fixes_the_interval(clustered):
    found = values(*clustered)
    first, again = (bootstrap_interval(found, "ap", resamples=500, seed=3) for _ in range(2))
    assert first == again
    assert first != bootstrap_interval(found, "ap", resamples=500, seed=4)


def test_queries_without_a_value_are_left_out(clustered):
    numbers, labels = clustered
    gaps = np.where(labels == 7, np.nan, numbers)
    expected = bootstrap_interval(values(numbers[labels != 7], labels[labels != 7]), "ap", resample="classes")
    assert bootstrap_interval(values(gaps, labels), "ap", resample="classes") == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resample": "photos"}, "resample is 'photos'; it can be queries, classes"),
        ({"level": 95}, "level is 95 and resamples 10000; give 0 < level < 1"),
        ({"resamples": 0}, "resamples 0"),
        ({"resample": "classes"}, "1 of the classes have a value; an interval needs at least two"),
    ],
)
def test_bad_arguments_are_refused_in_words(options, words):
    with pytest.raises(ValueError, match=words):
        bootstrap_interval(values([0.1, 0.2], [1, 1]), "ap", **options)


def test_a_metric_that_was_not_computed_is_named():
    with pytest.raises(KeyError, match="'rr' was not computed"):
        bootstrap_interval(values([0.1, 0.2], [1, 1]), "rr")
