"""Splits: disjoint, complete, the same everywhere and for ever."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_sbir.data.quickdraw_classes import QUICKDRAW_CLASSES
from hybrid_sbir.data.splits import HELD_OUT, by_group, kfold, mini, random80, stratified80, zero_shot

LABELS = st.lists(st.integers(0, 6), min_size=5, max_size=120).map(lambda labels: np.array(labels, dtype=np.int64))
SEEDS = st.integers(0, 2**32 - 1)
QUICK = settings(deadline=None, max_examples=50)


def whole(parts):
    return np.sort(np.concatenate(list(parts.values()))).tolist()


@QUICK
@given(labels=LABELS, seed=SEEDS)
def test_every_sample_is_in_one_part(labels, seed):
    for split in (random80, stratified80):
        parts = split(labels, seed)
        assert whole(parts) == list(range(len(labels)))
        assert all(np.all(np.diff(numbers) > 0) for numbers in parts.values())
        assert all((split(labels, seed)[part] == numbers).all() for part, numbers in parts.items())
    assert len(random80(labels, seed)["train"]) == len(labels) * 4 // 5


@QUICK
@given(labels=LABELS, seed=SEEDS)
def test_stratified_takes_a_fifth_of_every_class(labels, seed):
    val = stratified80(labels, seed)["val"]
    for label in np.unique(labels):
        assert abs((labels[val] == label).sum() - (labels == label).sum() / 5) <= 0.5


@QUICK
@given(labels=LABELS, seed=SEEDS, folds=st.integers(2, 5))
def test_folds_cover_everything_once_and_evenly(labels, seed, folds):
    splits = kfold(labels, seed, folds)
    assert np.sort(np.concatenate([parts["val"] for parts in splits])).tolist() == list(range(len(labels)))
    for parts in splits:
        assert whole(parts) == list(range(len(labels)))
    for some in (labels >= 0, *(labels == label for label in np.unique(labels))):
        counts = [some[parts["val"]].sum() for parts in splits]
        assert max(counts) - min(counts) <= 1


@QUICK
@given(labels=LABELS, seed=SEEDS)
def test_groups_stay_together(labels, seed):
    groups = np.arange(len(labels)) // 3
    labels = labels[groups * 3]
    parts = by_group(lambda of: stratified80(of, seed), labels, groups)
    assert whole(parts) == list(range(len(labels)))
    assert not set(groups[parts["train"]]) & set(groups[parts["val"]])


def test_random80_is_as_uneven_as_the_thesis_found_its_own():
    labels = np.repeat(np.arange(250), 80)
    parts = random80(labels)
    assert [len(parts[part]) for part in ("train", "val")] == [16_000, 4_000]
    counts = np.bincount(labels[parts["val"]])
    assert 4 <= counts.min() < 12
    assert 20 < counts.max() <= 30
    assert np.bincount(labels[stratified80(labels)["val"]]).tolist() == [16] * 250


def test_splits_never_change():
    """Published numbers depend on them: these digests may only change together with the split's name."""
    labels = np.repeat(np.arange(250), 80)
    classes = [f"class {i}" for i in range(248)] + ["ant", "wine glass"]
    splits = [
        random80(labels),
        stratified80(labels),
        kfold(labels)[3],
        mini(labels, classes),
        zero_shot(labels, classes),
    ]
    digests = [
        hashlib.sha256(b"".join(numbers.astype("<i8").tobytes() for numbers in parts.values())).hexdigest()[:12]
        for parts in splits
    ]
    assert digests == ["346612b1ab05", "ba222b9abb4b", "231fd4bb2411", "cc0eeea5eadd", "78b3fb02ac97"]


def test_mini_quickdraw_has_the_sizes_of_the_thesis():
    assert len(QUICKDRAW_CLASSES) == 345
    assert len(HELD_OUT) == 45
    assert set(HELD_OUT) <= set(QUICKDRAW_CLASSES)
    labels = np.repeat(np.arange(345), 1000)
    parts = mini(labels, QUICKDRAW_CLASSES)
    assert {part: len(numbers) for part, numbers in parts.items()} == {"train": 240_000, "val": 60_000}
    test = zero_shot(labels, QUICKDRAW_CLASSES)
    assert {part: len(numbers) for part, numbers in test.items()} == {"catalogue": 22_500, "queries": 2_250}
    assert not set(test["catalogue"]) & set(test["queries"])
    assert {QUICKDRAW_CLASSES[label] for label in labels[np.concatenate(list(test.values()))]} == set(HELD_OUT)
    assert not set(labels[np.concatenate(list(parts.values()))]) & set(labels[test["catalogue"]])


@pytest.mark.parametrize(
    ("drawings", "catalogue", "queries"), [(10, 0, 0), (25, 20, 2), (549, 490, 49), (551, 500, 50)]
)
def test_zero_shot_keeps_ten_to_one_in_small_classes(drawings, catalogue, queries):
    parts = zero_shot(np.zeros(drawings, dtype=np.int64), ["ant"])
    assert (len(parts["catalogue"]), len(parts["queries"])) == (catalogue, queries)


def test_without_held_out_classes_nothing_is_drawn():
    assert whole(zero_shot(np.zeros(30, dtype=np.int64), ["airplane"])) == []


def test_folds_need_enough_samples():
    with pytest.raises(ValueError, match="5 folds of 3 samples; there must be 2 to 3 folds"):
        kfold(np.zeros(3, dtype=np.int64))
