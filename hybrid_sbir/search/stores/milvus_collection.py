"""A collection of photos' vectors on Milvus: rows by key, in batches, every call bounded in time.

N photos, E embedding size, Q queries, C candidates.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from hybrid_sbir.search.stores.milvus_address import TOKEN, Address

BATCH = 1000  # rows a call: half a megabyte at 128 numbers
MOST = 16_384  # results a call, a limit of Milvus (Milvus docs, "Limits": topk)
_KEYS = 1 << 16  # found in one call
_NUMBERS = 1 << 20  # read in one call: 4 MiB, far below a message's limit
_PHOTO = 4096  # bytes of a photo's id that are kept beside its vector, for other clients
_OWNER = "hybrid_sbir.index"
_ABOUT = "vectors of photos, written by hybrid-sbir for the index"


class StoreUnreachable(ConnectionError):
    """A server that does not answer, or refuses; the message says where, why, and what to do."""


class Collection:
    """Rows of a key, a photo's id and its vector.

    Args:
        address: where it is; it is made when the first rows are written.
        timeout: s, of any call.

    Raises:
        ImportError: if pymilvus is not installed; names the extra.
        StoreUnreachable: if the server or the file cannot be opened.
    """

    def __init__(self, address: Address, timeout: float = 30.0) -> None:
        try:
            from pymilvus import MilvusClient
        except ImportError as problem:
            raise ImportError(f"Milvus needs pymilvus ({problem}); pip install 'hybrid-sbir[milvus]'") from problem
        self._address, self._timeout, self._name = address, timeout, address.collection
        with self._words("opened"):
            self._client = MilvusClient(address.uri, token=address.token, timeout=timeout)

    def owner(self) -> str | None:
        """Return the index it was made for, or what else it says of itself; None where there is no such collection."""
        with self._words("looked up"):
            if not self._client.has_collection(self._name, timeout=self._timeout):
                return None
            about = self._client.describe_collection(self._name, timeout=self._timeout)
        return str(about["description"] or about["properties"].get(_OWNER, "")).removeprefix(f"{_ABOUT} ")

    def create(self, size: int, owner: str) -> None:
        """Make it, for vectors of ``size`` numbers; Milvus chooses the kind of its index (AUTOINDEX)."""
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(description=f"{_ABOUT} {owner}", enable_dynamic_field=False)
        schema.add_field("key", DataType.INT64, is_primary=True)
        schema.add_field("photo", DataType.VARCHAR, max_length=_PHOTO)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=size)
        index = MilvusClient.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
        # Milvus Lite forgets the description; a server need not take properties that it does not know
        extra = {} if "://" in self._address.uri else {"properties": {_OWNER: f"{_ABOUT} {owner}"}}
        with self._words("made"):
            self._client.create_collection(
                self._name,
                schema=schema,
                index_params=index,
                consistency_level="Strong",
                timeout=self._timeout,
                **extra,
            )

    def size(self) -> int:
        """Return how many numbers its vectors have; 0 where it has no vectors of the name that is written here."""
        with self._words("looked up"):
            fields = self._client.describe_collection(self._name, timeout=self._timeout)["fields"]
        return next((int(f["params"]["dim"]) for f in fields if f["name"] == "vector" and "dim" in f["params"]), 0)

    def load(self) -> None:
        """Let the server have it in memory, ready to be searched."""
        with self._words("loaded"):
            self._client.load_collection(self._name, timeout=self._timeout)

    def __len__(self) -> int:
        with self._words("counted"):
            rows = self._client.query(self._name, filter="", output_fields=["count(*)"], timeout=self._timeout)
        return int(rows[0]["count(*)"])

    def present(self, keys: np.ndarray) -> set[int]:
        """Return which of some keys (at most a batch) it holds."""
        wanted = ", ".join(str(key) for key in keys.tolist())
        with self._words("read"):
            rows = self._client.query(
                self._name, filter=f"key in [{wanted}]", output_fields=["key"], timeout=self._timeout
            )
        return {row["key"] for row in rows}

    def all_keys(self) -> Iterator[list[int]]:
        """Yield the keys it holds, a batch at a time."""
        with self._words("read"):
            batches = self._client.query_iterator(
                self._name, batch_size=MOST // 2, output_fields=["key"], timeout=self._timeout
            )
            while rows := batches.next():
                yield [row["key"] for row in rows]
            batches.close()

    def put(self, keys: np.ndarray, photos: Sequence[str], vectors: np.ndarray) -> None:
        """Write a batch of rows: those whose key is there are replaced."""
        rows = [
            {"key": key, "photo": _short(photo), "vector": vector}
            for key, photo, vector in zip(keys.tolist(), photos, vectors, strict=True)
        ]
        with self._words("written"):
            self._client.upsert(self._name, data=rows, timeout=self._timeout)

    def remove(self, keys: Sequence[int]) -> None:
        """Delete rows; keys that are not there do no harm."""
        for start in range(0, len(keys), BATCH):
            with self._words("written"):
                self._client.delete(self._name, ids=list(keys[start : start + BATCH]), timeout=self._timeout)

    def near(self, queries: np.ndarray, count: int) -> list[np.ndarray]:
        """Return keys (C,) near each query (Q, E), nearest first, at most ``count``."""
        step, found = max(1, _KEYS // count), []
        for start in range(0, len(queries), step):
            with self._words("searched"):
                found += self._client.search(
                    self._name,
                    data=list(queries[start : start + step]),
                    limit=count,
                    timeout=self._timeout,
                    anns_field="vector",
                )
        return [np.array([hit["key"] for hit in hits], np.int64) for hits in found]

    def vectors(self, keys: np.ndarray, size: int) -> np.ndarray:
        """Return the vectors (C, E) of keys (C,) in ascending order.

        Raises:
            KeyError: if it does not hold all of them any more.
        """
        step = max(1, min(BATCH, _NUMBERS // size))
        found: dict[int, list[float]] = {}
        for start in range(0, len(keys), step):
            wanted = ", ".join(str(key) for key in keys[start : start + step].tolist())
            with self._words("read"):
                rows = self._client.query(
                    self._name, filter=f"key in [{wanted}]", output_fields=["key", "vector"], timeout=self._timeout
                )
            found |= {row["key"]: row["vector"] for row in rows}
        return np.array([found[key] for key in keys.tolist()], np.float32).reshape(-1, size)

    def close(self) -> None:
        """Let go of the server or the file."""
        self._client.close()

    @contextmanager
    def _words(self, done: str) -> Iterator[None]:
        import grpc
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except (MilvusException, grpc.RpcError, OSError, ValueError) as problem:
            reason = " ".join(str(getattr(problem, "message", problem)).split())[:300]
            raise StoreUnreachable(
                f"{self._address.url} could not be {done}: {reason}; see that Milvus runs there and answers within "
                f"{self._timeout:g} s; a name and password are read from {TOKEN}"
            ) from problem


def _short(photo: str) -> str:
    return photo.encode("utf-8", "backslashreplace")[:_PHOTO].decode("utf-8", "ignore")
