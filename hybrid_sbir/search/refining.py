"""Queries that look at the catalogue: moved towards what they find first, or its photos compared with one another.

N photos, Q queries, E embedding size, K results, T first photos.
"""

import threading
from numbers import Integral

import numpy as np
import torch

from hybrid_sbir.retrieval import Reranking, expand_queries, neighbourhood
from hybrid_sbir.search.stores import Store

WHOLE = 5_000
"""Catalogues up to so many photos are re-ranked whole: once some seconds, then tens of milliseconds a query."""
FIRST = 500
"""Of larger ones so many photos that come first are, among themselves: some tenths of a second a query."""
_LEAST = 3  # photos that have neighbours to compare


class Refining:
    """Query expansion and re-ranking over an index's vectors; safe to use from several threads.

    Args:
        store: where the nearest photos are found.
        vectors: (N, E), float32, of norm 1, may be memory-mapped; None where they lie elsewhere.
    """

    def __init__(self, store: Store, vectors: np.ndarray | None) -> None:
        self._store, self._vectors = store, vectors
        self._whole: Reranking | None = None
        self._making = threading.Lock()

    def expanded(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Add to each query (Q, E) its K nearest photos (:func:`~hybrid_sbir.retrieval.expand_queries`, alpha 3).

        Raises:
            ValueError: if the vectors are not at hand, or K is below 1.
        """
        vectors = self._need("query expansion")
        if not isinstance(k, Integral) or k < 1:
            raise ValueError(f"a query cannot be expanded by {k!r} photos; give 1 or more, or 0 for none")
        _, places = self._store.search(queries, min(int(k), len(vectors)))
        moved = [
            expand_queries(torch.from_numpy(query[None]), _rows(vectors, np.sort(near)), len(near)).numpy()
            for query, near in zip(queries, places, strict=True)
        ]
        return np.concatenate(moved) if moved else queries

    def reranked(
        self, query: np.ndarray, cosines: np.ndarray, places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Order what a query found by k-reciprocal re-ranking.

        Args:
            query: (1, E).
            cosines: (T,), falling.
            places: (T,); all photos of a catalogue of up to ``WHOLE``, else the first of them.

        Returns:
            Scores (T,), falling, 0 at most; the cosines and places in that order.

        Raises:
            ValueError: if the vectors are not at hand.
        """
        vectors = self._need("re-ranking")
        if len(places) < _LEAST:
            return cosines, cosines, places
        asked = torch.from_numpy(query)
        if len(vectors) <= WHOLE:
            scores = self._of_all(vectors).scores(asked)[0].numpy()[places]
        else:
            near = np.sort(places)
            found = Reranking(_rows(vectors, near), *neighbourhood(len(near))).scores(asked)[0].numpy()
            scores = found[np.searchsorted(near, places)]
        order = np.lexsort((places, -scores))
        return scores[order], cosines[order], places[order]

    def _of_all(self, vectors: np.ndarray) -> Reranking:
        with self._making:
            if self._whole is None:
                self._whole = Reranking(torch.from_numpy(np.array(vectors)), *neighbourhood(len(vectors)))
            return self._whole

    def _need(self, what: str) -> np.ndarray:
        if self._vectors is None:
            raise ValueError(f"{what} needs the photos' vectors, which this index keeps elsewhere; leave it out")
        return self._vectors


def _rows(vectors: np.ndarray, places: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(vectors[places]))
