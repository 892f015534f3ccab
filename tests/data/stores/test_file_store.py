"""Class folders and list files list what is there, in a fixed order, and say what is missing."""

import os

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.images import ImageProblem
from hybrid_sbir.data.listfile import write_list, write_mapping
from hybrid_sbir.data.stores.file_store import FileStore, FolderStore, ListStore, class_folders


@pytest.fixture
def root(tmp_path):
    for position, path in enumerate(["dog/b.png", "dog/a.JPG", "cat/deep/er/c.png", "cat/z.bmp"]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L" if position % 2 else "RGB", (8, 6), 40 * position).save(tmp_path / path)
    for path in ("dog/notes.txt", "dog/.hidden.png", ".cache/x.png", "loose.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    return tmp_path


def names(store):
    return [store.name(i) for i in range(len(store))]


class TestFolderStore:
    def test_lists_images_sorted_by_class_and_path(self, root):
        store = FolderStore(root)
        assert store.classes == class_folders(root) == ("cat", "dog")
        assert names(store) == ["cat/deep/er/c.png", "cat/z.bmp", "dog/a.JPG", "dog/b.png"]
        assert (store.labels.tolist(), store.labels.dtype) == ([0, 0, 1, 1], np.int64)

    def test_reads(self, root):
        store = FolderStore(root)
        assert store.read(0).size == (8, 6)
        assert store.read(1).getpixel((0, 0)) == 120
        assert [FolderStore(root, mode=mode).read(3).mode for mode in ("L", "RGB")] == ["L", "RGB"]

    def test_chosen_classes_in_the_order_given(self, root):
        store = FolderStore(root, ["dog"])
        assert (store.classes, names(store)) == (("dog",), ["dog/a.JPG", "dog/b.png"])
        assert FolderStore(root, ["dog", "cat"]).labels.tolist() == [0, 0, 1, 1]

    def test_a_linked_class_folder(self, root, tmp_path_factory):
        away = tmp_path_factory.mktemp("away")
        Image.new("L", (3, 3)).save(away / "f.png")
        (root / "fox").symlink_to(away, target_is_directory=True)
        assert names(FolderStore(root))[-1] == "fox/f.png"

    def test_links_in_circles_are_not_followed(self, root):
        before = names(FolderStore(root))
        for link, target in (("cat/again", "."), ("cat/deep/up", ".."), ("cat/all", ".."), ("self", "self")):
            (root / link).symlink_to(target if link != "cat/all" else root, target_is_directory=True)
        assert names(FolderStore(root)) == before
        (root / "cat" / "self.png").symlink_to("self.png")
        store = FolderStore(root)
        with pytest.raises(ImageProblem, match=r"cat/self\.png: unreadable: .*levels of symbolic links"):
            store.read(names(store).index("cat/self.png"))

    def test_what_is_missing_is_named(self, root):
        with pytest.raises(FileNotFoundError, match=r"no images of 1 of the 2 classes under .*: cow; looked for"):
            FolderStore(root, ["cat", "cow"])
        with pytest.raises(FileNotFoundError, match=r"no folder .*absent; expected a folder with one folder of images"):
            FolderStore(root / "absent")
        with pytest.raises(FileNotFoundError, match="has no class folders; expected one folder of images a class"):
            class_folders(root / "dog")

    def test_a_corrupt_file_is_named_when_it_is_read(self, root):
        (root / "dog" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        with pytest.raises(ImageProblem, match=r"dog/b\.png"):
            FolderStore(root).read(3)

    def test_the_state_notices_edited_files(self, root):
        before = FolderStore(root).state()
        assert FolderStore(root).state() == before
        os.utime(root / "dog" / "b.png", ns=(1, 1))
        assert FolderStore(root).state() != before
        assert FileStore(root, ["dog/b.png"], np.zeros(1, np.int64), ["dog"], version="hash").state() == "hash"

    def test_large_photos_may_shrink_while_decoded(self, root):
        Image.new("RGB", (400, 400)).save(root / "dog" / "big.jpg")
        store = FolderStore(root, ["dog"], min_side=90)
        assert store.read(names(store).index("dog/big.jpg")).size == (100, 100)


class TestListStore:
    @pytest.fixture
    def lists(self, root):
        write_mapping(root / "mapping.txt", ["dog", "cat"])
        write_list(root / "part.txt", ["cat/z.bmp", "dog/b.png"], [1, 0])
        return root

    def test_reads_in_the_order_of_the_list(self, lists):
        store = ListStore(lists / "part.txt", lists / "mapping.txt")
        assert (store.classes, store.labels.tolist(), len(store)) == (("dog", "cat"), [1, 0], 2)
        assert store.read(0).getpixel((0, 0)) == 120
        assert names(store) == ["cat/z.bmp", "dog/b.png"]

    @pytest.mark.parametrize("given", [None, ".", "../data"])
    def test_relative_paths_of_list_and_root(self, lists, monkeypatch, given):
        (lists / "data").mkdir()
        for name in ("cat", "dog"):
            (lists / name).rename(lists / "data" / name)
        for name in ("part.txt", "mapping.txt"):
            (lists / name).rename(lists / "data" / name)
        monkeypatch.chdir(lists / "data" if given else lists)
        where = "" if given else "data/"
        store = ListStore(f"{where}part.txt", f"{where}mapping.txt", given)
        assert names(store) == ["cat/z.bmp", "dog/b.png"]
        assert [store.read(i).size for i in range(2)] == [(8, 6)] * 2

    def test_without_a_root_absolute_paths_that_exist_are_used(self, lists, tmp_path_factory):
        away = tmp_path_factory.mktemp("away") / "cat" / "z.bmp"
        away.parent.mkdir()
        Image.new("L", (3, 3)).save(away)
        write_list(lists / "part.txt", [str(away), "dog/b.png"], [1, 0])
        store = ListStore(lists / "part.txt", lists / "mapping.txt")
        assert names(store) == [str(away), "dog/b.png"]
        assert store.read(0).size == (3, 3)
        assert ListStore(lists / "part.txt", lists / "mapping.txt", lists).name(0) == "cat/z.bmp"

    def test_absolute_paths_of_another_machine(self, lists, root):
        write_list(lists / "part.txt", ["/home/someone/data/cat/z.bmp"], [1])
        assert ListStore(lists / "part.txt", lists / "mapping.txt", root).read(0).size == (8, 6)

    def test_missing_files_are_named(self, lists):
        write_list(lists / "part.txt", ["cat/gone.bmp"], [1])
        with pytest.raises(FileNotFoundError, match=r"gone\.bmp"):
            ListStore(lists / "part.txt", lists / "mapping.txt")
