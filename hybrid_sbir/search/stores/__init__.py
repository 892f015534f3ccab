"""Vectors that can be searched: made when an index is made, opened when it is opened.

N photos, E embedding size.
"""

from pathlib import Path

import numpy as np

from hybrid_sbir.search.manifest import IndexProblem, Manifest
from hybrid_sbir.search.stores.exact import ExactStore
from hybrid_sbir.search.stores.files import open_array, store_array
from hybrid_sbir.search.stores.store import Built, Store

__all__ = ["Built", "ExactStore", "Store", "build", "open"]


def build(kind: str, vectors: np.ndarray, folder: Path) -> Built:
    """Store the vectors of an index.

    Args:
        kind: ``auto`` (by the number of photos) or ``exact``.
        vectors: (N, E), float32, each of norm 1 or 0; may be memory-mapped.
        folder: of the index.

    Returns:
        What the manifest has to say, and the files, which lie in ``folder``.
    """
    if kind not in ("auto", "exact"):
        raise ValueError(f"a store of the kind '{kind}' is not known; give auto or exact")
    return Built({"kind": "exact"}, {"vectors": store_array(folder, "vectors", vectors)})


def open(manifest: Manifest, folder: Path) -> Store:
    """Open the vectors of an index.

    Raises:
        IndexProblem: if a file is missing, cut short or altered, or the kind is not known.
    """
    if manifest.store.get("kind") != "exact":
        raise IndexProblem(f"{folder} has a store of the kind {manifest.store.get('kind')!r}, which is not known here")
    return ExactStore(open_array(folder, manifest, "vectors"))
