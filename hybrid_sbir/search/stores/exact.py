"""All photos are compared. Q queries, N photos, E embedding size, K results."""

from typing import Any

import numpy as np
import torch

from hybrid_sbir.retrieval.neighbours import nearest


class ExactStore:
    """All photos are compared.

    Args:
        vectors: (N, E), float32, of norm 1.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = torch.from_numpy(np.array(vectors))

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`Store`."""
        cosines, places = nearest(torch.from_numpy(queries), self._vectors, min(k, len(self._vectors)))
        return cosines.float().numpy(), places.numpy()

    def describe(self) -> dict[str, Any]:
        """See :class:`Store`."""
        return {"kind": "exact"}
