"""QuickDraw: the seeded choice, arrays that give back the strokes, and damage that takes one line or one class."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hybrid_sbir.data.manifest import Manifest
from hybrid_sbir.data.preparation import quickdraw
from hybrid_sbir.data.preparation.members import ArchiveError
from hybrid_sbir.data.preparation.prepare import prepare
from hybrid_sbir.data.stores.npy_writer import NpyWriter


def drawing(key, strokes=None):
    rng = np.random.default_rng(key)
    strokes = strokes or [rng.integers(0, 256, (2, rng.integers(1, 9))).tolist() for _ in range(rng.integers(1, 5))]
    return {"word": "x", "key_id": str(key), "recognized": True, "drawing": strokes}


def ndjson(keys):
    return "".join(json.dumps(drawing(key)) + "\n" for key in keys).encode()


def zipped(path, files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def run(archive, root, **options):
    return prepare("quickdraw", archive, root, progress=False, **options)


def strokes_of(root, number):
    points, strokes, drawings = (
        np.load(root / "strokes" / f"{name}.npy", mmap_mode="r")
        for name in ("points", "stroke_offsets", "drawing_offsets")
    )
    first, last = drawings[number], drawings[number + 1]
    return [points[strokes[s] : strokes[s + 1]].T.tolist() for s in range(first, last)]


def test_every_drawing_comes_back_as_it_was(tmp_path):
    files = {"zebra.ndjson": ndjson(range(30, 50)), "ant.ndjson": ndjson(range(20)), "cell phone.ndjson": ndjson([77])}
    manifest = run(zipped(tmp_path / "simplified.zip", files), tmp_path / "data")
    paths, labels = manifest.index()
    assert manifest.kind == "strokes"
    assert manifest.classes == ("ant", "cell phone", "zebra")
    assert paths[:3] == ["ant/0", "ant/1", "ant/2"]
    assert labels.tolist() == [0] * 20 + [1] + [2] * 20
    for number, path in enumerate(paths):
        assert strokes_of(manifest.root, number) == drawing(int(path.split("/")[1]))["drawing"]
    assert np.load(manifest.root / "strokes" / "points.npy").dtype == np.int16
    assert sorted(path.name for path in manifest.root.iterdir()) == [
        "index.tsv",
        "manifest.json",
        "mapping.txt",
        "splits",
        "strokes",
    ]
    assert Manifest.load(manifest.root, verify=True) == manifest


def test_the_choice_depends_on_the_seed_but_not_on_the_order(tmp_path):
    keys = list(range(200))
    archives = [
        zipped(tmp_path / f"{i}.zip", {"cat.ndjson": ndjson(order)}) for i, order in enumerate((keys, keys[::-1]))
    ]

    def chosen(archive, root, **options):
        return set(run(archive, tmp_path / root, **options).index()[0])

    twenty = chosen(archives[0], "a", per_class=20)
    assert len(twenty) == 20
    assert chosen(archives[1], "b", per_class=20) == twenty
    assert chosen(archives[0], "c", per_class=50) > twenty, "a smaller choice is part of a larger one"
    assert len(chosen(archives[0], "d", per_class=20, split_seed=1) & twenty) < 10
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "cat.ndjson").write_bytes(ndjson(keys))
    assert chosen(tmp_path / "folder", "e", per_class=20) == twenty


def test_bad_lines_are_named_and_replaced_by_good_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(quickdraw, "_MAX_LINE", 10_000)
    lines = ndjson(range(10)).splitlines(keepends=True)
    bad = {
        3: b'{"key_id":"50","drawing":[[[1,2],[3]]]}\n',
        4: b'{"word":"cat"}\n',
        5: b'{"key_id":"51","drawing":[[[1,70000],[3,4]]]}\n',
        6: b"\xff\xfe garbage\n",
        7: b'{"key_id":"52","drawing":' + b" " * 50_000 + b"}\n",
        8: lines[0],
        9: b'{"key_id":"53","drawing":[]}\n',
    }
    content = b"".join([*lines[:2], *(bad[number] for number in sorted(bad)), *lines[2:]])
    manifest = run(zipped(tmp_path / "a.zip", {"cat.ndjson": content}), tmp_path / "data", per_class=10)
    reasons = {problem["path"]: problem["reason"] for problem in manifest.problems}
    expected = {
        3: "unreadable: stroke 1 has 2 x and 1 y",
        4: "unreadable: no key_id",
        5: "unreadable: stroke 1 has a coordinate",
        6: "unreadable: no key_id",
        7: "oversized: a line of more than 10000 bytes",
        8: "repeated: key_id 0",
        9: "unreadable: no strokes",
    }
    assert set(reasons) == {f"cat.ndjson:{number}" for number in expected}
    assert all(reasons[f"cat.ndjson:{number}"].startswith(words) for number, words in expected.items())
    assert manifest.samples == 10


def test_a_file_full_of_bad_lines_does_not_flood_the_manifest(tmp_path):
    files = {"cat.ndjson": b"bad\n" * 250, "dog.ndjson": ndjson(range(6))}
    manifest = run(zipped(tmp_path / "a.zip", files), tmp_path / "data")
    assert len(manifest.problems) == 101
    assert manifest.problems[-1] == {"path": "cat.ndjson", "reason": "unreadable: 150 more bad lines"}
    assert manifest.classes == ("dog",)


def test_a_damaged_member_takes_its_class_only(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr("ant.ndjson", ndjson(range(6)))
        file.writestr("cat.ndjson", ndjson(range(6)))
        file.writestr("sub/ant.ndjson", ndjson(range(3)))
        file.writestr("README.md", b"about")
    archive.write_bytes(archive.read_bytes().replace(b'"word"', b'"w0rd"', 1))
    manifest = run(archive, tmp_path / "data")
    assert manifest.classes == ("cat",)
    reasons = {problem["path"]: problem["reason"] for problem in manifest.problems}
    assert "the whole class is left out" in reasons["ant.ndjson"]
    assert reasons["sub/ant.ndjson"] == "repeated: class 'ant' is already taken from ant.ndjson"
    assert manifest.ignored == [{"reason": "not a .ndjson file of a class", "count": 1, "paths": ["README.md"]}]


def test_bitmaps_are_chosen_by_row_and_read_in_pieces(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (9000, 784), dtype=np.uint8)
    files = {"full_numpy_bitmap_cat.npy": npy(rows), "ant.npy": npy(rows[:7])}
    manifest = run(zipped(tmp_path / "a.zip", files), tmp_path / "data", form="numpy_bitmap", per_class=500)
    paths, labels = manifest.index()
    assert manifest.kind == "bitmaps"
    assert paths[:8] == [*(f"ant/{row}" for row in range(7)), "cat/0"]
    assert np.bincount(labels).tolist() == [7, 500]
    chosen = np.load(manifest.root / "bitmaps" / "cat.npy", mmap_mode="r")
    position = {row.tobytes(): number for number, row in enumerate(rows)}
    found = [position[row.tobytes()] for row in chosen]
    assert found == sorted(set(found))
    assert max(found) > 8500
    line = (manifest.root / "index.tsv").read_text().splitlines()[8]
    assert line == f"cat/1\t1\t{hashlib.sha256(chosen[1].tobytes()).hexdigest()}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(np.zeros((5, 784), np.uint8))[:-10], "truncated: it has less than the 5 rows"),
        (npy(np.zeros((5, 100), np.uint8)), r"shape \(5, 100\) and type uint8; QuickDraw's are N x 784"),
        (npy(np.zeros((5, 784), np.float32)), "type float32"),
        (npy(np.zeros((0, 784), np.uint8)), r"shape \(0, 784\)"),
        (b"hello", "the whole class is left out"),
        (npy(np.array([object()], dtype=object)), "the whole class is left out"),
    ],
)
def test_bad_bitmap_files_are_reported(tmp_path, content, words):
    files = {"cat.npy": content, "dog.npy": npy(np.zeros((5, 784), np.uint8))}
    manifest = run(zipped(tmp_path / "a.zip", files), tmp_path / "data", form="numpy_bitmap")
    assert manifest.classes == ("dog",)
    assert [problem["path"] for problem in manifest.problems] == ["cat.npy"]
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(manifest.problems[0]["reason"])


def test_splits_of_a_part_of_the_classes_say_so(tmp_path):
    files = {
        f"{name}.ndjson": ndjson(range(n)) for name, n in (("ant", 25), ("airplane", 20), ("zebra", 10), ("yo", 6))
    }
    manifest = run(zipped(tmp_path / "a.zip", files), tmp_path / "data")
    assert manifest.classes == ("airplane", "ant", "yo", "zebra")
    assert manifest.split_classes("mini") == ("airplane", "yo", "zebra")
    assert manifest.split_classes("zero_shot") == ("ant",)
    assert manifest.split_classes("random80") == manifest.classes
    assert len(manifest.split_part("mini", "train")[0]) == 28
    assert manifest.split_part("zero_shot", "queries")[1].tolist() == [1, 1]
    notes = manifest.splits["zero_shot"]["notes"]
    assert notes[0].startswith("44 of the 45 held-out classes are missing: asparagus")
    assert notes[1] == "1 classes have fewer than 500 + 50 drawings, ten to one: ant 20 + 2"
    assert manifest.splits["mini"]["notes"] == ["3 classes instead of 300"]
    assert "1 classes are none of QuickDraw's: yo" in manifest.differences
    assert manifest.differences[0] == "4 classes instead of the official 345"


def test_without_class_files_it_says_what_is_expected(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"cat.npy": b""})
    with pytest.raises(ArchiveError, match=r"has no \.ndjson file; expected CLASS\.ndjson"):
        run(archive, tmp_path / "data")


def test_a_growing_array_is_what_numpy_reads(tmp_path):
    with NpyWriter(tmp_path / "a.npy", np.int16, 2) as out:
        for start in range(0, 5000, 7):
            out.append(np.arange(start, min(start + 7, 5000), dtype=np.int16).repeat(2).reshape(-1, 2))
        with pytest.raises(ValueError, match=r"rows have shape \(3,\), the file's have \(2,\)"):
            out.append(np.zeros((1, 3), np.int16))
        with pytest.raises(TypeError, match="Cannot cast"):
            out.append(np.zeros((1, 2), np.int64))
    assert np.load(tmp_path / "a.npy").tolist() == [[i, i] for i in range(5000)]
