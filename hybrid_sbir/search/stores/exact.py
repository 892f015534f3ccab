"""All photos are compared, in float32; what comes close is compared again, exactly.

The order is that of :func:`hybrid_sbir.retrieval.neighbours.nearest` to the last tie, at a fraction of its time:
float32 products differ from its cosines by a known bound, so all photos whose product is within twice the bound of the
K-th best are scored as it scores them.

N photos, E embedding size, Q queries, K results.
"""

from typing import Any

import numpy as np
import torch

from hybrid_sbir.search.stores.faiss_library import library, threads
from hybrid_sbir.search.stores.scoring import all_scores, best, checked, error_bound, farthest_norm

_SCORES = 1 << 24  # held at once
_MOST = 2048  # candidates that a heap is good for; beyond, all scores are written down
_SPARE = 32  # candidates beyond K at first
_FEW = 8  # queries; of more, a matrix product is faster than one scan each


class ExactStore:
    """Vectors that are all compared with a query.

    Args:
        vectors: (N, E), float32, each of norm 1 or 0; may be memory-mapped, and is not copied.
        farthest: what :func:`scoring.farthest_norm` said of them before; without it, all of them are read.

    Attributes:
        farthest: by how much a norm differs from 1.

    Raises:
        ValueError: if they are not.
    """

    def __init__(self, vectors: np.ndarray, farthest: float | None = None) -> None:
        self._vectors = vectors
        self.farthest = farthest_norm(vectors) if farthest is None else farthest
        self._bound = error_bound(vectors.shape[1], self.farthest)
        try:
            self._fast = bool(library())
        except ImportError:
            self._fast = False

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the K nearest photos of each query; of equally near ones those that stand first.

        Args:
            queries: (Q, E), floating point, of any norm.
            k: K, from 1 on; a smaller catalogue gives all it has.

        Returns:
            Cosines (Q, K), float32, falling; places (Q, K), int64.

        Raises:
            ValueError: if a query is not finite or of another size, or K is below 1.
        """
        if k < 1:
            raise ValueError(f"{k} photos were asked for; give 1 or more")
        coded = checked(queries, self._vectors.shape[1])
        k = min(k, len(self._vectors))
        cosines, places = np.empty((len(coded), k), np.float32), np.empty((len(coded), k), np.int64)
        step = max(1, _SCORES // max(1, len(self._vectors)))
        for start in range(0, len(coded) if k else 0, step):
            rows = slice(start, start + step)
            cosines[rows], places[rows] = self._search(coded[rows], k)
        return cosines, places

    def describe(self) -> dict[str, Any]:
        """See :class:`Store`."""
        return {"kind": "exact"}

    def _search(self, coded: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
        rounded = (coded * 2.0**-26).float().numpy()
        near = self._fast and len(coded) < _FEW and k + _SPARE <= min(_MOST, len(self._vectors))
        found = self._near(rounded, k) if near else {}
        left = [row for row in range(len(coded)) if row not in found]
        if left:
            found |= dict(zip(left, self._scan(rounded[left], k), strict=True))
        cosines, places = np.empty((len(coded), k), np.float32), np.empty((len(coded), k), np.int64)
        crowded = [row for row, candidates in found.items() if 4 * len(candidates) > len(self._vectors)]
        if crowded:
            scores = all_scores(coded[crowded], self._vectors)
            ordered, order = scores.sort(dim=1, descending=True, stable=True)
            cosines[crowded], places[crowded] = ordered[:, :k].float().numpy(), order[:, :k].numpy()
        for row in found.keys() - set(crowded):
            cosines[row], places[row] = best(coded[row], self._vectors, found[row], k)
        return cosines, places

    def _near(self, queries: np.ndarray, k: int) -> dict[int, np.ndarray]:
        """Row -> candidates, where a heap holds all of them."""
        faiss = library()
        with threads(1):
            scores, places = faiss.knn(queries, self._vectors, k + _SPARE, faiss.METRIC_INNER_PRODUCT)
        least = scores[:, k - 1] - 2 * self._bound
        whole = np.flatnonzero(scores[:, -1] < least)
        return {int(row): places[row][scores[row] >= least[row]] for row in whole}

    def _scan(self, queries: np.ndarray, k: int) -> list[np.ndarray]:
        """Candidates of each query, from all scores."""
        scores = queries @ self._vectors.T
        last = scores.shape[1] - k
        least = np.partition(scores, last, axis=1)[:, last] - 2 * self._bound
        return [np.flatnonzero(row >= limit) for row, limit in zip(scores, least, strict=True)]
