"""The order is a function of seed and epoch; processes share it out without loss or repeats."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_sbir.data.loading.sampler import EpochSampler


def epoch_of(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


@settings(deadline=None)
@given(length=st.integers(0, 60), world_size=st.integers(1, 7), seed=st.integers(0, 2**32), epoch=st.integers(0, 1000))
def test_processes_cover_each_sample_exactly_once(length, world_size, seed, epoch):
    shares = []
    for rank in range(world_size):
        sampler = EpochSampler(length, seed=seed, shuffle=epoch % 2 == 0, rank=rank, world_size=world_size)
        shares.append(epoch_of(sampler, epoch))
        assert len(sampler) == len(shares[-1])
    assert sorted(key for share in shares for key in share) == [(epoch, index) for index in range(length)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@settings(deadline=None)
@given(length=st.integers(0, 60), world_size=st.integers(1, 7), epoch=st.integers(0, 1000))
def test_equal_shares_leave_out_less_than_one_sample_a_process(length, world_size, epoch):
    shares = [
        epoch_of(EpochSampler(length, shuffle=True, rank=rank, world_size=world_size, equal_shares=True), epoch)
        for rank in range(world_size)
    ]
    assert {len(share) for share in shares} == {length // world_size}
    assert len({key for share in shares for key in share}) == length // world_size * world_size


@settings(deadline=None)
@given(length=st.integers(1, 60), start=st.integers(0, 60), epoch=st.integers(0, 9))
def test_a_position_skips_exactly_what_was_done_and_only_once(length, start, epoch):
    sampler = EpochSampler(length, shuffle=True)
    whole = epoch_of(sampler, epoch)
    sampler.set_position(epoch, start)
    sampler.set_epoch(epoch)
    assert list(sampler) == whole[start:]
    assert list(sampler) == whole


def test_announcing_another_epoch_forgets_the_position():
    sampler = EpochSampler(10, shuffle=True)
    sampler.set_position(3, 4)
    assert len(epoch_of(sampler, 4)) == 10


def test_order_depends_on_seed_and_epoch_alone():
    sampler = EpochSampler(500, seed=3, shuffle=True)
    first, second = epoch_of(sampler, 0), epoch_of(sampler, 1)
    np.random.seed(0)
    assert epoch_of(EpochSampler(500, seed=3, shuffle=True), 1) == second
    assert [index for _, index in first] != [index for _, index in second]
    assert epoch_of(EpochSampler(500, seed=4, shuffle=True), 0) != first


def test_the_order_of_a_seed_never_changes():
    order = [index for _, index in epoch_of(EpochSampler(10, seed=7, shuffle=True), 2)]
    assert order == [8, 6, 4, 0, 5, 7, 1, 3, 9, 2]


def test_unshuffled_order_is_the_stores():
    assert epoch_of(EpochSampler(4), 5) == [(5, 0), (5, 1), (5, 2), (5, 3)]


def test_the_batches_of_all_processes_are_pieces_of_one_order():
    whole = epoch_of(EpochSampler(24, shuffle=True), 1)
    shares = [epoch_of(EpochSampler(24, shuffle=True, rank=r, world_size=3), 1) for r in range(3)]
    for batch in range(2):
        together = {key for share in shares for key in share[batch * 4 : batch * 4 + 4]}
        assert together == set(whole[batch * 12 : batch * 12 + 12])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"length": -1}, "must not be negative, got -1 and 0"),
        ({"length": 3, "seed": -2}, "must not be negative, got 3 and -2"),
        ({"length": 3, "rank": 2, "world_size": 2}, "got rank 2 of world_size 2"),
    ],
)
def test_arguments_out_of_range(arguments, words):
    with pytest.raises(ValueError, match=words):
        EpochSampler(**arguments)
