"""Folders, lists and zips of photos: what is found, what is refused, and that nothing else can be read through them."""

import os
import stat
import warnings
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_sbir.search.catalogue import Refused, open_catalogue
from hybrid_sbir.search.catalogue.names import path_of, quoted, unquoted


def put(root, *names, content=b"x"):
    for name in names:
        file = root / os.fsdecode(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def ids(catalogue):
    return [entry.id for entry in catalogue.entries()]


def refused(catalogue):
    return {item.id: item.reason for item in catalogue.listed() if isinstance(item, Refused)}


def test_ids_of_a_folder_come_sorted_as_whole_paths(tmp_path):
    put(tmp_path, "b.jpg", "a.jpg", "a/z.png", "a-b/y.GIF", "a/b/c.webp", "a b/é.tif", "a0/x.bmp", "notes.txt")
    found = ids(open_catalogue(tmp_path))
    assert found == sorted(found)
    assert set(found) == {"b.jpg", "a.jpg", "a/z.png", "a-b/y.GIF", "a/b/c.webp", "a b/é.tif", "a0/x.bmp"}


@given(st.lists(st.lists(st.sampled_from("ab-%é"), min_size=1, max_size=3), max_size=8))
def test_any_tree_comes_sorted(tmp_path_factory, paths):
    root = tmp_path_factory.mktemp("tree")
    names = {
        "/".join(f"{part}d" for part in path[:-1]) + ("/" if path[1:] else "") + f"{path[-1]}.jpg" for path in paths
    }
    put(root, *names)
    found = ids(open_catalogue(root))
    assert found == sorted(found)
    assert {unquoted(photo) for photo in found} == names


def test_odd_names_are_ids_of_one_line_that_lead_back(tmp_path):
    odd = [
        "new\nline.jpg",
        "tab\t.jpg",
        "100%41.jpg",
        "100%.jpg",
        "\u202egnp.jpg",
        "\u2028.jpg",
        b"\xff\xfe.jpg",
        "\U0001f431.jpg",
    ]
    for number, name in enumerate(odd):
        put(tmp_path, name, content=b"%d" % number)
    catalogue = open_catalogue(tmp_path)
    found = ids(catalogue)
    assert len(set(found)) == len(odd)
    assert {catalogue.read(photo) for photo in found} == {b"%d" % number for number in range(len(odd))}
    for photo in found:
        photo.encode()  # UTF-8
        assert len(photo.splitlines()) == 1
        assert photo.isprintable()
    assert {"\U0001f431.jpg", "100%.jpg", "100%2541.jpg", "new%0Aline.jpg", "%FF%FE.jpg"} <= set(found)


@given(
    st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1) | st.binary(min_size=1).map(os.fsdecode)
)
def test_any_name_comes_back_from_its_id(name):
    assert unquoted(quoted(name)) == name


def test_links_and_odd_files_of_a_folder(tmp_path):
    inside, outside = tmp_path / "photos", tmp_path / "elsewhere"
    put(
        tmp_path,
        "elsewhere/secret.jpg",
        "photos/real.jpg",
        "photos/.hidden.jpg",
        "photos/.git/x.jpg",
        "photos/sub/a.jpg",
    )
    put(tmp_path, "photos/__MACOSX/._real.jpg")
    (inside / "alias.jpg").symlink_to("real.jpg")
    (inside / "leak.jpg").symlink_to(outside / "secret.jpg")
    (inside / "gone.jpg").symlink_to("nothing.jpg")
    (inside / "circle.jpg").symlink_to("circle.jpg")
    (inside / "loop").symlink_to(inside)
    (inside / "out").symlink_to(outside)
    os.mkfifo(inside / "pipe.jpg")
    (inside / "folder.jpg").mkdir()
    catalogue = open_catalogue(inside)
    assert ids(catalogue) == ["alias.jpg", "real.jpg", "sub/a.jpg"]
    reasons = refused(catalogue)
    assert set(reasons) == {"leak.jpg", "gone.jpg", "circle.jpg", "loop", "out", "pipe.jpg"}
    assert "leads out" in reasons["leak.jpg"]
    assert "link to nothing" in reasons["gone.jpg"]
    assert "not followed" in reasons["loop"]
    assert "regular" in reasons["pipe.jpg"]
    for photo in (*reasons, ".hidden.jpg", ".git/x.jpg", "out/secret.jpg", "folder.jpg"):
        with pytest.raises(OSError, match=r"."):
            catalogue.read(photo)


ESCAPES = [
    "../elsewhere/secret.jpg",
    "sub/../../elsewhere/secret.jpg",
    "/etc/passwd",
    "//etc/hosts.jpg",
    "./real.jpg",
    "sub//a.jpg",
    "",
    ".",
    "..",
    "real.jpg/",
    "real.jpg\0",
    "%2E%2E/elsewhere/secret.jpg",
    "sub%2Fa.jpg",
    "\udcff.jpg",
    "\ud800.jpg",
    "notes.txt",
]


@pytest.mark.parametrize("kind", ["folder", "list", "zip"])
@pytest.mark.parametrize("photo", ESCAPES)
def test_nothing_but_the_catalogue_is_read(tmp_path, kind, photo):
    put(tmp_path, "elsewhere/secret.jpg", "photos/real.jpg", "photos/sub/a.jpg", "photos/notes.txt")
    path = tmp_path / "photos"
    if kind == "list":
        path = path / "list.txt"
        path.write_text("real.jpg\nsub/a.jpg\n")
    if kind == "zip":
        path = tmp_path / "photos.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("real.jpg", "sub/a.jpg", "notes.txt"):
                archive.writestr(name, "x")
    catalogue = open_catalogue(path)
    assert catalogue.read("sub/a.jpg") == b"x"
    with pytest.raises(OSError, match="no photo"):
        catalogue.read(photo)


def test_a_photo_longer_than_the_limit_is_not_read(tmp_path):
    put(tmp_path, "a.jpg", content=b"0123456789")
    (tmp_path / "list").write_text("a.jpg\n")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jpg", b"0123456789")
    for path in (tmp_path, tmp_path / "list", tmp_path / "a.zip"):
        assert open_catalogue(path).read("a.jpg", 10) == b"0123456789"
        with pytest.raises(OSError, match="10 bytes, the limit is 9"):
            open_catalogue(path).read("a.jpg", 9)


def test_a_list_may_be_written_as_people_write_them(tmp_path):
    put(tmp_path, "photos/a.jpg", "photos/b c.jpg", "photos/%41.jpg", "far/d.jpg", "photos/sub/e", b"photos/\xff.jpg")
    lines = [
        "\ufeffa.jpg",
        "a.jpg\r",
        "./a.jpg",
        "",
        "  ",
        "b c.jpg\t7",
        "%41.jpg",
        "../far/d.jpg",
        "sub/e",
        "gone.jpg",
        "sub",
    ]
    text = "\n".join(lines).encode() + b"\n\xff.jpg\n" + str(tmp_path / "far/d.jpg").encode()
    (tmp_path / "photos/list.txt").write_bytes(text)
    catalogue = open_catalogue(tmp_path / "photos/list.txt")
    far = f"%2F{tmp_path}/far/d.jpg".replace("%2F/", "%2F")
    assert ids(catalogue) == sorted(["a.jpg", "b c.jpg", "%2541.jpg", far, "sub/e", "%FF.jpg"])
    assert refused(catalogue) == {"gone.jpg": "missing: no such file", "sub": "a folder, not a file"}
    assert catalogue.read(far) == catalogue.read("%FF.jpg") == b"x"
    with pytest.raises(OSError, match="no photo"):
        catalogue.read(str(tmp_path / "far/d.jpg"))


def member(name, mode=stat.S_IFREG | 0o644):
    info = zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6))
    info.external_attr = mode << 16
    return info


def test_a_zip_is_read_inside_and_its_tricks_are_listed(tmp_path):
    path = tmp_path / "photos.zip"
    tricks = [
        "../slip.jpg",
        "/abs.jpg",
        "a/../../b.jpg",
        "c:\\d.jpg",
        "back\\slash.jpg",
        "inner.zip",
        "deep/inner.tar.gz",
    ]
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the second file of one name
        for name in ("b/x.jpg", "a.png", "readme.txt", ".hidden.jpg", "__MACOSX/._a.png", "empty/", *tricks):
            archive.writestr(member(name), b"content of " + name.encode())
        archive.writestr(member("link.jpg", stat.S_IFLNK | 0o777), "/etc/passwd")
        archive.writestr(member("a.png"), "another")
    before = sorted(tmp_path.rglob("*"))
    catalogue = open_catalogue(path)
    assert ids(catalogue) == ["a.png", "b/x.jpg"]
    assert catalogue.read("a.png") == b"content of a.png"
    reasons = refused(catalogue)
    assert set(reasons) == {*tricks, "link.jpg", "a.png (again)"}
    assert "leads out" in reasons["../slip.jpg"]
    assert "archive inside" in reasons["inner.zip"]
    for photo in (*reasons, "readme.txt", ".hidden.jpg"):
        with pytest.raises(OSError, match=r"refused|no photo"):
            catalogue.read(photo)
    assert sorted(tmp_path.rglob("*")) == before
    entry = next(catalogue.entries())
    assert entry.bytes == 16
    assert entry.mtime_ns // 10**9 >= 1577934246


def test_encrypted_and_damaged_members_of_a_zip(tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member("bad.jpg"), os.urandom(500))
        archive.writestr(member("locked.jpg"), b"secret")
        archive.writestr(member("odd.jpg"), b"odd")
    raw = bytearray(path.read_bytes())
    raw[100] ^= 0xFF
    directory = raw.index(b"PK\x01\x02")
    locked = raw.index(b"PK\x01\x02", directory + 4)
    raw[locked + 8] |= 1
    odd = raw.index(b"PK\x01\x02", locked + 4)
    raw[odd + 10] = 97
    path.write_bytes(raw)
    catalogue = open_catalogue(path)
    assert ids(catalogue) == ["bad.jpg"]
    assert refused(catalogue).keys() == {"locked.jpg", "odd.jpg"}
    with pytest.raises(OSError, match="cannot be unpacked"):
        catalogue.read("bad.jpg")
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ValueError, match="is no zip, or is damaged"):
        open_catalogue(path)


def test_other_contents_of_one_length_and_date_show_in_a_zip(tmp_path):
    entries = []
    for content in (b"one", b"two"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(member("a.jpg"), content)
        entries += open_catalogue(tmp_path / "a.zip").entries()
    assert entries[0].bytes == entries[1].bytes
    assert entries[0].mtime_ns != entries[1].mtime_ns


def test_what_is_no_catalogue_is_refused_in_words(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no photos .*give a folder, a zip, or a text file"):
        open_catalogue(tmp_path / "none")
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8\xff\0\0")
    with pytest.raises(ValueError, match="neither a folder of photos"):
        open_catalogue(tmp_path / "cat.jpg")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        open_catalogue(tmp_path / "pipe")


def test_ids_that_are_none_lead_nowhere():
    assert path_of("a/b.jpg") == "a/b.jpg"
    assert [path_of(photo) for photo in ESCAPES[:-1]] == [None] * (len(ESCAPES) - 1)
