"""Vectors on Milvus: Milvus Lite, in a file; and servers that are not there."""

import socket
import time
from dataclasses import replace

import numpy as np
import pytest

from hybrid_sbir.search import stores
from hybrid_sbir.search.manifest import IndexProblem, write_manifest
from hybrid_sbir.search.stores import milvus, milvus_collection
from hybrid_sbir.search.stores.milvus_address import TOKEN, address
from hybrid_sbir.search.stores.milvus_collection import Collection
from hybrid_sbir.search.stores.recall import Queries
from tests.search.stores.vectors import manifest_of, photos_and_sketches

PHOTOS, SKETCHES = photos_and_sketches(photos=700, sketches=5)
IDS = [f"class{i % 7}/{i}.jpg" for i in range(len(PHOTOS))]


@pytest.fixture
def url(tmp_path):
    pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed: pip install 'hybrid-sbir[milvus]'")
    return f"milvus://{tmp_path / 'new' / 'vectors.db'}"


def index(url, folder, vectors=PHOTOS, ids=IDS):
    """Build, and put the manifest in its place."""
    built = stores.build(url, vectors, folder, ids=ids, queries=Queries(SKETCHES, "drawings"))
    manifest = manifest_of(built, vectors)
    write_manifest(folder, manifest)
    built.finish()
    return manifest


def test_what_is_found_is_what_the_exact_store_finds(url, tmp_path):
    manifest = index(url, tmp_path / "index")
    assert set(manifest.files) - {"model", "photos"} == {"keys"}
    assert (manifest.store["url"], manifest.store["rows"]) == (url, 700)
    assert manifest.store["recall"] == {
        "at": {"1": 1.0, "10": 1.0, "100": 1.0},
        "queries": 5,
        "of": "drawings",
        "optimistic": False,
    }
    store = stores.open(manifest, tmp_path / "index")
    for k in (1, 10, 700, 5000):
        found, exact = (each.search(SKETCHES, k) for each in (store, stores.ExactStore(PHOTOS)))
        assert all(np.array_equal(a, b) for a, b in zip(found, exact, strict=True))


def test_an_update_writes_and_deletes_only_what_changed(url, tmp_path, monkeypatch):
    old = index(url, tmp_path / "index")
    vectors = PHOTOS.copy()[5:]
    vectors[10] = vectors[11]
    written, removed = [], []
    put, remove = Collection.put, Collection.remove
    monkeypatch.setattr(Collection, "put", lambda self, k, p, v: written.extend(p) or put(self, k, p, v))
    monkeypatch.setattr(Collection, "remove", lambda self, keys: removed.extend(keys) or remove(self, keys))
    built = stores.build(url, vectors, tmp_path / "index", ids=IDS[5:])
    assert written == [IDS[15]]
    assert removed == []
    before = stores.open(old, tmp_path / "index").search(SKETCHES, 20)[1]  # the old manifest is still in its place
    assert np.array_equal(before, stores.ExactStore(PHOTOS).search(SKETCHES, 20)[1])
    built.finish()
    assert len(removed) == 6
    after = stores.open(manifest_of(built, vectors), tmp_path / "index").search(SKETCHES, 695)[1]
    assert np.array_equal(after, stores.ExactStore(vectors).search(SKETCHES, 695)[1])


def test_a_killed_build_goes_on_where_it_was(url, tmp_path, monkeypatch):
    monkeypatch.setattr(milvus, "BATCH", 100)
    put, written = Collection.put, []

    def dies(self, keys, photos, vectors):
        if len(written) == 300:
            raise KeyboardInterrupt
        written.extend(photos)
        put(self, keys, photos, vectors)

    monkeypatch.setattr(Collection, "put", dies)
    with pytest.raises(KeyboardInterrupt):
        index(url, tmp_path / "index")
    monkeypatch.setattr(Collection, "put", lambda self, k, p, v: written.extend(p) or put(self, k, p, v))
    manifest = index(url, tmp_path / "index")
    assert written == IDS
    found = stores.open(manifest, tmp_path / "index").search(SKETCHES, 700)[1]
    assert np.array_equal(found, stores.ExactStore(PHOTOS).search(SKETCHES, 700)[1])


def test_rows_that_a_killed_build_left_are_deleted(url, tmp_path):
    index(url, tmp_path / "index")
    stores.build(
        url, np.roll(PHOTOS, 1, axis=0), tmp_path / "index", ids=IDS
    )  # ends here, before its manifest is written
    index(url, tmp_path / "index")
    assert len(Collection(address(url))) == 700


def test_another_index_and_other_vectors_are_kept_out(url, tmp_path):
    manifest = index(url, tmp_path / "index")
    with pytest.raises(ValueError, match=r"is not of the index .*other.*give another collection"):
        index(url, tmp_path / "other", PHOTOS[:3], IDS[:3])
    with pytest.raises(ValueError, match=r"is not of the index .*other.*give another collection"):
        stores.check(url, 32, tmp_path / "other")
    with pytest.raises(ValueError, match="is for vectors of 32 numbers, the model gives 2"):
        index(url, tmp_path / "index", np.eye(2, dtype=np.float32), IDS[:2])
    with pytest.raises(ValueError, match="is for vectors of 32 numbers, the model gives 2"):
        stores.check(url, 2, tmp_path / "index")
    stores.check(url, 32, tmp_path / "index")
    assert stores.open(manifest, tmp_path / "index").search(SKETCHES, 700)[1].shape == (5, 700)


def test_rows_that_are_gone_are_noticed(url, tmp_path):
    folder = tmp_path / "index"
    manifest = index(url, folder)
    store = stores.open(manifest, folder)
    collection = Collection(address(url))
    collection.remove(np.load(folder / manifest.files["keys"].name)[:400].tolist())
    with pytest.raises(IndexProblem, match="too few photos of this index"):
        store.search(SKETCHES, 700)
    with pytest.raises(IndexProblem, match=r"holds 300 rows of 32 numbers, the index .* 700 of 32"):
        stores.open(manifest, folder)
    gone = replace(manifest, store=manifest.store | {"url": url.replace("vectors.db", "others.db")})
    with pytest.raises(IndexProblem, match="is not there; make the index again"):
        stores.open(gone, folder)
    index(url, folder)
    assert np.array_equal(store.search(SKETCHES, 700)[1], stores.ExactStore(PHOTOS).search(SKETCHES, 700)[1])


def test_limits_are_said(url, tmp_path, monkeypatch):
    store = stores.open(index(url, tmp_path / "index"), tmp_path / "index")
    monkeypatch.setattr(milvus, "MOST", 500)
    with pytest.raises(ValueError, match="600 photos were asked for; Milvus gives 1 to 500 at once"):
        store.search(SKETCHES, 600)
    with pytest.raises(ValueError, match="0 photos were asked for"):
        store.search(SKETCHES, 0)
    with pytest.raises(ValueError, match="0 ids were given for 700 vectors"):
        stores.build(url, PHOTOS, tmp_path / "index")
    with pytest.raises(ValueError, match="1 of 700 photos have the id of another one"):
        milvus.row_keys([*IDS[:-1], IDS[0]], np.repeat(PHOTOS[:1], 700, axis=0))


def test_no_photos_are_an_index_too(url, tmp_path):
    manifest = index(url, tmp_path / "index", PHOTOS[:0], [])
    assert stores.open(manifest, tmp_path / "index").search(SKETCHES, 3)[1].shape == (5, 0)


def test_looking_at_an_address_makes_nothing(url, tmp_path):
    stores.check(url, 32, tmp_path / "index")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("listens", [False, True])
def test_a_server_that_is_gone_or_silent_is_said_in_time(listens, tmp_path, monkeypatch):
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'hybrid-sbir[milvus]'")
    monkeypatch.setenv(TOKEN, "root:Secret99")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        where = address(f"milvus://127.0.0.1:{server.getsockname()[1]}/photos")
        start = time.monotonic()
        with pytest.raises(stores.StoreUnreachable, match=r"could not be opened.*see that Milvus runs there") as said:
            Collection(where, timeout=2)
        assert time.monotonic() - start < 8
        assert "Secret99" not in str(said.value)


def test_a_server_that_goes_away_is_said_in_time(url, tmp_path, monkeypatch):
    """The file's server is stopped while the index is open."""
    monkeypatch.setattr(milvus, "_SEARCH_S", 2.0)
    manifest = index(url, tmp_path / "index")
    store = stores.open(manifest, tmp_path / "index")
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_all()
    start = time.monotonic()
    with pytest.raises(stores.StoreUnreachable, match="could not be searched"):
        store.search(SKETCHES, 3)
    assert time.monotonic() - start < 8


def test_a_token_is_read_from_the_environment_and_kept_out_of_the_index(monkeypatch):
    monkeypatch.setenv(TOKEN, "root:Secret99")
    where = address("milvus+tls://db.example.org:19530/photos_90")
    assert (where.uri, where.collection, where.token) == ("https://db.example.org:19530", "photos_90", "root:Secret99")
    assert "Secret99" not in repr(where)
    assert address("milvus:///data/x.db").token == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("milvus://root:Secret99@host:1/photos", "has a name or password in it"),
        ("milvus://host:19530/", "'' is no name of a collection"),
        ("milvus://host:19530/a-b", "'a-b' is no name of a collection"),
        ("milvus:///data/vectors", r"ends in \.db"),
        ("milvus://host:19530/photos?token=Secret99", "is no address of Milvus"),
    ],
)
def test_addresses_that_are_none_are_refused_without_their_secrets(url, words, tmp_path):
    with pytest.raises(ValueError, match=words) as said:
        stores.build(url, PHOTOS, tmp_path, ids=IDS)
    assert "Secret99" not in str(said.value)


def test_without_pymilvus_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pymilvus", None)
    with pytest.raises(ImportError, match=r"pip install 'hybrid-sbir\[milvus\]'"):
        stores.build("milvus:///data/x.db", PHOTOS, tmp_path, ids=IDS)


def test_long_and_strange_ids_are_cut_for_other_clients():
    assert len(milvus_collection._short("é" * 5000).encode()) == 4096
    assert milvus_collection._short("a\udcff") == "a\\udcff"
