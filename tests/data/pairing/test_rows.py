"""What meets what: halves, freshness, fairness, and the published defect; over labels of very unequal classes."""

import numpy as np
import pytest

from hybrid_sbir.data.pairing.rows import (
    Members,
    Pool,
    draw_classes,
    draw_pairs,
    draw_triplets,
    take_turns,
    with_pseudo_sketches,
)

SKETCHES = np.repeat(np.arange(5), [4, 9, 30, 12, 7])
PHOTOS = np.repeat(np.arange(5), [25, 1, 3, 8, 10])


@pytest.fixture(scope="module")
def pool():
    return Pool(Members(SKETCHES, 5), Members(PHOTOS, 5))


def positive(rows):
    return SKETCHES[rows[:, 0]] == PHOTOS[rows[:, 1]]


class TestPairs:
    def test_each_sketch_comes_once_an_epoch_in_a_new_order(self, pool):
        epochs = [draw_pairs(pool, 3, epoch)[:, 0] for epoch in range(3)]
        assert all(sorted(sketches) == list(range(len(SKETCHES))) for sketches in epochs)
        assert not np.array_equal(epochs[0], epochs[1])
        assert not np.array_equal(epochs[1], epochs[2])

    @pytest.mark.parametrize("epoch", range(5))
    def test_half_of_every_even_piece_is_positive(self, pool, epoch):
        drawn = positive(draw_pairs(pool, 0, epoch))
        for size in (2, 6, 16):
            pieces = drawn[: len(drawn) // size * size].reshape(-1, size)
            assert (pieces.sum(axis=1) == size // 2).all()
        assert drawn.sum() == len(drawn) / 2

    def test_every_sketch_gets_positives_and_negatives(self, pool):
        times = np.zeros(len(SKETCHES))
        for epoch in range(40):
            rows = draw_pairs(pool, 1, epoch)
            times[rows[:, 0]] += positive(rows)
        assert times.min() >= 8  # of a mean of 20; below 8 with a probability of 1e-4 for a fair coin each
        assert times.max() <= 32

    def test_published_half_of_the_sketches_never_gets_a_positive(self, pool):
        times = np.zeros(len(SKETCHES), int)
        for epoch in range(10):
            rows = draw_pairs(pool, 1, epoch, by_parity=True)
            times[rows[:, 0]] += positive(rows)
        assert (times[::2] == 10).all()
        assert (times[1::2] == 0).all()

    def test_partners_are_drawn_afresh_and_evenly(self, pool):
        met = np.zeros(len(PHOTOS))
        other = np.zeros((5, 5))
        for epoch in range(300):
            rows = draw_pairs(pool, 2, epoch)
            of_first = rows[(SKETCHES[rows[:, 0]] == 0) & positive(rows)]
            np.add.at(met, of_first[:, 1], 1)
            negative = rows[~positive(rows)]
            np.add.at(other, (SKETCHES[negative[:, 0]], PHOTOS[negative[:, 1]]), 1)
        assert np.all(met[PHOTOS != 0] == 0)
        assert met[PHOTOS == 0].min() >= 8  # of a mean of 24
        share = other / other.sum(axis=1, keepdims=True)
        assert np.all(np.diag(share) == 0)
        assert np.abs(share[~np.eye(5, dtype=bool)] - 0.25).max() < 0.06  # each other class, whatever its photos

    def test_what_a_sketch_meets_hangs_on_seed_epoch_and_index_alone(self):
        """More sketches after it change nothing for a sketch: its numbers are those at its index."""
        longer = np.concatenate([SKETCHES, SKETCHES])
        photos = Members(PHOTOS, 5)
        rows = draw_triplets(Pool(Members(SKETCHES, 5), photos), 4, 7)
        more = draw_triplets(Pool(Members(longer, 5), photos), 4, 7)
        partners = dict(zip(more[:, 0].tolist(), more[:, 1:].tolist(), strict=True))
        assert all(partners[sketch] == met for sketch, *met in rows.tolist())

    def test_seeds_differ(self, pool):
        assert not np.array_equal(draw_pairs(pool, 0, 0), draw_pairs(pool, 1, 0))


class TestTriplets:
    def test_one_a_sketch_with_a_photo_of_its_class_and_one_of_another(self, pool):
        sketch, same, other = draw_triplets(pool, 0, 0).T
        assert sorted(sketch) == list(range(len(SKETCHES)))
        assert (PHOTOS[same] == SKETCHES[sketch]).all()
        assert (PHOTOS[other] != SKETCHES[sketch]).all()

    def test_the_photo_a_sketch_was_drawn_from_where_it_is_known(self, pool):
        own = np.where(SKETCHES == 3, np.flatnonzero(PHOTOS == 3)[2], -1)
        known = Pool(pool.sketches, pool.photos, own)
        for epoch in range(3):
            sketch, same, _ = draw_triplets(known, 0, epoch).T
            assert (same[SKETCHES[sketch] == 3] == own[SKETCHES == 3][0]).all()
            assert (PHOTOS[same] == SKETCHES[sketch]).all()
            pairs = draw_pairs(known, 0, epoch)
            together = pairs[(SKETCHES[pairs[:, 0]] == 3) & positive(pairs)]
            assert (together[:, 1] == own[SKETCHES == 3][0]).all()


class TestClasses:
    photos = np.repeat(np.arange(6), [4, 9, 6, 8, 10, 5])
    sketches = np.repeat(np.arange(6), [4, 9, 30, 12, 7, 6])

    def draw(self, blocks=12, window=3, per_class=4, epoch=0, own=None):
        pool = Pool(Members(self.sketches, 6), Members(self.photos, 6), own)
        return draw_classes(pool, 0, epoch, blocks, window, per_class)

    def test_blocks_are_of_one_class_and_windows_of_different_ones(self):
        for window in (2, 3, 4, 5, 6):
            rows = self.draw(blocks=60, window=window)
            sketch, photo = self.sketches[rows[:, 0]], self.photos[rows[:, 1]]
            assert np.array_equal(sketch, photo)
            blocks = sketch.reshape(-1, 4)
            assert (blocks == blocks[:, :1]).all()
            windows = blocks[: 60 // window * window, 0].reshape(-1, window)
            assert all(len(set(each)) == window for each in windows.tolist())

    def test_classes_are_balanced(self):
        for blocks in (5, 12, 60, 61):
            rows = self.draw(blocks=blocks, window=4)
            times = np.bincount(self.sketches[rows[:, 0]].reshape(-1, 4)[:, 0], minlength=6)
            assert times.max() - times.min() <= 1

    def test_nothing_comes_again_before_all_of_its_class_have_come(self):
        rows = self.draw(blocks=60)
        for column, labels in ((0, self.sketches), (1, self.photos)):
            for label in range(6):
                drawn = rows[labels[rows[:, column]] == label, column]
                times = np.bincount(drawn, minlength=len(labels))[labels == label]
                assert times.max() - times.min() <= 1
                assert all(len(set(block)) == 4 for block in drawn.reshape(-1, 4).tolist())

    def test_epochs_differ(self):
        assert not np.array_equal(self.draw(epoch=0), self.draw(epoch=1))

    def test_known_photos_stand_beside_their_sketches(self):
        own = np.array([np.flatnonzero(self.photos == label)[0] for label in self.sketches])
        rows = self.draw(own=own)
        assert np.array_equal(rows[:, 1], own[rows[:, 0]])


class TestPseudoSketches:
    @pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 1.0])
    def test_a_share_of_each_window_is_replaced_by_photos_of_the_same_class(self, pool, share):
        rows = draw_pairs(pool, 0, 0)
        replaced = with_pseudo_sketches(rows, pool, 0, 0, share, 16)
        pseudo = replaced[:, 0] >= len(SKETCHES)
        for start in range(0, len(rows), 16):
            window = pseudo[start : start + 16]
            assert window.sum() == round(share * len(window))
        assert np.array_equal(replaced[~pseudo], rows[~pseudo])
        assert np.array_equal(replaced[:, 1:], rows[:, 1:])
        assert np.array_equal(PHOTOS[replaced[pseudo, 0] - len(SKETCHES)], SKETCHES[rows[pseudo, 0]])

    def test_positive_and_negative_pairs_are_replaced_alike(self, pool):
        counts = np.zeros(2)
        for epoch in range(100):
            rows = draw_pairs(pool, 0, epoch)
            pseudo = with_pseudo_sketches(rows, pool, 0, epoch, 0.5, 16)[:, 0] >= len(SKETCHES)
            counts += [pseudo[positive(rows)].mean(), pseudo[~positive(rows)].mean()]
        assert np.abs(counts / 100 - 0.5).max() < 0.02


@pytest.mark.parametrize(("n", "length", "window"), [(5, 0, 2), (5, 3, 5), (5, 5, 2), (7, 100, 3), (7, 100, 7)])
def test_taking_turns(n, length, window):
    turns = take_turns(n, length, window, 0, 1, 2)
    assert len(turns) == length
    for start in range(0, length - n + 1, n):
        assert np.bincount(turns[: start + n], minlength=n).tolist() == [start // n + 1] * n
    assert all(len(set(turns[i : i + window])) == len(turns[i : i + window]) for i in range(0, length, window))
