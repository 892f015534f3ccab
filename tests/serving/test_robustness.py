"""What would hold everybody up, break connections off, or be taken for a mistake of the server's."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.search import SketchSearch
from hybrid_sbir.search.manifest import MANIFEST, IndexProblem
from hybrid_sbir.search.stores import StoreUnreachable
from tests.serving.conftest import write_photos
from tests.serving.running import raw, serving

DOT = {"strokes": [[[1], [1]]]}
JSON = {"Content-Type": "application/json"}
FOREIGN = {"Sec-Fetch-Site": "same-site"}


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b'{"strokes":[' + b",".join([b"[[" + b",".join([b'""'] * 19_000) + b"],[0]]"] * 20) + b"]}", 422, "names"),
        (b'{"strokes":[' + b",".join([b"[[" + b",".join([b"[]"] * 19_000) + b"],[0]]"] * 20) + b"]}", 422, "0.0.0:"),
        (b"{" + b",".join(b'"%d":0' % i for i in range(150_000)) + b"}", 422, "names"),
        (b'{"strokes":[[[' + b"1," * 1_100_000 + b"1],[0]]]}", 413, "2,200,0"),
        (b'{"strokes":' + b"[" * 500_000, 422, "recursion"),
    ],
)
def test_a_body_of_many_mistakes_is_refused_at_the_first(server, content, status, said):
    start = time.monotonic()
    refused = server.client.post("/search", content=content, headers=JSON)
    assert refused.status_code == status
    assert said in refused.json()["message"]
    assert time.monotonic() - start < 1.0  # once 12 s, in which nobody else was answered


def test_what_brings_the_token_is_short(server):
    assert server.client.post("/session", content=b'{"token":"%s"}' % (b"x" * 5000), headers=JSON).status_code == 413
    chunks = iter([b'{"token":"', b"x" * 5000, b'"}'])
    assert server.client.post("/session", content=chunks, headers=JSON).status_code == 400


def test_a_request_that_breaks_off_is_no_mistake(server, caplog):
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head)
        time.sleep(0.2)
    deadline = time.monotonic() + 10
    while 'method="POST",route="/search",status="400"} ' not in server.client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "a request failed" not in caplog.text


def test_the_head_of_an_answer_can_be_asked_for_alone(server):
    photo = server.client.post("/search", json=DOT).json()["hits"][0]["photo"]
    for path in ("/", "/health", "/page/main.js", photo, f"{photo}?size=small", "/openapi.json"):
        whole, head = server.client.get(path), server.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.content))
    assert server.client.head("/search").status_code == 405


def test_a_page_of_another_port_or_of_a_sister_site_is_refused(server):
    assert server.client.post("/search", json=DOT, headers=FOREIGN).status_code == 403
    assert server.client.get("/", headers=FOREIGN).status_code == 200
    for origin, status in (
        ("http://evil.example", 403),
        (server.url, 200),
        ("null", 200),
    ):  # browsers without Sec-Fetch
        assert server.client.post("/search", json=DOT, headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize("problem", [StoreUnreachable("milvus at secret:1 is gone"), IndexProblem("rows are gone")])
def test_a_store_that_is_gone_is_said_to_be(index, monkeypatch, caplog, problem):
    search = SketchSearch.load(index)
    with serving(index, search=search) as running, monkeypatch.context() as patch:

        def gone(*given, **options):
            raise problem

        patch.setattr(search, "find", gone)
        for _ in range(2):
            refused = running.client.post("/search", json=DOT)
            assert (refused.status_code, refused.json()["error"]) == (503, "busy")
            assert refused.headers["Retry-After"] == "5"
            assert "secret" not in refused.text
        assert str(problem) in caplog.text
        patch.undo()
        assert running.client.post("/search", json=DOT).status_code == 200


@pytest.fixture
def slow(index, monkeypatch):
    """An index whose second looks wait until they are let go."""
    search, go, looks = SketchSearch.load(index), threading.Event(), []
    find = search.find

    def waiting(vectors, k, *, expand=0, rerank=False, **options):
        if rerank or expand or search.manifest.store["kind"] == "milvus":
            looks.append(len(vectors))
            assert go.wait(20)
        return find(vectors, k, expand=expand, rerank=rerank, **options)

    monkeypatch.setattr(search, "find", waiting)
    yield search, go, looks
    go.set()


def test_second_looks_hold_nobody_up_and_only_so_many_wait(index, slow):
    search, go, looks = slow
    with serving(index, search=search, refining=3) as running, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(running.client.post, "/search", json=DOT | {"rerank": True}) for _ in range(3)]
        while running.client.get("/health").json()["waiting"] < 3:
            time.sleep(0.01)
        assert running.client.post("/search", json=DOT).status_code == 200
        assert running.client.post("/search", json=DOT | {"expand": 2}).status_code == 503
        go.set()
        assert [each.result().status_code for each in waiting] == [200] * 3
        assert looks == [1, 1, 1]
        assert running.client.post("/search", json=DOT | {"expand": 2}).status_code == 200


def test_a_store_elsewhere_that_does_not_answer_is_given_up(index, slow, monkeypatch):
    search, go, _ = slow
    go.set()
    with serving(index, search=search, store_seconds=0.3) as running:
        go.clear()
        monkeypatch.setitem(search.manifest.store, "kind", "milvus")
        refused = running.client.post("/search", json=DOT)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        go.set()
        assert running.client.post("/search", json=DOT).status_code == 200


def test_an_index_that_could_not_be_opened_is_tried_again(model, tmp_path):
    folder, out = write_photos(tmp_path / "photos", 6), tmp_path / "index"
    make = ["index", "--model", str(model), "--photos", str(folder), "--out", str(out)]
    main(make)

    def until(photos, problem):
        deadline = time.monotonic() + 20
        while True:
            health = running.client.get("/health").json()
            if (
                health["photos"] == photos
                and (problem in (said := health.get("problem", "")))
                and bool(problem) == bool(said)
            ):
                return
            assert time.monotonic() < deadline, health
            time.sleep(0.05)

    with serving(out, look_seconds=0.1) as running:
        held = (out / MANIFEST).read_bytes()
        (out / MANIFEST).unlink()
        until(6, "gone")
        (out / MANIFEST).write_bytes(held)
        until(6, "")
        write_photos(folder, 9)
        main(make)
        until(9, "")
        write_photos(folder, 12)
        main(make)
        until(12, "")
        rows = next(iter(out.glob("photos-*.jsonl")))
        newest, content = (out / MANIFEST).read_bytes(), rows.read_bytes()
        (out / MANIFEST).write_bytes(newest.replace(b'"photos": 12', b'"photos": 11'))
        until(12, "photos")
        assert running.client.post("/search", json=DOT).status_code == 200
        (out / MANIFEST).write_bytes(newest)
        until(12, "")
        assert rows.read_bytes() == content


def test_an_answer_that_nobody_reads_is_let_go(index):
    with serving(index, request_seconds=1.0, header_seconds=1.0) as running:
        photo = running.client.post("/search", json=DOT).json()["hits"][0]["photo"]
        ask = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % photo.encode()
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(ask * 300)
            assert running.client.get("/health").status_code == 200
        answer = raw(running.port, ask * 3 + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200 OK") == 4
