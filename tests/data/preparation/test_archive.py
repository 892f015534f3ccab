"""Archives by strangers: nothing leaves the folder, nothing is silently left out, bombs do not go off."""

import contextlib
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_sbir.data.preparation.archive import extract, open_archive
from hybrid_sbir.data.preparation.members import ArchiveError, Limits

FILES = {"cat/1.png": b"one" * 1000, "cat/2.png": b"two" * 70_000, "notes/read me.txt": b"text"}


def make_zip(path, files=FILES, method=zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path, files=FILES, mode="w", special=()) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind in special:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return path


def make_folder(path, files=FILES) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def take_all(path, folder, limits=None):
    """Unpack everything; return all problems."""
    with open_archive(path, limits) as archive:
        wanted = {member.path for member in archive.members}
        return archive.problems + extract(archive, wanted, folder, progress=False)


MAKERS = {
    "zip": make_zip,
    "tar": make_tar,
    "tar.gz": lambda path: make_tar(path, mode="w:gz"),
    "tar.bz2": lambda path: make_tar(path, mode="w:bz2"),
    "tar.xz": lambda path: make_tar(path, mode="w:xz"),
    "folder": make_folder,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_gives_the_same_files(tmp_path, kind):
    path = MAKERS[kind](tmp_path / "download")  # the kind is found by content, not by name
    assert take_all(path, tmp_path / "out") == []
    assert contents(tmp_path / "out") == FILES
    with open_archive(path) as archive:
        assert archive.read_text("notes/read me.txt") == "text"
        with pytest.raises(ArchiveError, match=r"cannot read missing\.txt in .*: not there"):
            archive.read_text("missing.txt")
        with pytest.raises(ArchiveError, match=r"cat/2\.png in .* is longer than 100 bytes"):
            archive.read_text("cat/2.png", limit=100)


@pytest.mark.parametrize("name", ["../evil.png", "cat/../../evil.png", "/evil.png", "..\\evil.png", "C:\\evil.png"])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_name_that_leads_outside_condemns_the_archive(tmp_path, make, name):
    path = make(tmp_path / "archive", {**FILES, name: b"evil"})
    with pytest.raises(ArchiveError, match=r"is not safe: its member .*evil.* would be written outside"):
        take_all(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(name=st.text(st.sampled_from("./\\abC:~\u202e\n "), min_size=1, max_size=12))
def test_whatever_the_name_nothing_is_written_outside(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("any")
    with contextlib.suppress(ArchiveError):
        take_all(make_tar(folder / "archive", {name: b"x"}), folder / "a" / "b" / "out")
    written = {path for path in folder.rglob("*") if path.is_file()} - {folder / "archive"}
    assert all(path.is_relative_to(folder / "a" / "b" / "out") for path in written)


def test_links_and_devices_are_reported_not_made(tmp_path):
    special = [
        ("link", tarfile.SYMTYPE),
        ("hard", tarfile.LNKTYPE),
        ("tty", tarfile.CHRTYPE),
        ("fifo", tarfile.FIFOTYPE),
    ]
    problems = take_all(make_tar(tmp_path / "archive", special=special), tmp_path / "out")
    assert [problem.path for problem in problems] == ["link", "hard", "tty", "fifo"]
    assert all("refused: a link, device or other special file" in problem.reason for problem in problems)
    assert contents(tmp_path / "out") == FILES


def test_links_in_a_zip_are_reported_too(tmp_path):
    with zipfile.ZipFile(make_zip(tmp_path / "archive"), "a") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert [problem.path for problem in take_all(tmp_path / "archive", tmp_path / "out")] == ["link"]
    assert contents(tmp_path / "out") == FILES


def test_the_links_of_ones_own_folder_are_followed_but_not_in_circles(tmp_path):
    folder = make_folder(tmp_path / "mine")
    (folder / "circle").symlink_to(folder)
    (folder / "broken").symlink_to(tmp_path / "nothing")
    (folder / "itself").symlink_to("itself")
    (folder / "dog").symlink_to(make_folder(tmp_path / "elsewhere", {"3.png": b"three"}))
    with open_archive(folder) as archive:
        assert "dog/3.png" in {member.path for member in archive.members}
        assert {problem.path: problem.reason.split(":")[0] for problem in archive.problems} == {
            "broken": "unreadable",
            "circle/": "repeated",
            "itself": "unreadable",
        }


def test_one_damaged_member_does_not_take_the_others_with_it(tmp_path):
    path = make_zip(tmp_path / "archive", method=zipfile.ZIP_STORED)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"oneone", b"onenoe", 1))
    problems = take_all(path, tmp_path / "out")
    assert [problem.path for problem in problems] == ["cat/1.png"]
    assert "damaged in the archive: Bad CRC-32" in problems[0].reason
    assert contents(tmp_path / "out") == {name: content for name, content in FILES.items() if name != "cat/1.png"}


def test_an_encrypted_member_is_a_problem_too(tmp_path):
    path = make_zip(tmp_path / "archive")
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    problems = take_all(path, tmp_path / "out")
    assert [problem.path for problem in problems] == ["cat/1.png"]
    assert "password" in problems[0].reason


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.97])
def test_a_truncated_archive_is_refused_as_a_whole(tmp_path, kind, share):
    path = MAKERS[kind](tmp_path / "archive")
    size = path.stat().st_size if kind != "tar" else sum(map(len, FILES.values()))  # a tar ends with padding
    os.truncate(path, int(size * share))
    with pytest.raises(
        ArchiveError, match=r"is no complete zip or tar archive: .*download it again; nothing was unpacked"
    ):
        take_all(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_header_in_the_middle_of_a_tar_is_not_taken_for_its_end(tmp_path):
    path = make_tar(tmp_path / "archive")
    content = bytearray(path.read_bytes())
    content[content.index(b"cat/2.png")] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"no end mark at byte"):
        take_all(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"7z\xbc\xaf\x27\x1c rest", "is a 7z archive, which is not read here; unpack it and give the folder"),
        (b"Rar!\x1a\x07\x00", "is a RAR archive"),
        (b"\n<!DOCTYPE html><html>", "is a web page, not an archive"),
        (b"hello", "is no complete zip or tar archive"),
        (b"", "is no complete zip or tar archive"),
    ],
)
def test_what_is_no_archive_is_called_by_its_name(tmp_path, content, words):
    (tmp_path / "file.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match=words):
        open_archive(tmp_path / "file.zip")


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no archive or folder .*nothing\.zip"):
        open_archive(tmp_path / "nothing.zip")


@pytest.mark.parametrize("make", [make_zip, lambda path, files: make_tar(path, files, "w:gz")])
@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(members=0), "has more than 0 members"),
        (Limits(bytes=1000), "unpacks to more than 0.0 GB"),
        (Limits(), "decompression bomb"),
    ],
)
def test_limits(tmp_path, make, limits, words):
    path = make(tmp_path / "archive", {"a": b"\0" * 80 * 2**20, "b": b"", "c": b""})
    with pytest.raises(ArchiveError, match=words):
        open_archive(path, limits)


def test_names_that_cannot_be_used_are_reported(tmp_path):
    files = {"a": b"", "a/b.png": b"under a file", "n" * 300: b"too long", "tab\there": b"", "./x//y.png": b"tidied"}
    problems = take_all(make_tar(tmp_path / "archive", files), tmp_path / "out")
    assert {problem.path[:8] for problem in problems} == {"a/b.png", "n" * 8, "tab\there"}
    assert set(contents(tmp_path / "out")) == {"a", "x/y.png"}


def test_a_repeated_name_is_reported_and_the_first_one_used(tmp_path):
    path = make_tar(tmp_path / "archive", {"a": b"first", "./a": b"second"})
    problems = take_all(path, tmp_path / "out")
    assert [(problem.path, problem.reason.split(":")[0]) for problem in problems] == [("a", "repeated")]
    assert contents(tmp_path / "out") == {"a": b"first"}


def test_a_member_whose_name_begins_with_a_nul_is_reported(tmp_path):
    path = make_zip(tmp_path / "archive", {"first": b"1", "second": b"2"})
    path.write_bytes(path.read_bytes().replace(b"first", b"\0irst"))
    problems = take_all(path, tmp_path / "out")
    assert [(problem.path, problem.reason) for problem in problems] == [
        ("a member without a name", "damaged in the archive")
    ]
    assert contents(tmp_path / "out") == {"second": b"2"}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_refused_or_reported_whatever_it_hits(tmp_path_factory, kind, changes):
    folder = tmp_path_factory.mktemp("damaged")
    path = MAKERS[kind](folder / "archive")
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[int(place * len(content))] = value
    path.write_bytes(content)
    with contextlib.suppress(ArchiveError):
        take_all(path, folder / "out")
