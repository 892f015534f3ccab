"""What every store of vectors does, and what making one gives. Q queries, N photos, E embedding size, K results."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from hybrid_sbir.search.manifest import StoredFile


class Store(Protocol):
    """Vectors of photos, by place."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the K nearest photos of queries (Q, E): cosines (Q, K), falling, float32; places (Q, K), int64."""

    def describe(self) -> dict[str, Any]:
        """Return its kind and parameters, plain values."""


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Built:
    """Vectors that were stored.

    Attributes:
        description: what the manifest says of the store: ``kind``, parameters, what was measured; plain values.
        files: role (vectors, ann, keys) -> file, for the manifest; each lies in the index's folder already.
        finish: to be called once the new manifest is in place; it removes what only the old one needed.
    """

    description: dict[str, Any]
    files: dict[str, StoredFile]
    finish: Callable[[], None] = field(default=_nothing)
