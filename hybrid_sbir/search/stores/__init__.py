"""Vectors that can be searched: made when an index is made, opened when it is opened.

N photos, E embedding size, Q queries.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_sbir.search.manifest import IndexProblem, Manifest, verified
from hybrid_sbir.search.stores.approximate import ApproximateStore
from hybrid_sbir.search.stores.exact import ExactStore
from hybrid_sbir.search.stores.faiss_library import library
from hybrid_sbir.search.stores.files import open_array, store_array, store_written
from hybrid_sbir.search.stores.kinds import APPROXIMATE, KINDS, chosen, parameters, train_and_add
from hybrid_sbir.search.stores.milvus import MilvusStore, build_milvus, open_milvus
from hybrid_sbir.search.stores.milvus_address import is_address
from hybrid_sbir.search.stores.milvus_claim import check_milvus
from hybrid_sbir.search.stores.milvus_collection import StoreUnreachable
from hybrid_sbir.search.stores.recall import WANTED, Queries, made_up, tuned
from hybrid_sbir.search.stores.scoring import first_without_norm
from hybrid_sbir.search.stores.store import Built, Store

__all__ = [
    "KINDS",
    "ApproximateStore",
    "Built",
    "ExactStore",
    "MilvusStore",
    "Queries",
    "Store",
    "StoreUnreachable",
    "build",
    "check",
    "is_address",
    "open",
]


def check(kind: str, size: int, folder: Path) -> None:
    """See that a store can be made, before an hour is spent on its vectors.

    Args:
        kind: as of :func:`build`.
        size: E.
        folder: of the index; it need not be there.

    Raises:
        ValueError: if there is no such kind, or the collection on Milvus is another's or for other vectors.
        ImportError: if the kind needs a library that is not installed.
        StoreUnreachable: if Milvus does not answer.
    """
    if is_address(kind):
        return check_milvus(kind, size, folder)
    if chosen(kind, 1) in APPROXIMATE:
        library()
    return None


def build(
    kind: str,
    vectors: np.ndarray,
    folder: Path,
    *,
    queries: Queries | None = None,
    wanted: float = WANTED,
    effort: int | None = None,
    ids: Sequence[str] | None = None,
) -> Built:
    """Store the vectors of an index.

    Args:
        kind: one of :data:`KINDS`, or ``auto``: by the number of photos; or an address of Milvus:
            ``milvus://host:port/collection``, ``milvus:///path/file.db``.
        vectors: (N, E), float32, each of norm 1 or 0; may be memory-mapped.
        folder: of the index.
        queries: sketches' vectors that recall is measured with, where the kind is approximate; without them, made-up
            ones, which the manifest says.
        wanted: the recall at 10 that the effort of a query is chosen for.
        effort: how hard a query looks; without it, the least that reaches ``wanted``.
        ids: of the photos (N); Milvus needs them.

    Returns:
        What the manifest has to say, and the files, which lie in ``folder``.

    Raises:
        ValueError: if there is no such kind, or the vectors are not as above.
        ImportError: if the kind needs a library that is not installed.
        StoreUnreachable: if Milvus does not answer.
    """
    if is_address(kind):
        return build_milvus(kind, vectors, folder, ids or (), queries)
    kind = chosen(kind, len(vectors))
    if kind == "exact":
        farthest = ExactStore(vectors).farthest  # refuses what are no embeddings
        return Built({"kind": kind, "farthest_norm": farthest}, {"vectors": store_array(folder, "vectors", vectors)})
    index = train_and_add(kind, vectors)
    store = ApproximateStore(kind, index, vectors, effort or 1)
    chosen_effort, recall = tuned(store, queries or made_up(vectors), wanted, effort)
    files = {
        "vectors": store_array(folder, "vectors", vectors),
        "ann": store_written(folder, "ann", ".faiss", lambda path: library().write_index(index, str(path))),
    }
    return Built(
        {
            "kind": kind,
            "parameters": parameters(kind, index),
            "effort": chosen_effort,
            "farthest_norm": store.exact.farthest,
            "recall": recall,
        },
        files,
    )


def open(manifest: Manifest, folder: Path, *, kind: str | None = None, effort: int | None = None) -> Store:
    """Open the vectors of an index.

    Args:
        manifest: the index's.
        folder: the index's.
        kind: ``exact`` compares all photos, whatever the index was built for.
        effort: how hard a query looks (efSearch, nprobe, candidates a result), instead of the manifest's.

    Raises:
        IndexProblem: if a file is missing, cut short or altered, or the kind is not known.
        ImportError: if the kind needs a library that is not installed.
        ValueError: if ``kind`` or ``effort`` is not as above.
        StoreUnreachable: if Milvus does not answer.
    """
    built = manifest.store.get("kind")
    if kind not in (None, "exact", built):
        raise ValueError(f"{folder} was built for the kind {built!r}, not {kind!r}; give that or exact")
    if effort is not None and effort < 1:
        raise ValueError(f"an effort of {effort} was asked for; give 1 or more")
    kind = kind or built
    if built == "milvus" and kind != "exact":
        return open_milvus(manifest, folder)
    vectors = open_array(folder, manifest, "vectors")
    if vectors.shape != (manifest.photos, manifest.embedding_size):
        raise IndexProblem(f"{folder} has {vectors.shape} vectors for {manifest.photos} photos; make the index again")
    if (place := first_without_norm(vectors)) is not None:
        raise IndexProblem(
            f"vector {place} of {folder} is no embedding: it has numbers that are not finite, or another norm than 1; "
            "make the index again"
        )
    if kind == "exact":
        return ExactStore(vectors, _farthest(manifest))
    if kind not in APPROXIMATE or "ann" not in manifest.files:
        raise IndexProblem(f"{folder} has a store of the kind {kind!r}, which is not known here; make the index again")
    return ApproximateStore(
        kind, _read(folder, manifest), vectors, effort or _effort(manifest, folder), _farthest(manifest)
    )


def _read(folder: Path, manifest: Manifest) -> Any:
    path = verified(folder, manifest.files["ann"])
    try:
        return library().read_index(str(path))
    except RuntimeError as problem:
        raise IndexProblem(f"{path} cannot be read by this FAISS ({problem}); make the index again") from problem


def _effort(manifest: Manifest, folder: Path) -> int:
    effort = manifest.store.get("effort")
    if not isinstance(effort, int) or effort < 1:
        raise IndexProblem(f"the manifest of {folder} names an effort of {effort!r}; make the index again")
    return effort


def _farthest(manifest: Manifest) -> float | None:
    """What was measured of the vectors when they were stored; they are checked by their SHA-256 since."""
    farthest = manifest.store.get("farthest_norm")
    return farthest if isinstance(farthest, float) and 0 <= farthest < 1 else None
