"""Damaged, forged and half-switched indexes: refused in words, or as good as before."""

import hashlib
import io
import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hybrid_sbir.cli import main
from hybrid_sbir.search import SketchSearch
from hybrid_sbir.search.catalogue import Entry
from hybrid_sbir.search.manifest import IndexProblem, read_manifest, steadily, store_file, verified
from hybrid_sbir.search.photo_rows import read_rows, row
from tests.search.building.conftest import draw, write_model

SKETCH = Image.fromarray(np.tile(np.array([255, 0], np.uint8), (32, 16)))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """An index of five photos, file by file."""
    root = tmp_path_factory.mktemp("good")
    for number in range(5):
        draw(root / "photos" / f"{number}.png", number)
    model = write_model(root / "tiny.safetensors")
    main(
        [
            "index",
            "--model",
            str(model),
            "--photos",
            str(root / "photos"),
            "--out",
            str(root / "index"),
            "--workers",
            "0",
        ]
    )
    return {path.name: path.read_bytes() for path in (root / "index").iterdir()}


@pytest.fixture
def index(good, tmp_path):
    for name, raw in good.items():
        (tmp_path / name).write_bytes(raw)
    return tmp_path


def forge(index, change):
    """Write a manifest that ``change`` has been at."""
    plain = json.loads((index / "manifest.json").read_text())
    change(plain)
    (index / "manifest.json").write_text(json.dumps(plain))


def test_all_files_of_an_index_are_named_by_its_manifest(good):
    plain = json.loads(good["manifest.json"])
    assert {about["name"] for about in plain["files"].values()} | {"manifest.json"} == set(good)
    assert plain["photos"] == 5
    assert plain["versions"].keys() == {"hybrid-sbir", "torch", "pillow"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_mutated_index_is_refused_or_finds_the_same(good, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("mutated")
    name = data.draw(st.sampled_from(sorted(n for n in good if good[n])), label="file")
    raw = bytearray(good[name])
    kind = data.draw(st.sampled_from(["flip", "cut", "grow", "insert", "remove", "swap"]), label="kind")
    at = data.draw(st.integers(0, len(raw) - 1), label="at")
    if kind == "flip":
        raw[at] ^= data.draw(st.integers(1, 255), label="bits")
    elif kind == "cut":
        del raw[at:]
    elif kind == "grow":
        raw += data.draw(st.binary(min_size=1, max_size=100), label="more")
    elif kind == "insert":
        raw[at:at] = data.draw(st.binary(min_size=1, max_size=9), label="more")
    elif kind == "swap":
        raw = bytearray(good[data.draw(st.sampled_from(sorted(good)), label="other")])
    for other, content in good.items():
        (folder / other).write_bytes(bytes(raw) if other == name else content)
    if kind == "remove":
        (folder / name).unlink()
    try:
        found = SketchSearch.load(folder).search(SKETCH, 5)
    except IndexProblem:
        return
    for other, content in good.items():
        (folder / other).write_bytes(content)
    assert found == SketchSearch.load(folder).search(SKETCH, 5)


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("is not of the format", lambda m: m.update(format="hybrid_sbir.index.2")),
        ("is not of the format", lambda m: m.pop("format")),
        ("files", lambda m: m.pop("files")),
        ("photos", lambda m: m["files"].pop("photos")),
        ("called '../../etc/passwd'", lambda m: m["files"]["photos"].update(name="../../etc/passwd")),
        ("called '/etc/passwd'", lambda m: m["files"]["model"].update(name="/etc/passwd")),
        ("a file of vectors is called", lambda m: m["files"]["vectors"].update(name=m["files"]["photos"]["name"])),
        ("called 'manifest.json'", lambda m: m["files"]["vectors"].update(name="manifest.json")),
        ("called 7", lambda m: m["files"]["vectors"].update(name=7)),
        ("a file of photos is called", lambda m: m["files"]["photos"].update(sha256="0" * 64)),
        ("has .* bytes, not 1,000", lambda m: m["files"]["photos"].update(bytes=10**30)),
        ("is said to have -1 bytes", lambda m: m["files"]["photos"].update(bytes=-1)),
        ("photos is 1" + "0" * 30, lambda m: m.update(photos=10**30)),
        ("photos is -1", lambda m: m.update(photos=-1)),
        ("photos is True", lambda m: m.update(photos=True)),
        ("embedding_size is 'x'", lambda m: m.update(embedding_size="x")),
        ("source", lambda m: m.update(source={"kind": "folder"})),
        ("views is", lambda m: m.update(views=[])),
        ("store is", lambda m: m.update(store={"kind": ["exact"]})),
        ("preparation is", lambda m: m["preparation"].update(photo=5)),
        ("gives .* numbers, its vectors have|vectors for", lambda m: m.update(embedding_size=7)),
        ("another", lambda m: m.update(another=1)),
        ("5 photos|5, 8", lambda m: m.update(photos=4)),
    ],
)
def test_a_forged_manifest_is_refused_in_words(index, words, change):
    forge(index, change)
    with pytest.raises(IndexProblem, match=words):
        SketchSearch.load(index)


def put(index, role, raw):
    """Put another file in the place of one, so that the manifest fits it."""
    digest = hashlib.sha256(raw).hexdigest()

    def change(plain):
        name = f"{role}-{digest[:12]}{plain['files'][role]['name'].partition('.')[1]}"
        name += plain["files"][role]["name"].partition(".")[2]
        plain["files"][role] = {"name": name, "bytes": len(raw), "sha256": digest}
        (index / name).write_bytes(raw)

    forge(index, change)


def one_turned_to(value):
    def change(vectors):
        changed = np.array(vectors)
        changed[2, 1] = value
        return changed

    return change


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("vector 2 of .* is no embedding", one_turned_to(np.nan)),
        ("vector 2 of .* is no embedding", one_turned_to(-np.inf)),
        ("vector 0 of .* is no embedding", lambda vectors: vectors * 7),
        ("holds no vectors of an index .*float64", lambda vectors: vectors.astype(np.float64)),
        ("holds no vectors of an index", lambda vectors: vectors.astype(">f4")),
        ("vectors for", lambda vectors: vectors[:-1]),
        ("holds no vectors of an index", lambda vectors: np.array([{}], object)),
    ],
)
def test_forged_vectors_are_refused_in_words(index, words, change):
    file = io.BytesIO()
    np.save(file, change(np.load(next(index.glob("vectors-*")))), allow_pickle=True)
    put(index, "vectors", file.getvalue())
    with pytest.raises(IndexProblem, match=words):
        SketchSearch.load(index)


@pytest.mark.parametrize("raw", [b"", b"no array", b"\x93NUMPY"])
def test_vectors_that_are_no_array_are_refused_in_words(index, raw):
    put(index, "vectors", raw)
    with pytest.raises(IndexProblem, match="holds no vectors of an index"):
        SketchSearch.load(index)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a":1' + b"0" * 10_000 + b"}", b"null"])
def test_what_is_no_manifest_is_refused_in_words(index, raw):
    (index / "manifest.json").write_bytes(raw)
    with pytest.raises(IndexProblem, match=r"make the index again"):
        read_manifest(index)


def test_a_manifest_that_never_ends_is_not_read(index):
    with (index / "manifest.json").open("r+b") as file:
        file.truncate(1 << 32)
    with pytest.raises(IndexProblem, match="over 16 MiB"):
        read_manifest(index)
    (index / "manifest.json").unlink()
    os.mkfifo(index / "manifest.json")
    with pytest.raises(IndexProblem, match="no regular file"):
        read_manifest(index)


def test_a_folder_without_an_index_says_how_to_make_one(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(IndexProblem, match=r"is no index.*hybrid-sbir index --model RUN"):
            read_manifest(folder)


def test_a_pipe_in_a_files_place_holds_nobody_up(index):
    stored = read_manifest(index).files["vectors"]
    (index / stored.name).unlink()
    os.mkfifo(index / stored.name)
    with pytest.raises(IndexProblem, match="not a regular file"):
        verified(index, stored)


def test_a_damaged_file_of_the_right_length_is_replaced_when_it_is_stored_again(tmp_path):
    stored = store_file(tmp_path, "model", ".x", b"good")
    (tmp_path / stored.name).write_bytes(b"evil")
    assert store_file(tmp_path, "model", ".x", b"good") == stored
    assert verified(tmp_path, stored).read_bytes() == b"good"


def test_a_reader_of_an_index_that_is_switched_meanwhile_reads_the_new_one(index):
    old = read_manifest(index)

    def opened(manifest):
        if manifest == old:  # another process switches, and removes what only the old manifest names
            forge(index, lambda m: m.update(views={"mirror": True}))
            raise IndexProblem("a file is gone")
        return manifest

    assert steadily(index, opened).views == {"mirror": True}
    with pytest.raises(IndexProblem, match="stays broken"):
        steadily(index, lambda _: (_ for _ in ()).throw(IndexProblem("stays broken")))


@given(st.text(max_size=50).filter(str.isprintable), st.integers(0, 2**60), st.integers(-(2**60), 2**60))
def test_a_row_comes_back_as_it_was(tmp_path_factory, photo, length, when):
    path = tmp_path_factory.mktemp("rows") / "photos.jsonl"
    entry = Entry(photo, length, when, "ab" * 32)
    path.write_text(row(entry) * 2)
    assert list(read_rows(path)) == [entry, entry]


@pytest.mark.parametrize(
    "line", ["{}", "[]", '{"id": 1, "bytes": 1, "mtime_ns": 1}', '{"id": "a", "x": 1}', "", "[" * 9999]
)
def test_a_row_that_is_none_is_refused_with_its_number(tmp_path, line):
    (tmp_path / "photos.jsonl").write_text(row(Entry("a", 1, 2)) + line + "\n")
    with pytest.raises(IndexProblem, match="line 2 of"):
        list(read_rows(tmp_path / "photos.jsonl"))


def test_a_row_of_other_bytes_than_ascii_is_refused_with_its_number(tmp_path):
    (tmp_path / "photos.jsonl").write_bytes(row(Entry("a", 1, 2)).encode() + b"\xff\xfe\n")
    with pytest.raises(IndexProblem, match="line 2 of"):
        list(read_rows(tmp_path / "photos.jsonl"))
