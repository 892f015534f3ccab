"""Vectors on Milvus, past one machine; the index folder keeps a key a photo.

A row's key is made of the photo's id and vector. So what is there already is known after a kill, a changed photo is a
new row beside the old one, and the old manifest stays right until the new one is in its place.

N photos, E embedding size, Q queries, K results.
"""

import hashlib
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_sbir.search.manifest import IndexProblem, Manifest, read_manifest
from hybrid_sbir.search.stores.exact import ExactStore
from hybrid_sbir.search.stores.files import open_array, store_array
from hybrid_sbir.search.stores.milvus_address import address
from hybrid_sbir.search.stores.milvus_claim import claim
from hybrid_sbir.search.stores.milvus_collection import BATCH, MOST, Collection
from hybrid_sbir.search.stores.recall import Queries, made_up, measured
from hybrid_sbir.search.stores.scoring import best, checked
from hybrid_sbir.search.stores.store import Built

_SPARE = 16  # rows beyond K at first: an index that is being updated has rows of photos that are gone
_SEARCH_S = 10.0
_MEASURED = 64  # queries
_AGAIN = "run the index command again"


class MilvusStore:
    """Vectors in a collection of Milvus.

    Args:
        collection: where they are.
        keys: (N,), int64, of the photos in their order.
        size: E.
    """

    def __init__(self, collection: Collection, keys: np.ndarray, size: int) -> None:
        self._collection, self._size = collection, size
        self._places = np.argsort(keys, kind="stable")
        self._keys = np.asarray(keys)[self._places]

    def search(self, queries: np.ndarray, k: int, effort: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find K near photos of each query, in the order of their exact cosines.

        Args:
            queries: (Q, E), floating point, of any norm.
            k: K, from 1 to 16,384; a smaller catalogue gives all it has.
            effort: not used: Milvus chooses.

        Returns:
            Cosines (Q, K), float32, falling; places (Q, K), int64.

        Raises:
            ValueError: if a query is not finite or of another size, or K is not as above.
            StoreUnreachable: if the server does not answer.
            IndexProblem: if it has lost photos of the index.
        """
        k = min(k, len(self._keys)) if k > 0 else k
        if not (1 <= k <= MOST) and len(self._keys):
            raise ValueError(f"{k} photos were asked for; Milvus gives 1 to {MOST:,} at once")
        coded = checked(queries, self._size)
        cosines, all_places = np.empty((len(coded), k), np.float32), np.empty((len(coded), k), np.int64)
        if not k or not len(coded):
            return cosines, all_places
        near = self._near((coded * 2.0**-26).float().numpy(), k)
        keys = np.unique(np.concatenate(near))
        try:
            vectors = self._collection.vectors(keys, self._size)
        except KeyError as problem:
            raise IndexProblem(f"a photo's row {problem} was removed from Milvus meanwhile; {_AGAIN}") from problem
        for row, found in enumerate(near):
            places = self._places[np.searchsorted(self._keys, found)]
            order = np.argsort(places)
            cosines[row], at = best(coded[row], vectors[np.searchsorted(keys, found[order])], np.arange(len(order)), k)
            all_places[row] = places[order][at]
        return cosines, all_places

    def describe(self) -> dict[str, Any]:
        """See :class:`Store`."""
        return {"kind": "milvus"}

    def _near(self, queries: np.ndarray, k: int) -> list[np.ndarray]:
        """Keys of the index near each query, K and a few more where there are."""
        found: dict[int, np.ndarray] = {}
        wanted = min(k + _SPARE, MOST)
        while left := [row for row in range(len(queries)) if row not in found]:
            for row, keys in zip(left, self._collection.near(queries[left], wanted), strict=True):
                at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
                known = keys[self._keys[at] == keys][: k + _SPARE]
                if len(known) >= k:
                    found[row] = known
            if wanted >= min(MOST, 2 * len(self._keys) + _SPARE) and len(found) < len(queries):
                raise IndexProblem(
                    "Milvus gave too few photos of this index: rows were removed, or the collection holds many that "
                    f"are of no use; {_AGAIN}"
                )
            wanted = min(2 * wanted, MOST)
        return [found[row] for row in range(len(queries))]


def build_milvus(url: str, vectors: np.ndarray, folder: Path, ids: Sequence[str], queries: Queries | None) -> Built:
    """Bring a collection to hold the vectors of an index; see :func:`stores.build`.

    Raises:
        ValueError: if the address is none, or the collection is another's or for other vectors.
        StoreUnreachable: if the server does not answer.
    """
    exact = ExactStore(vectors)
    if len(ids) != len(vectors):
        raise ValueError(f"{len(ids)} ids were given for {len(vectors)} vectors")
    keys = row_keys(ids, vectors)
    where = address(url)
    where.make_folder()
    collection = Collection(where)
    claim(collection, url, vectors.shape[1], folder)
    for start in range(0, len(keys), BATCH):
        rows = slice(start, start + BATCH)
        there = collection.present(keys[rows])
        missing = [at for at in range(start, start + len(keys[rows])) if int(keys[at]) not in there]
        if missing:
            collection.put(keys[missing], [ids[at] for at in missing], np.asarray(vectors[missing]))
    description: dict[str, Any] = {"kind": "milvus", "url": url, "collection": where.collection}
    description["rows"] = len(keys)
    if len(keys):
        store = MilvusStore(collection, keys, vectors.shape[1])
        description["recall"] = measured(store.search, exact, _some(queries or made_up(vectors)))

    before = _keys_before(folder, url)

    def finish() -> None:
        collection.remove(np.setdiff1d(before, keys).tolist())
        _tidy(collection, keys)
        collection.close()

    return Built(description, {"keys": store_array(folder, "keys", keys)}, finish)


def _some(queries: Queries) -> Queries:
    """Return few enough of them for a server."""
    return queries._replace(vectors=queries.vectors[:: -(-len(queries.vectors) // _MEASURED)])


def open_milvus(manifest: Manifest, folder: Path) -> MilvusStore:
    """Open the collection of an index; see :func:`stores.open`.

    Raises:
        IndexProblem: if it is gone or holds fewer rows than the index, or the keys are damaged.
        StoreUnreachable: if the server does not answer.
    """
    url = str(manifest.store.get("url"))
    keys = open_array(folder, manifest, "keys")
    if keys.shape != (manifest.photos,) or keys.dtype != np.int64:
        raise IndexProblem(f"{folder} has {keys.shape} {keys.dtype} keys for {manifest.photos} photos; make it again")
    collection = Collection(address(url), _SEARCH_S)
    if collection.owner() is None:
        raise IndexProblem(f"{url}, where the vectors of {folder} should be, is not there; make the index again")
    collection.load()
    if (rows := len(collection)) < manifest.photos or collection.size() != manifest.embedding_size:
        raise IndexProblem(
            f"{url} holds {rows:,} rows of {collection.size()} numbers, the index {folder} {manifest.photos:,} of "
            f"{manifest.embedding_size}; make the index again"
        )
    return MilvusStore(collection, keys, manifest.embedding_size)


def row_keys(ids: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    """Return a key a photo (N,), int64: of its id and vector (N, E), different for different photos."""
    for salt in count():
        start = hashlib.sha256(salt.to_bytes(4, "little"))
        found = np.array([_key(start.copy(), *row) for row in zip(ids, vectors, strict=True)], np.int64)
        if len(np.unique(found)) == len(found):  # at 10**8 photos two meet in one of 4,000 indexes
            return found
        if len(set(ids)) < len(ids):
            raise ValueError(f"{len(ids) - len(set(ids))} of {len(ids)} photos have the id of another one")
    raise AssertionError


def _key(digest: Any, photo: str, vector: np.ndarray) -> int:
    digest.update(photo.encode("utf-8", "surrogatepass") + b"\0" + vector.tobytes())
    return int.from_bytes(digest.digest()[:8], "little") >> 1


def _keys_before(folder: Path, url: str) -> np.ndarray:
    """Return the keys of the index that is about to be replaced, if there is one on this collection."""
    try:
        manifest = read_manifest(folder)
        return open_array(folder, manifest, "keys") if manifest.store.get("url") == url else np.empty(0, np.int64)
    except IndexProblem:
        return np.empty(0, np.int64)


def _tidy(collection: Collection, keys: np.ndarray) -> None:
    """Delete rows that the index does not name and the one before did not either: a killed build leaves them."""
    if len(collection) == len(keys):
        return
    wanted = set(keys.tolist())
    for gone in [[key for key in batch if key not in wanted] for batch in collection.all_keys()]:
        collection.remove(gone)
