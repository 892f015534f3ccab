"""How many scores of a tile lie above given levels. B queries, T photos of a tile, R levels of each query.

Two ways to the same whole numbers: on a CPU each row of the tile is sorted by value, which NumPy does several elements
at a time, and the levels are looked up in it; elsewhere the scores are looked up among the levels and counted.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
import torch
from torch import Tensor

Count = Callable[[Tensor, Tensor, Tensor, Tensor], None]


class SortingCounter:
    """Counts on the CPU, overwriting the tile.

    Args:
        pool: threads that share the rows, or None for this thread alone.
        threads: how many they are.
    """

    def __init__(self, pool: Executor | None, threads: int) -> None:
        self._pool, self._threads = pool, threads

    def __call__(self, tile: Tensor, levels: Tensor, not_below: Tensor, above: Tensor) -> None:
        """See :func:`count_by_searching`."""
        arrays = [tensor.numpy() for tensor in (tile, levels, not_below, above)]
        if self._pool is None:
            return _count_rows(*arrays)
        bounds = np.linspace(0, len(tile), self._threads + 1).astype(int).tolist()
        parts = [slice(*pair) for pair in itertools.pairwise(bounds)]
        for _ in self._pool.map(lambda rows: _count_rows(*(array[rows] for array in arrays)), parts):
            pass  # raises what a thread raised
        return None


def count_by_searching(tile: Tensor, levels: Tensor, not_below: Tensor, above: Tensor) -> None:
    """Add to each level's counts, on any device.

    Args:
        tile: scores, (B, T); -inf where there is no photo.
        levels: (B, R), ascending in each row; inf where there is none.
        not_below: the number of scores at the level or above it, (B, R), int64; added to.
        above: the same without those at the level.
    """
    not_below += _suffix_counts(torch.searchsorted(levels, tile, right=True), levels.shape[1])
    above += _suffix_counts(torch.searchsorted(levels, tile), levels.shape[1])


def _suffix_counts(places: Tensor, width: int) -> Tensor:
    """For each level, how many of a row's places (B, T), 0 to ``width``, lie behind it: (B, width)."""
    rows = len(places)
    places += (torch.arange(rows, device=places.device) * (width + 1))[:, None]
    histogram = torch.bincount(places.flatten(), minlength=rows * (width + 1)).view(rows, width + 1)
    return histogram[:, 1:].flip(1).cumsum(1).flip(1)


def _count_rows(tile: np.ndarray, levels: np.ndarray, not_below: np.ndarray, above: np.ndarray) -> None:
    for scores, level, first, second in zip(tile, levels, not_below, above, strict=True):
        scores.sort()
        below = np.searchsorted(scores, level)
        first += len(scores) - below
        # Few levels are met in a tile: mostly a photo's own, in the one tile that has the photo.
        met = np.flatnonzero(scores.take(below, mode="clip") == level)
        below[met] = np.searchsorted(scores, level[met], "right")
        second += len(scores) - below
