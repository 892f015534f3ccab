"""Paired comparison: p-values against every combination of signs, the error rate kept, per-class differences."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from hybrid_sbir.metrics import compare
from tests.metrics.test_intervals import values


def brute_force(gains):
    sums = [
        abs(sum(s * g for s, g in zip(signs, gains, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(gains))
    ]
    return sum(total >= abs(sum(gains)) - 1e-12 for total in sums) / len(sums)


@pytest.fixture
def runs():
    random = np.random.default_rng(0)
    labels = np.array([0, 0, 0, 4, 4, 4, 4, 9, 9, 9])
    first, gains = random.random(10), random.normal(0.1, 0.2, 10)
    return values(first, labels), values(first + gains, labels), gains, labels


@pytest.mark.parametrize("macro", [False, True])
@pytest.mark.parametrize("resample", ["queries", "classes"])
def test_an_exact_p_value_is_that_of_every_combination_of_signs(runs, macro, resample):
    first, second, gains, labels = runs
    sizes = {label: (labels == label).sum() for label in (0, 4, 9)}
    weighted = [gain / sizes[label] if macro else gain for gain, label in zip(gains, labels, strict=True)]
    if resample == "classes":
        weighted = [sum(w for w, own in zip(weighted, labels, strict=True) if own == label) for label in (0, 4, 9)]
    found = compare(first, second, "ap", macro=macro, resample=resample)
    assert found.exact
    assert found.p_value == brute_force(weighted)
    assert found.units == len(weighted)
    assert found.difference == pytest.approx(found.second - found.first)
    assert found.low < found.difference < found.high


def test_a_random_p_value_is_near_the_exact_one(runs):
    first, second, gains, _ = runs
    found = compare(first, second, "ap", resamples=1000)  # fewer than the 1024 combinations
    assert not found.exact
    assert found.p_value == pytest.approx(brute_force(gains), abs=0.05)


def test_runs_that_are_alike_differ_significantly_as_often_as_the_level_says():
    random = np.random.default_rng(1)
    labels = np.zeros(40, dtype=int)
    pairs = [(values(random.random(40), labels), values(random.random(40), labels)) for _ in range(300)]
    p_values = np.array([compare(*pair, "ap", resamples=300).p_value for pair in pairs])
    for level in (0.1, 0.5):
        assert (p_values <= level).mean() == pytest.approx(level, abs=0.07)


def test_a_clear_difference_is_found_and_its_sign_told():
    random = np.random.default_rng(2)
    labels = np.arange(200) % 20
    first = random.random(200)
    found = compare(values(first, labels), values(first - 0.05, labels), "ap", resample="classes")
    assert found.difference == pytest.approx(-0.05)
    assert found.high < 0
    assert found.p_value == pytest.approx(1 / 10_001)
    assert (found.better, found.worse, found.equal) == (0, 200, 0)


def test_a_run_does_not_differ_from_itself(runs):
    found = compare(runs[0], runs[0], "ap")
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    assert found.equal == 10


def test_each_class_has_its_difference_and_those_without_a_value_have_none(runs):
    first, second, gains, labels = runs
    gap = torch.tensor(labels == 4)
    first, second = (
        replace(run, values={"ap": run["ap"].where(~gap, torch.nan)}, relevant=run.relevant * ~gap)
        for run in (first, second)
    )
    found = compare(first, second, "ap")
    assert set(found.per_class) == {0, 9}
    assert found.units == 6
    for label, row in found.per_class.items():
        assert row.queries == 3
        assert row.difference == pytest.approx(gains[labels == label].mean())
        assert row.second - row.first == row.difference


def test_a_seed_fixes_the_comparison(runs):
    first, second, *_ = runs
    options = {"resamples": 900, "seed": 1}
    assert compare(first, second, "ap", **options) == compare(first, second, "ap", **options)


def test_runs_of_other_queries_or_photos_are_refused(runs):
    first, second, *_ = runs
    with pytest.raises(ValueError, match="the runs have 10 and 2 queries"):
        compare(first, values([0.1, 0.2], [1, 1]), "ap")
    with pytest.raises(ValueError, match="10 and 10 queries, or their classes differ"):
        compare(first, replace(second, labels=second.labels + 1), "ap")
    with pytest.raises(ValueError, match="ranked 9 and 10 photos"):
        compare(first, replace(second, photos=10), "ap")
    with pytest.raises(ValueError, match="more relevant ones in one of them"):
        compare(first, replace(second, relevant=second.relevant + 1), "ap")
