"""FAISS finds candidates, the stored vectors rank them: scores are true cosines, in the exact store's order.

N photos, E embedding size, Q queries, C candidates, K results.
"""

from typing import Any

import numpy as np
import torch

from hybrid_sbir.search.stores.exact import ExactStore
from hybrid_sbir.search.stores.faiss_library import library, threads
from hybrid_sbir.search.stores.scoring import best, checked

_ALL = 8  # of more than an eighth of the photos, all are compared: it is faster and exact


class ApproximateStore:
    """An index of FAISS, and the vectors it was built of.

    Args:
        kind: what it is, for ``describe``.
        index: FAISS's.
        vectors: (N, E), float32, each of norm 1 or 0; may be memory-mapped.
        effort: how hard to look: candidates a result (sq8), efSearch (hnsw), nprobe (ivf).
        farthest: see :class:`ExactStore`.

    Attributes:
        exact: the store that compares all of them.
        kind: as given.
        effort: as given.

    Raises:
        ValueError: if the index holds other numbers of photos or of dimensions than the vectors.
    """

    def __init__(self, kind: str, index: Any, vectors: np.ndarray, effort: int, farthest: float | None = None) -> None:
        if (index.ntotal, index.d) != vectors.shape:
            raise ValueError(f"the index holds {index.ntotal} x {index.d} numbers, the vectors are {vectors.shape}")
        self.exact = ExactStore(vectors, farthest)
        self.kind, self.effort = kind, effort
        self._index, self._vectors = index, vectors

    def search(self, queries: np.ndarray, k: int, effort: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find K near photos of each query, in the order of their exact cosines.

        Where FAISS finds fewer than K, and where K is a large part of the catalogue, all photos are compared.

        Args:
            queries: (Q, E), floating point, of any norm.
            k: K, from 1 on; a smaller catalogue gives all it has.
            effort: how hard to look, instead of what the index was opened with.

        Returns:
            Cosines (Q, K), float32, falling; places (Q, K), int64.

        Raises:
            ValueError: if a query is not finite or of another size, or K or the effort is below 1.
        """
        effort = self.effort if effort is None else effort
        if effort < 1:
            raise ValueError(f"an effort of {effort} was asked for; give 1 or more")
        if k < 1 or k * _ALL > len(self._vectors):
            return self.exact.search(queries, k)
        coded = checked(queries, self._vectors.shape[1])
        cosines, places = np.empty((len(coded), k), np.float32), np.empty((len(coded), k), np.int64)
        for row, candidates in enumerate(self._candidates(coded, k, effort)):
            found = candidates[candidates >= 0]
            if len(found) < k:
                near = self.exact.search(queries[row : row + 1], k)
                cosines[row], places[row] = near[0][0], near[1][0]
            else:
                cosines[row], places[row] = best(coded[row], self._vectors, found, k)
        return cosines, places

    def describe(self) -> dict[str, Any]:
        """See :class:`Store`."""
        return {"kind": self.kind, "effort": self.effort}

    def _candidates(self, coded: torch.Tensor, k: int, effort: int) -> np.ndarray:
        """Places (Q, C), -1 where there were too few."""
        faiss = library()
        base, settings, wanted = faiss.downcast_index(self._index), None, 4 * k
        if hasattr(base, "hnsw"):
            wanted = max(2 * k, effort)
            settings = faiss.SearchParametersHNSW(efSearch=wanted)
        elif hasattr(base, "nlist"):
            settings = faiss.SearchParametersIVF(nprobe=min(effort, base.nlist))
        else:
            wanted = effort * k
        rounded = (coded * 2.0**-26).float().numpy()
        with threads(1):
            return self._index.search(rounded, min(wanted, len(self._vectors)), params=settings)[1]
