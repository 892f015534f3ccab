"""Which samples, in which order: a function of the seed and the epoch alone, shared out over processes.

Shapes: N samples of the data set, W processes.
"""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from hybrid_sbir.data.splits import order

Key = tuple[int, int]
"""(epoch, index): all that a sample's randomness may depend on, beside the seed."""


class EpochSampler(Sampler[Key]):
    """Yield one process's keys ``(epoch, index)`` of the current epoch.

    All processes draw the same order and take every W-th of it, so that the batches of all processes together are
    consecutive pieces of that order. Nothing is repeated to fill up.

    Attributes:
        epoch: the epoch that the next iteration yields.
        start: how many of this process's keys that iteration skips (a resumed run's done ones); back to 0 after it.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int = 0,
        shuffle: bool = False,
        rank: int = 0,
        world_size: int = 1,
        equal_shares: bool = False,
    ) -> None:
        """Check and keep the arguments.

        Args:
            length: N, the number of samples.
            seed: of the order; not negative.
            shuffle: a new random order each epoch; otherwise 0 to N-1.
            rank: this process, 0 to W-1.
            world_size: W.
            equal_shares: leave out the last N mod W samples of the epoch's order, so that all processes make equally
                many steps (training: with unequal ones, gradient averaging would wait for ever). Otherwise the
                processes together yield each sample exactly once (evaluation).

        Raises:
            ValueError: if an argument is out of its range.
        """
        if length < 0 or seed < 0:
            raise ValueError(f"length and seed must not be negative, got {length} and {seed}")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be from 0 to world_size - 1, got rank {rank} of world_size {world_size}")
        self.length = length
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.equal_shares = equal_shares
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Move to the beginning of an epoch; a position inside that epoch is kept (a resuming trainer calls this)."""
        if epoch != self.epoch:
            self.set_position(epoch, 0)

    def set_position(self, epoch: int, start: int) -> None:
        """Let the next iteration begin after ``start`` of this process's keys of an epoch."""
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        return len(range(self.rank, self._shared_out, self.world_size))

    def __iter__(self) -> Iterator[Key]:
        epoch, start = self.epoch, self.start
        self.start = 0
        for index in self._order(epoch)[start:]:
            yield epoch, int(index)

    @property
    def _shared_out(self) -> int:
        return self.length - self.length % self.world_size if self.equal_shares else self.length

    def _order(self, epoch: int) -> np.ndarray:
        whole = order(self.length, self.seed, epoch) if self.shuffle else np.arange(self.length)
        return whole[self.rank : self._shared_out : self.world_size]
