"""List files as the thesis published them: round trips, re-basing, and errors that say which line."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_sbir.data.listfile import ListFileError, read_list, read_mapping, write_list, write_mapping

NAMES = st.text(st.characters(exclude_characters="\t\n\r\ufeff", exclude_categories=["Cs"]), min_size=1, max_size=20)
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@SAME_FOLDER
@given(rows=st.lists(st.tuples(NAMES, st.integers(0, 10**9)), min_size=1, max_size=20, unique_by=lambda row: row[0]))
def test_list_comes_back_as_it_was_written(tmp_path, rows):
    paths, labels = [path for path, _ in rows], [label for _, label in rows]
    write_list(tmp_path / "list.txt", paths, labels)
    read, read_labels = read_list(tmp_path / "list.txt")
    assert read == paths
    assert read_labels.dtype == np.int64
    assert read_labels.tolist() == labels


@SAME_FOLDER
@given(classes=st.lists(NAMES, min_size=1, max_size=20, unique=True))
def test_mapping_comes_back_in_the_order_of_its_labels(tmp_path, classes):
    write_mapping(tmp_path / "mapping.txt", classes)
    assert list(read_mapping(tmp_path / "mapping.txt").items()) == [(name, i) for i, name in enumerate(classes)]


def test_file_names_that_are_not_utf8_survive(tmp_path):
    name = os.fsdecode(b"cat/\xff\xfe.png")
    write_list(tmp_path / "list.txt", [name], [3])
    assert read_list(tmp_path / "list.txt")[0] == [name]


def test_windows_line_ends_byte_order_mark_and_unicode_separators(tmp_path):
    (tmp_path / "list.txt").write_bytes("\ufeffa b.png\t0\r\n\r\nc\u2028d.png\t1\r\n".encode())
    paths, labels = read_list(tmp_path / "list.txt")
    assert paths == ["a b.png", "c\u2028d.png"]
    assert labels.tolist() == [0, 1]


@pytest.fixture
def photos(tmp_path) -> Path:
    for name in ("png/cat/1.png", "png/dog/1.png", "cat/1.png", "cat/2.png"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).touch()
    return tmp_path / "root"


def test_absolute_paths_are_matched_by_their_longest_tail(tmp_path, photos):
    listed = ["/home/me/png/cat/1.png", "/home/me/png/dog/1.png", "/home/me/png/cat/2.png", "cat/1.png"]
    write_list(tmp_path / "list.txt", listed, [0, 1, 0, 0])
    found, _ = read_list(tmp_path / "list.txt", root=photos)
    assert found == ["png/cat/1.png", "png/dog/1.png", "cat/2.png", "cat/1.png"]


@pytest.mark.parametrize("root", ["root", "./root/", ".."])
def test_a_relative_root_gives_paths_below_it(tmp_path, photos, monkeypatch, root):
    write_list(tmp_path / "list.txt", ["/x/cat/2.png"], [0])
    (tmp_path / "root" / "inner").mkdir()
    monkeypatch.chdir(photos / "inner" if root == ".." else tmp_path)
    assert read_list(tmp_path / "list.txt", root=root)[0] == ["cat/2.png"]


def test_different_entries_that_become_one_file_are_named(tmp_path, photos):
    write_list(tmp_path / "list.txt", ["/a/cat/2.png", "/b/cat/2.png", "png/dog/1.png"], [0, 1, 1])
    with pytest.raises(
        ListFileError,
        match=r"list\.txt lists different paths .*: '/a/cat/2\.png' and '/b/cat/2\.png' are both cat/2\.png; give the",
    ):
        read_list(tmp_path / "list.txt", root=photos)
    write_list(tmp_path / "list.txt", [str(photos / "cat/2.png"), "cat/2.png"], [0, 1])
    with pytest.raises(ListFileError, match=r"are both cat/2\.png"):
        read_list(tmp_path / "list.txt", root=photos, keep_existing=True)


def test_missing_files_are_counted_and_the_first_ones_named(tmp_path, photos):
    listed = ["/x/cat/1.png", *(f"/x/cow/{i}.png" for i in range(8)), "dog/1.png"]
    write_list(tmp_path / "list.txt", listed, [0] * len(listed))
    with pytest.raises(
        FileNotFoundError, match=r"9 of the 10 files in .*list.txt are not under .*/x/cow/0.png.* 4 more"
    ):
        read_list(tmp_path / "list.txt", root=photos)


def test_a_listed_path_cannot_leave_the_root(tmp_path, photos):
    write_list(tmp_path / "list.txt", ["../list.txt"], [0])
    with pytest.raises(ListFileError, match=r"'\.\.' is not allowed in a path below"):
        read_list(tmp_path / "list.txt", root=photos)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.png\t0\nb.png 1\n", r"line 2: expected name<TAB>label, got 'b\.png 1' with 0 tabs"),
        ("a\tb\t0\n", r"line 1: expected name<TAB>label, .* with 2 tabs"),
        ("a.png\t0\n\t1\n", "line 2: the name before the tab is empty"),
        ("a.png\t-1\n", "line 1: the label must be a whole number from 0 on, got '-1'"),
        ("a.png\tcat\n", "got 'cat'"),
        ("a.png\t\u0663\n", "whole number"),
        ("a.png\t" + "9" * 30 + "\n", "whole number"),
        ("a.png\t0\nb.png\t0\na.png\t1\n", r"line 3: 'a\.png' was already listed in line 1"),
        ("a.png\t7\n", "line 1: label 7 is not in the mapping, which has 2 classes"),
        ("\n", r"lists no file; expected lines of path<TAB>label"),
        ("x\n" * 8, "and 3 more bad lines"),
    ],
)
def test_bad_lists_name_the_line_and_the_reason(tmp_path, text, words):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ListFileError, match=words) as error:
        read_list(tmp_path / "list.txt", mapping={"cat": 0, "dog": 1})
    assert "list.txt" in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cat\t0\ncat\t1\n", "line 2: class 'cat' appears twice"),
        ("cat\t0\ndog\t0\n", "line 2: label 0 of 'dog' is already the label of 'cat'"),
        ("cat\t0\ndog\t2\n", "2 classes, but no label 1"),
        ("", "0 classes, but no label 0"),
        ("cat\n", "expected name<TAB>label"),
    ],
)
def test_bad_mappings_say_why(tmp_path, text, words):
    (tmp_path / "mapping.txt").write_text(text)
    with pytest.raises(ListFileError, match=words):
        read_mapping(tmp_path / "mapping.txt")


@pytest.mark.parametrize(
    ("paths", "labels", "words"),
    [
        (["a"], [0, 1], "1 paths but 2 labels"),
        (["a", "a"], [0, 1], "1 of the 2 paths are given twice"),
        (["a\tb"], [0], "cannot stand on a line"),
        ([""], [0], "cannot stand on a line"),
        (["a"], [-1], "label -1 of 'a' is negative"),
        (["\ud800"], [0], "not text that can be written and read back"),
        (["\udcc3\udca9"], [0], "not text that can be written and read back"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, paths, labels, words):
    (tmp_path / "list.txt").write_text("old\t0\n")
    with pytest.raises(ListFileError, match=words):
        write_list(tmp_path / "list.txt", paths, labels)
    assert (tmp_path / "list.txt").read_text() == "old\t0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["list.txt"]


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no list file .*nothing\.txt"):
        read_list(tmp_path / "nothing.txt")


def test_a_mapping_does_not_name_a_class_twice(tmp_path):
    with pytest.raises(ListFileError, match="a class is named twice among 2"):
        write_mapping(tmp_path / "mapping.txt", ["cat", "cat"])
