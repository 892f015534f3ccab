"""GET /photos/{id}: every photo of the index, small and whole, and nothing else."""

import io
import json
import shutil
from urllib.parse import quote

import pytest
from PIL import Image

from hybrid_sbir.cli import main
from tests.serving.conftest import write_photos
from tests.serving.running import raw, serving

DOT = {"strokes": [[[1], [1]]], "k": 24}


def test_every_photo_found_is_shown_small_and_whole(server, photos):
    hits = server.client.post("/search", json=DOT).json()["hits"]
    assert len(hits) == 24
    for hit in hits:
        small, full = server.client.get(hit["thumbnail"]), server.client.get(hit["photo"])
        assert small.headers["Content-Type"] == "image/jpeg"
        assert max(Image.open(io.BytesIO(small.content)).size) == 256
        file = photos / hit["id"]
        kind = {".png": "image/png", ".jpg": "image/jpeg", ".bmp": "image/jpeg"}[file.suffix]
        assert full.headers["Content-Type"] == kind
        assert Image.open(io.BytesIO(full.content)).size == Image.open(file).size
        if file.suffix != ".bmp":
            assert full.content == file.read_bytes()


def test_a_browser_that_has_a_photo_is_told_so(server):
    where = server.client.post("/search", json=DOT).json()["hits"][0]["thumbnail"]
    first = server.client.get(where)
    again = server.client.get(where, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert server.client.get(where).content == first.content


@pytest.mark.parametrize(
    "path",
    [
        "/photos/", "/photos/nothing.jpg", "/photos/../../../etc/passwd", "/photos/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/photos/..%2f..%2f..%2fetc%2fpasswd", "/photos//etc/passwd", "/photos/%2fetc%2fpasswd", "/photos/%00",
        "/photos/..%5c..%5cwindows", "/photos/%252e%252e%252fetc%252fpasswd", "/photos/a%0d%0aX: 1", "/photos/%ff",
        "/page/../app.py", "/page/..%2fapp.py", "/page/%2fetc%2fpasswd", "/page/__init__.py", "/etc/passwd",
        "/../etc/passwd", "/manifest.json", "/photos/class%200%20%C3%A4%26%3F",
    ],
)  # fmt: skip
def test_no_path_leaves_the_catalogue(server, path):
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = raw(server.port, head.replace("X: 1 HTTP", "X:1 HTTP").encode())
    status = int(answer.split(b" ")[1])
    assert status in (400, 404), answer
    assert b"root:" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == status


def test_photos_that_are_gone_or_broken_are_said_to_be(model, tmp_path):
    photos = write_photos(tmp_path / "photos", 3)
    main(["index", "--model", str(model), "--photos", str(photos), "--out", str(tmp_path / "index")])
    gone, broken, linked = sorted(photos.rglob("*.*"))
    gone.unlink()
    broken.write_bytes(b"GIF89a")
    secret = tmp_path / "secret.png"
    shutil.copy(linked, secret)
    linked.unlink()
    linked.symlink_to(secret)
    with serving(tmp_path / "index") as running:
        for file in (gone, broken, linked):
            for size in ("small", "full"):
                answer = running.client.get(f"/photos/{quote(str(file.relative_to(photos)))}?size={size}")
                assert answer.status_code == 404, file
                assert str(tmp_path) not in answer.text


def test_the_index_is_opened_again_when_it_changes(model, tmp_path):
    photos = write_photos(tmp_path / "photos", 6)
    words = ["index", "--model", str(model), "--photos", str(photos), "--out", str(tmp_path / "index")]
    main(words)
    with serving(tmp_path / "index", look_seconds=0.05) as running:
        assert running.client.get("/health").json()["photos"] == 6
        write_photos(photos, 9)
        main(words)
        found = []
        for _ in range(200):
            found = running.client.post("/search", json=DOT).json()["hits"]
            if len(found) == 9:
                break
        assert len(found) == 9
        assert running.client.get(found[-1]["thumbnail"]).status_code == 200
        manifest = tmp_path / "index" / "manifest.json"
        manifest.write_text("{}")
        for _ in range(200):
            health = running.client.get("/health").json()
            if "problem" in health:
                break
        assert "manifest.json" in health["problem"]
        assert len(running.client.post("/search", json=DOT).json()["hits"]) == 9
