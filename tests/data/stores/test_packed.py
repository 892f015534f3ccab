"""A pack gives its source's pixels, is written whole or not at all, and never outlives a change of the source."""

import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.images import ImageProblem
from hybrid_sbir.data.stores.file_store import FolderStore
from hybrid_sbir.data.stores.packed import PackedStore
from hybrid_sbir.data.stores.store import SelectedStore
from hybrid_sbir.data.transforms import preset


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(140):
        shape = (10 + i % 7, 12 + i % 5, 3) if i % 3 else (10 + i % 7, 12 + i % 5)
        path = tmp_path / "images" / f"class{i % 2}" / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return FolderStore(tmp_path / "images")


def assert_same(packed, source):
    assert (packed.classes, len(packed), packed.labels.tolist()) == (
        source.classes,
        len(source),
        source.labels.tolist(),
    )
    for i in range(len(source)):
        assert packed.name(i) == source.name(i)
        assert packed.read(i).mode == source.read(i).mode
        np.testing.assert_array_equal(np.asarray(packed.read(i)), np.asarray(source.read(i)))


def test_the_same_pixels_of_every_size_and_mode(source, tmp_path):
    packed = PackedStore(source, tmp_path / "packs")
    assert_same(packed, source)
    assert_same(pickle.loads(pickle.dumps(packed)), source)
    assert len(pickle.dumps(packed._pixels)) < 500


def test_a_second_opening_decodes_only_a_few(source, tmp_path, monkeypatch):
    PackedStore(source, tmp_path / "packs")
    read = []
    monkeypatch.setattr(FolderStore, "read", lambda self, i, real=FolderStore.read: read.append(i) or real(self, i))
    PackedStore(FolderStore(source.root), tmp_path / "packs")
    assert len(read) <= 16


def test_shrunk_images_evaluate_alike(source, tmp_path):
    packed = PackedStore(source, tmp_path / "packs", shorter_side=9)
    assert {min(packed.read(i).size) for i in range(len(packed))} == {9}
    transform = preset("photo_eval", 8)
    for i in range(20):
        np.testing.assert_array_equal(transform.pixels(packed.read(i), None), transform.pixels(source.read(i), None))
    kept = PackedStore(source, tmp_path / "packs", shorter_side=14)
    assert kept.read(0).size == source.read(0).size, "small images are not enlarged"


def test_every_change_makes_a_new_pack(source, tmp_path):
    paths = {PackedStore(source, tmp_path / "packs").path}
    paths.add(PackedStore(source, tmp_path / "packs", 8).path)
    paths.add(PackedStore(SelectedStore(source, np.arange(100)), tmp_path / "packs").path)
    edited = source.root / source.name(17)
    Image.new("L", (5, 5)).save(edited)
    changed = PackedStore(FolderStore(source.root), tmp_path / "packs")
    paths.add(changed.path)
    assert changed.read(17).size == (5, 5)
    assert len(paths) == 4

    class Inverted(SelectedStore):
        def read(self, index):
            return Image.eval(super().read(index), lambda level: 255 - level)

    drawn_otherwise = PackedStore(Inverted(FolderStore(source.root), np.arange(140)), tmp_path / "packs")
    assert drawn_otherwise.path not in paths


def test_a_bad_image_is_named_and_nothing_is_left(source, tmp_path):
    (source.root / source.name(101)).write_bytes(b"no image")
    with pytest.raises(ImageProblem, match=source.name(101)):
        PackedStore(FolderStore(source.root), tmp_path / "packs")
    assert list((tmp_path / "packs").iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(source, tmp_path, monkeypatch):
    from hybrid_sbir.data.stores import packed as module

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.NpyWriter, "append", full)
    with pytest.raises(OSError, match="No space left"):
        PackedStore(source, tmp_path / "packs")
    assert list((tmp_path / "packs").iterdir()) == []


def test_two_processes_may_pack_at_once(source, tmp_path):
    stores, errors = [], []

    def pack():
        try:
            stores.append(PackedStore(FolderStore(source.root), tmp_path / "packs"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=pack) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(list((tmp_path / "packs").iterdir())) == 1
    for store in stores:
        assert_same(store, source)


def test_damage_is_refused(source, tmp_path):
    path = PackedStore(source, tmp_path / "packs").path
    shapes = np.load(path / "shapes.npy")
    np.save(path / "shapes.npy", shapes[:-1])
    again = r"; delete that folder to make it again$"
    with pytest.raises(ValueError, match=rf"the pack {path} is damaged: its arrays do not fit each other{again}"):
        PackedStore(source, tmp_path / "packs")
    np.save(path / "shapes.npy", shapes)
    with (path / "pixels.npy").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ValueError, match=rf"the pack {path} is damaged: .*pixels\.npy is damaged.*{again}"):
        PackedStore(source, tmp_path / "packs")
    for content, words in (("{}", r"is of other data \(\{\}\)"), ('{"for', r"is not readable \(Unterminated.*\)")):
        (path / "record.json").write_text(content)
        with pytest.raises(ValueError, match=rf"the pack {path} is damaged: its record\.json {words}{again}"):
            PackedStore(source, tmp_path / "packs")
    (path / "record.json").unlink()
    with pytest.raises(ValueError, match=rf"the pack {path} is damaged: .*No such file.*record\.json'{again}"):
        PackedStore(source, tmp_path / "packs")


KILLED = """
import sys, time
from hybrid_sbir.data.stores.file_store import FolderStore
from hybrid_sbir.data.stores.packed import PackedStore
read, count = FolderStore.read, 0
def slowly(store, index):
    global count
    count += 1
    if count > 50:
        sys.stdout.write("packing\\n")
        sys.stdout.flush()
        time.sleep(10)
    return read(store, index)
FolderStore.read = slowly
PackedStore(FolderStore(sys.argv[1]), sys.argv[2])
"""


def test_what_killed_processes_left_is_removed_and_what_others_make_is_not(source, tmp_path):
    command = [sys.executable, "-c", KILLED, str(source.root), str(tmp_path / "packs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], text=True) as process:
        assert process.stdout.readline() == "packing\n"
        (half_made,) = (tmp_path / "packs").iterdir()
        other = PackedStore(source, tmp_path / "packs", 8)
        assert half_made.is_dir(), "its process lives"
        process.send_signal(signal.SIGKILL)
    assert half_made.is_dir()
    third = PackedStore(source, tmp_path / "packs", 9)
    assert sorted((tmp_path / "packs").iterdir()) == sorted([other.path, third.path])
    assert_same(PackedStore(source, tmp_path / "packs"), source)


def test_an_empty_store(tmp_path, source):
    assert len(PackedStore(SelectedStore(source, np.arange(0)), tmp_path / "packs")) == 0
