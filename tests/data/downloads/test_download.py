"""Downloads against a server on this machine that does what servers do: cut, refuse, ignore ranges, change the file."""

import base64
import errno
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from hybrid_sbir.data.downloads.download import download
from hybrid_sbir.data.downloads.transfer import DownloadError, Transfer
from hybrid_sbir.data.preparation.prepare import prepare
from hybrid_sbir.data.preparation.staging import StagingError

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Site:
    """What the server has and how it behaves; ``asked`` collects the Range of each request."""

    content: bytes = CONTENT
    ranges: bool = True
    if_range: bool = True
    etag: str = '"one"'
    length: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[tuple[int, dict]] = field(default_factory=list)
    headers: dict = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: ClassVar[Site]

    def log_message(self, *args):
        pass

    def do_GET(self):
        site = self.site
        if self.path == "/moved.zip":
            return self.answer(302, {"Location": "/file.zip"})
        site.asked.append(self.headers.get("Range"))
        if site.statuses:
            return self.answer(*site.statuses.pop(0))
        if self.path == "/missing.zip":
            return self.answer(404, {})
        start = self.first_byte()
        if start > 0 and start >= len(site.content):
            return self.answer(416, {"Content-Range": f"bytes */{len(site.content)}"})
        headers = {"ETag": site.etag, **site.headers}
        if site.length:
            headers["Content-Length"] = str(len(site.content) - start)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(site.content) - 1}/{len(site.content)}"
        end = site.cuts.pop(0) if site.cuts else len(site.content)
        return self.answer(206 if start else 200, headers, site.content[start:end])

    def first_byte(self):
        asked = self.headers.get("Range")
        if not asked or not self.site.ranges:
            return 0
        if self.site.if_range and self.headers.get("If-Range", self.site.etag) != self.site.etag:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Own(Handler):
        site = Site()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Own.site.url = f"http://127.0.0.1:{server.server_port}"
    yield Own.site
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(site, folder, name="file.zip", **options):
    waits = []
    transfer = Transfer(f"{site.url}/{name}", folder / "file.zip", sleep=waits.append, **options)
    return transfer.fetch(), waits


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(site, tmp_path):
    digest = hashlib.sha256(CONTENT).hexdigest()
    path, waits = fetch(site, tmp_path, sha256=digest.upper())
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["file.zip"]
    assert waits == []
    fetch(site, tmp_path, sha256=digest)
    assert site.asked == [None], "a file that is there is not fetched again"


def test_redirects_are_followed(site, tmp_path):
    assert fetch(site, tmp_path, "moved.zip")[0].read_bytes() == CONTENT


def test_a_cut_connection_goes_on_where_it_stopped(site, tmp_path):
    site.cuts = [300_000, 700_000]
    path, waits = fetch(site, tmp_path, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert path.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=300000-", "bytes=700000-"]
    assert waits == [1, 1], "progress resets the waiting"


def test_a_second_run_goes_on_too(site, tmp_path):
    site.cuts = [300_000]
    with pytest.raises(
        DownloadError, match=r"broke after 300000 of 1048576 bytes; gave up after 1 attempts\. The 300000 b"
    ):
        fetch(site, tmp_path, retries=0)
    assert names(tmp_path) == ["file.zip.part", "file.zip.part.json"]
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT
    assert site.asked == [None, "bytes=300000-"]
    assert names(tmp_path) == ["file.zip"]


def test_without_ranges_it_begins_anew(site, tmp_path):
    site.ranges, site.cuts = False, [300_000]
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT
    assert site.asked == [None, "bytes=300000-"]


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(site, tmp_path, if_range):
    site.cuts, site.if_range = [300_000], if_range
    with pytest.raises(DownloadError, match="broke"):
        fetch(site, tmp_path, retries=0)
    site.content, site.etag = CONTENT[::-1], '"two"'
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT[::-1]


def test_a_file_that_became_shorter_begins_anew(site, tmp_path):
    site.cuts = [300_000]
    with pytest.raises(DownloadError, match="broke"):
        fetch(site, tmp_path, retries=0)
    site.content = CONTENT[:1000]
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT[:1000]


def test_a_part_of_unknown_origin_is_not_continued(site, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(b"something else")
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT
    assert site.asked == [None]


def test_a_complete_part_is_only_finished(site, tmp_path):
    site.cuts = [300_000]
    with pytest.raises(DownloadError, match="broke"):
        fetch(site, tmp_path, retries=0)
    (tmp_path / "file.zip.part").write_bytes(CONTENT)  # as if killed between the last byte and the rename
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT
    assert site.asked == [None]


def test_a_wrong_checksum_is_set_aside(site, tmp_path):
    with pytest.raises(
        DownloadError, match=r"not the expected file: its SHA-256 is .*, expected 0{64}\. It was put to"
    ):
        fetch(site, tmp_path, sha256="0" * 64)
    assert names(tmp_path) == ["file.zip.mismatch"]


def test_googles_md5_is_checked(site, tmp_path):
    good = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    site.headers, site.cuts = {"x-goog-hash": f"crc32c=AAAAAA==,md5={good}"}, [300_000]
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT
    (tmp_path / "file.zip").unlink()
    site.content = CONTENT[::-1]
    with pytest.raises(DownloadError, match=r"its MD5 is .*, the server says"):
        fetch(site, tmp_path)
    assert names(tmp_path) == ["file.zip.mismatch"]


def test_a_missing_file_is_not_asked_for_twice(site, tmp_path):
    with pytest.raises(DownloadError, match=r"answers 404 Not Found; the address may be outdated.*--url"):
        fetch(site, tmp_path, "missing.zip")
    assert len(site.asked) == 1
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again_later_and_later(site, tmp_path):
    site.statuses = [(503, {}), (500, {}), (429, {"Retry-After": "7"}), (502, {})]
    path, waits = fetch(site, tmp_path)
    assert path.read_bytes() == CONTENT
    assert waits == [1, 2, 7, 8]


def test_it_gives_up_in_the_end(site, tmp_path):
    site.statuses = [(503, {})] * 3
    with pytest.raises(DownloadError, match="answers 503 Service Unavailable; gave up after 3 attempts"):
        fetch(site, tmp_path, retries=2)


def test_no_server_at_all(tmp_path):
    with pytest.raises(DownloadError, match=r"refused.*; gave up after 2 attempts\. Nothing was received, and nothing"):
        fetch(Site(url="http://127.0.0.1:9"), tmp_path, retries=1)
    assert names(tmp_path) == []


def test_the_command_line_tells_the_errors_in_words():
    assert issubclass(DownloadError, OSError)
    assert issubclass(StagingError, OSError)


def test_a_server_that_does_not_say_the_size(site, tmp_path):
    site.length = False
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT


def test_too_small_a_disk_is_noticed_before(site, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(
        DownloadError, match=r"needs 1048576 more bytes, but the disk of .* has 1000 free; make room.* nothing is"
    ):
        fetch(site, tmp_path)
    assert len(site.asked) == 1
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_keeps_the_part(site, tmp_path, monkeypatch):
    class Full:
        """A file on a disk with room for 500,000 bytes."""

        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, chunk):
            if self.file.tell() + len(chunk) > 600_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(chunk)

    copy = Transfer._copy
    monkeypatch.setattr(Transfer, "_copy", lambda self, response, part, *rest: copy(self, response, Full(part), *rest))
    with pytest.raises(
        DownloadError, match=r"cannot write .*part: No space left on device; make room.* 524288 bytes in"
    ):
        fetch(site, tmp_path)
    monkeypatch.undo()
    assert fetch(site, tmp_path)[0].read_bytes() == CONTENT
    assert site.asked == [None, "bytes=524288-"]


def test_a_different_file_in_its_place_is_not_overwritten(site, tmp_path):
    (tmp_path / "file.zip").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="is there with another SHA-256; move it away"):
        fetch(site, tmp_path, sha256="0" * 64)
    assert (tmp_path / "file.zip").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("url", "sha256", "words"),
    [
        ("file:///etc/hostname", "", "is no http or https address"),
        ("http://localhost/", "12ab", "'12ab' is no SHA-256"),
    ],
)
def test_nonsense_is_refused_at_the_door(tmp_path, url, sha256, words):
    with pytest.raises(DownloadError, match=words):
        Transfer(url, tmp_path / "file", sha256).fetch()


def test_tu_berlin_comes_to_where_prepare_looks(site, tmp_path):
    path = download("tu_berlin", tmp_path, url=f"{site.url}/sketches_png.zip", progress=False)
    assert path == tmp_path / "downloads" / "sketches_png.zip"
    with pytest.raises(ValueError, match="no complete zip or tar archive"):
        prepare("tu_berlin", root=tmp_path, progress=False)


def test_quickdraw_comes_class_by_class_and_can_be_prepared(site, tmp_path):
    site.content = b'{"key_id":"1","drawing":[[[0,255],[0,9]]]}\n'
    folder = download("quickdraw", tmp_path, classes=["ant", "The Mona Lisa"], url=site.url, progress=False)
    assert names(folder) == ["The Mona Lisa.ndjson", "ant.ndjson"]
    assert prepare("quickdraw", root=tmp_path, progress=False).classes == ("The Mona Lisa", "ant")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("imagenet", {}, "cannot be fetched by a program. ImageNet is given out after registration"),
        ("sketchy", {}, "Google Drive"),
        ("folder", {}, "your own images"),
        ("tu_berlin", {"classes": ["cat"]}, "classes can be chosen of quickdraw only"),
        ("quickdraw", {"classes": ["unicorn"]}, "QuickDraw has no class unicorn"),
        ("quickdraw", {"sha256": "0" * 64}, "sha256 is of one archive"),
    ],
)
def test_what_cannot_be_fetched_is_explained(tmp_path, name, options, words):
    with pytest.raises(DownloadError, match=words):
        download(name, tmp_path, **options)


def test_unknown_names_list_the_known_ones(tmp_path):
    with pytest.raises(
        ValueError, match="no data set 'mnist'; there are: tu_berlin, quickdraw, imagenet, sketchy, flickr25k"
    ):
        download("mnist", tmp_path)
    with pytest.raises(ValueError, match="no form 'raw'; there are: simplified, numpy_bitmap"):
        download("quickdraw", tmp_path, form="raw")
