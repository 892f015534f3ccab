"""Whose a collection on Milvus is: it takes the rows of one index, and no other deletes them."""

import hashlib
from pathlib import Path

from hybrid_sbir.search.manifest import IndexProblem, read_manifest
from hybrid_sbir.search.stores.milvus_address import address
from hybrid_sbir.search.stores.milvus_collection import Collection


def check_milvus(url: str, size: int, folder: Path) -> None:
    """See that an index can be brought to a collection, before its photos are embedded; nothing is made.

    Raises:
        ValueError: if the address is none, or the collection is another's or for other vectors.
        StoreUnreachable: if the server does not answer.
    """
    where = address(url)
    if where.is_file and not Path(where.uri).exists():
        return
    collection = Collection(where)
    try:
        _refuse_others(collection, url, size, folder, _owner_name(folder))
    finally:
        collection.close()


def claim(collection: Collection, url: str, size: int, folder: Path) -> None:
    """Make the collection and load it, or see that it is this index's.

    Args:
        collection: to be written to.
        url: its address.
        size: numbers a vector.
        folder: of the index.

    Raises:
        ValueError: if it is another's or for other vectors.
        StoreUnreachable: if the server does not answer.
    """
    me = _owner_name(folder)
    if not _refuse_others(collection, url, size, folder, me):
        return collection.create(size, me)
    return collection.load()


def _owner_name(folder: Path) -> str:
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]


def _refuse_others(collection: Collection, url: str, size: int, folder: Path, me: str) -> bool:
    """Return whether the collection is there.

    Raises:
        ValueError: if it is there and is not this index's, or for other vectors.
    """
    owner = collection.owner()
    if owner is None:
        return False
    try:
        mine = owner == me or read_manifest(folder).store.get("url") == url
    except IndexProblem:
        mine = False
    if not mine:
        raise ValueError(
            f"{url} is there already and is not of the index {folder}, which would delete what it holds; give another "
            "collection, or drop this one"
        )
    if collection.size() != size:
        raise ValueError(
            f"{url} is for vectors of {collection.size()} numbers, the model gives {size}; give another collection"
        )
    return True
