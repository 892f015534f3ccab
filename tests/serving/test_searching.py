"""POST /search: what is asked for, in every form, and what must be refused."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.embedded import draw_strokes
from hybrid_sbir.data.strokes import rasterize
from hybrid_sbir.search import SketchSearch
from tests.serving.running import raw, serving

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M1 1L8 8M1 8L8 1" stroke="black"/></svg>'


def drawing(seed=0, name="fish"):
    return [np.rint(stroke).astype(np.int16) for stroke in draw_strokes(name, np.random.default_rng(seed))]


def plain(strokes):
    return [stroke.tolist() for stroke in strokes]


def png(image=None, **options):
    file = io.BytesIO()
    (image or Image.fromarray(rasterize(drawing(), 200))).save(file, "PNG", **options)
    return file.getvalue()


@pytest.fixture
def seen(server, monkeypatch):
    """The images that the model's preparation is given."""
    images, prepare = [], server.search.encoder.prepare

    def recorded(image, domain):
        images.append(image)
        return prepare(image, domain)

    monkeypatch.setattr(server.search.encoder, "prepare", recorded)
    return images


def problem(response, status):
    assert response.status_code == status, response.text
    told = response.json()
    assert set(told) == {"status", "error", "message"}
    assert told["status"] == status
    assert "Traceback" not in response.text
    return told["message"]


def test_strokes_find_what_the_index_finds(server, index):
    answer = server.client.post("/search", json={"strokes": plain(drawing()), "k": 5}).json()
    expected = SketchSearch.load(index).search(drawing(), 5)
    assert [hit["id"] for hit in answer["hits"]] == [hit.id for hit in expected]
    assert [hit["score"] for hit in answer["hits"]] == pytest.approx([hit.score for hit in expected], abs=2e-6)
    assert answer["photos"] == 24
    assert set(answer["milliseconds"]) == {"prepare", "queue", "embed", "search"}


def test_strokes_give_the_pixels_of_training(server, seen):
    for seed, name in enumerate(("fish", "cup", "bicycle")):
        strokes = drawing(seed, name)
        server.client.post("/search", json={"strokes": plain(strokes)}).raise_for_status()
        difference = np.asarray(seen[-1]).astype(int) - rasterize(strokes, 256)
        assert np.abs(difference).max() == 0


def test_an_image_is_taken_raw_and_from_a_form(server):
    raw_body = server.client.post("/search?k=4", content=png(), headers={"Content-Type": "image/png"}).json()
    unnamed = {"Content-Type": "application/octet-stream"}
    assert server.client.post("/search?k=4", content=png(), headers=unnamed).json()["hits"] == raw_body["hits"]
    files = {"sketch": ("a.png", png(), "image/png")}
    assert server.client.post("/search?k=4", files=files).json()["hits"] == raw_body["hits"]
    assert server.client.post("/search", files=files, data={"k": "4"}).json()["hits"] == raw_body["hits"]
    assert len(raw_body["hits"]) == 4


def test_an_svg_drawing_is_taken(server):
    answer = server.client.post("/search?k=3", content=SVG, headers={"Content-Type": "image/svg+xml"})
    assert [hit["rank"] for hit in answer.json()["hits"]] == [1, 2, 3]


def test_options_do_what_the_index_does_with_them(server, index):
    strokes, options = drawing(3, "guitar"), {"mirror": True, "scales": [1.0, 1.5]}
    answer = server.client.post("/search", json={"strokes": plain(strokes), "k": 24, **options}).json()
    expected = SketchSearch.load(index).search(strokes, 24, **options)
    assert [hit["score"] for hit in answer["hits"]] == pytest.approx([hit.score for hit in expected], abs=2e-6)
    picture = png(Image.fromarray(rasterize(strokes, 256)))
    same = server.client.post("/search?k=24&mirror=true&scales=1.0,1.5", files={"sketch": ("a.png", picture)}).json()
    assert [hit["id"] for hit in same["hits"]] == [hit["id"] for hit in answer["hits"]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "strokes"),
        ({"strokes": []}, "strokes"),
        ({"strokes": [[[1, 2], [1]]]}, "stroke 1 has 2 x and 1 y"),
        ({"strokes": [[[1, 2]]]}, "strokes.0"),
        ({"strokes": [[[1], [2], [3]]]}, "strokes.0"),
        ({"strokes": [[["a"], [2]]]}, "strokes.0.0.0"),
        ({"strokes": [[[1e9], [2]]]}, "strokes.0.0.0"),
        ({"strokes": [[[1], [2]]], "k": 0}, "k"),
        ({"strokes": [[[1], [2]]], "k": 10**6}, "k"),
        ({"strokes": [[[1], [2]]], "scales": [9]}, "scales"),
        ({"strokes": [[[1], [2]]], "scales": [1, 1]}, "scales"),
        ({"strokes": [[[1], [2]]], "kk": 3}, "kk"),
        ([1, 2], "body"),
    ],
)
def test_a_body_that_is_no_drawing_is_refused_in_words(server, body, said):
    assert said in problem(server.client.post("/search", json=body), 422)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"strokes": [[[NaN],[1]]]}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(server, content):
    headers = {"Content-Type": "application/json"}
    problem(server.client.post("/search", content=content, headers=headers), 422)


def test_other_kinds_are_named(server):
    assert "text/plain" in problem(
        server.client.post("/search", content=b"x", headers={"Content-Type": "text/plain"}), 415
    )
    problem(server.client.post("/search"), 415)


@pytest.mark.parametrize("content", [b"", b"no image", png()[:200], b"<svg", b"<?xml version='1.0'?><a/>"])
def test_a_file_that_is_no_picture_is_refused(server, content):
    problem(server.client.post("/search", content=content, headers={"Content-Type": "image/png"}), 422)


def test_broken_forms_are_refused(server):
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for content in (b"", b"--x\r\n", b'--x\r\nContent-Disposition: form-data; name="k"\r\n\r\n3\r\n--x--\r\n'):
        problem(server.client.post("/search", content=content, headers=kind), 422)
    problem(server.client.post("/search", content=b"", headers={"Content-Type": "multipart/form-data"}), 422)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(server):
    bomb = png(Image.new("1", (9000, 9000)))
    assert len(bomb) < 20_000
    assert "9000 x 9000 pixels" in problem(
        server.client.post("/search", content=bomb, headers={"Content-Type": "image/png"}), 413
    )


def test_a_large_body_is_refused_before_it_is_read(server):
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 99999999\r\n\r\n"
    answer = raw(server.port, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_large_body_of_no_stated_length_is_cut_off(server):
    def endless():
        for _ in range(200):
            yield b"x" * (1 << 16)

    with suppress(httpx.WriteError):  # of a client that still writes when the connection is closed
        response = server.client.post("/search", content=endless(), headers={"Content-Type": "image/png"})
        problem(response, 413)
    assert server.client.get("/health").status_code == 200  # and it goes on


def test_a_drawing_of_too_many_points_is_refused(server):
    line = [list(range(15_000)), list(range(15_000))]
    assert "20,000 points" in problem(server.client.post("/search", json={"strokes": [line, line]}), 413)


def test_queries_that_come_together_share_batches_and_change_nothing(index):
    bodies = [json.dumps({"strokes": plain(drawing(seed)), "k": 6}) for seed in range(24)]
    headers = {"Content-Type": "application/json"}
    with serving(index) as running:

        def ask(body):
            return running.client.post("/search", content=body, headers=headers).json()["hits"]

        alone = [ask(body) for body in bodies]
        with ThreadPoolExecutor(12) as pool:
            together = list(pool.map(ask, bodies))
        metrics = running.client.get("/metrics").text
    for one, other in zip(alone, together, strict=True):
        assert [hit["score"] for hit in one] == pytest.approx([hit["score"] for hit in other], abs=1e-5)
    numbers = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    queries, batches = (float(numbers[f"hybrid_sbir_batch_size_{what}"]) for what in ("sum", "count"))
    assert queries == 1 + 2 * len(bodies)  # and the one that warms up
    assert batches < queries
