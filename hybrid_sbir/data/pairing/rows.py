"""Which photos meet which sketches in an epoch: pure functions of labels, seed and epoch (thesis, section 5).

Random numbers are PCG64's raw ones, whose stream NumPy promises for ever (see ``splits``): one stream for each seed,
epoch and purpose, and a sketch's number is the one at its index. So what a sketch meets depends on (seed, epoch, index)
alone: not on workers, processes or what was drawn before.

N sketches, C classes, R rows of an epoch. A row is a sketch's number and then those of its photos: of one (pairs), or
of a positive and a negative one (triplets).
"""

from dataclasses import dataclass

import numpy as np

from hybrid_sbir.data.splits import order

_POSITIVE, _OTHER_CLASS, _NEGATIVE, _CLASSES, _SKETCHES, _PHOTOS, _PSEUDO, _EDGES = range(1, 9)


class Members:
    """The samples of each class.

    Attributes:
        labels: of the samples, int64.
        counts: samples of each class, (C,), int64.
    """

    def __init__(self, labels: np.ndarray, num_classes: int) -> None:
        self.labels = labels
        self.counts = np.bincount(labels, minlength=num_classes)
        self._sorted = np.argsort(labels, kind="stable")
        self._starts = np.cumsum(self.counts) - self.counts

    def of(self, label: int) -> np.ndarray:
        """Return a class's samples, ascending."""
        return self._sorted[self._starts[label] : self._starts[label] + self.counts[label]]

    def pick(self, label: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return a sample of each of these classes by random numbers, both (R,), the latter uint64."""
        within = numbers % self.counts[label].astype(np.uint64)
        return self._sorted[self._starts[label] + within.astype(np.int64)]


@dataclass(frozen=True)
class Pool:
    """What is drawn from.

    Attributes:
        sketches: the training sketches.
        photos: the training photos; each class has some.
        own: the photo that each sketch was drawn from, (N,), int64, -1 where that is not known; None: not asked for.
    """

    sketches: Members
    photos: Members
    own: np.ndarray | None = None

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.photos.counts)


def draw_pairs(pool: Pool, seed: int, epoch: int, by_parity: bool = False) -> np.ndarray:
    """Return a photo for each sketch, (N, 2), the sketches in random order.

    Every second place of that order holds a positive pair: half of the epoch and of each batch of even size, and
    another half of the sketches in each epoch.

    Args:
        pool: sketches and photos.
        seed: not negative.
        epoch: not negative.
        by_parity: the published defect (thesis facts, section 7, number 7): positive are the sketches of even index, in
            every epoch, so that the others never meet a photo of their class.
    """
    sketch = order(len(pool.sketches.labels), seed, epoch)
    positive = (sketch if by_parity else np.arange(len(sketch))) % 2 == 0
    photo = np.where(positive, _positive(pool, sketch, seed, epoch), _negative(pool, sketch, seed, epoch))
    return np.stack([sketch, photo], axis=1)


def draw_triplets(pool: Pool, seed: int, epoch: int) -> np.ndarray:
    """Return a photo of its class and one of another class for each sketch, (N, 3), the sketches in random order."""
    sketch = order(len(pool.sketches.labels), seed, epoch)
    return np.stack([sketch, _positive(pool, sketch, seed, epoch), _negative(pool, sketch, seed, epoch)], axis=1)


def draw_classes(pool: Pool, seed: int, epoch: int, blocks: int, window: int, per_class: int) -> np.ndarray:
    """Return ``blocks`` blocks of ``per_class`` sketches and photos of one class, (blocks * per_class, 2).

    Classes take turns, and within a class its sketches and its photos do: none comes again before all others have.

    Args:
        pool: sketches and photos.
        seed: not negative.
        epoch: not negative.
        blocks: how many.
        window: the classes of so many consecutive blocks (a batch's) differ; at most C.
        per_class: at most the samples of each class.
    """
    label = take_turns(pool.num_classes, blocks, window, seed, epoch, _CLASSES)
    sketch = _in_turn(pool.sketches, label, per_class, seed, epoch, _SKETCHES)
    photo = _in_turn(pool.photos, label, per_class, seed, epoch, _PHOTOS)
    return np.stack([sketch, photo if pool.own is None else _known(pool.own[sketch], photo)], axis=1)


def with_pseudo_sketches(rows: np.ndarray, pool: Pool, seed: int, epoch: int, share: float, window: int) -> np.ndarray:
    """Return the rows, a share of their sketches replaced by edge maps of random training photos of the same class.

    An edge map's number is N + the photo's.

    Args:
        rows: (R, 2 or 3).
        pool: sketches and photos.
        seed: not negative.
        epoch: not negative.
        share: of the sketches, 0 to 1, exact to the nearest whole number in each window.
        window: rows of a batch of all processes.
    """
    rank = order(len(rows), seed, epoch, _PSEUDO)
    chosen = [
        start + np.argsort(rank[start : start + window])[: round(share * min(window, len(rows) - start))]
        for start in range(0, len(rows), window)
    ]
    places = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
    label = pool.sketches.labels[rows[places, 0]]
    replaced = rows.copy()
    edges = pool.photos.pick(label, _numbers(len(rows), seed, epoch, _EDGES)[places])
    replaced[places, 0] = len(pool.sketches.labels) + edges
    return replaced


def take_turns(n: int, length: int, window: int, seed: int, *stream: int) -> np.ndarray:
    """Return ``length`` numbers below ``n`` in random rounds: none comes again before all others have.

    Each of the consecutive windows has different numbers; where it spans two rounds, the second begins with some that
    the first has not brought into it.
    """
    turns = np.zeros(0, np.int64)
    for number in range(1, 2 + length // n):
        turn = order(n, seed, *stream, number)
        begun = turns[len(turns) - len(turns) % window :]
        first = turn[~np.isin(turn, begun)][: window - len(begun)] if len(begun) else turn[:0]
        turns = np.concatenate([turns, first, turn[~np.isin(turn, first)]])
    return turns[:length]


def _in_turn(members: Members, label: np.ndarray, per_class: int, seed: int, epoch: int, purpose: int) -> np.ndarray:
    """Return ``per_class`` different samples of each of these classes, (len(label) * per_class,)."""
    drawn = np.empty((len(label), per_class), np.int64)
    for each in np.unique(label):
        own, (places,) = members.of(each), np.nonzero(label == each)
        turns = take_turns(len(own), len(places) * per_class, per_class, seed, epoch, purpose, int(each))
        drawn[places] = own[turns].reshape(-1, per_class)
    return drawn.reshape(-1)


def _positive(pool: Pool, sketch: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    drawn = pool.photos.pick(pool.sketches.labels[sketch], _numbers(len(sketch), seed, epoch, _POSITIVE)[sketch])
    return drawn if pool.own is None else _known(pool.own[sketch], drawn)


def _negative(pool: Pool, sketch: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Return a photo of another class, each class as likely as the next."""
    shift = _numbers(len(sketch), seed, epoch, _OTHER_CLASS)[sketch] % np.uint64(pool.num_classes - 1)
    label = (pool.sketches.labels[sketch] + 1 + shift.astype(np.int64)) % pool.num_classes
    return pool.photos.pick(label, _numbers(len(sketch), seed, epoch, _NEGATIVE)[sketch])


def _known(own: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    return np.where(own >= 0, own, drawn)


def _numbers(n: int, seed: int, epoch: int, purpose: int) -> np.ndarray:
    return np.random.PCG64([seed, epoch, purpose]).random_raw(n)
