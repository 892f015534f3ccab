"""A full queue, slow clients, too many of them, and how long anything may take."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from hybrid_sbir.search import SketchSearch
from tests.serving.running import raw, serving

DOT = {"strokes": [[[1], [1]]]}


@pytest.fixture
def held(index, monkeypatch):
    """An index whose model waits until it is let go."""
    search, go = SketchSearch.load(index), threading.Event()
    go.set()
    embed = search.encoder.embed

    def waiting(*given, **options):
        assert go.wait(20)
        return embed(*given, **options)

    monkeypatch.setattr(search.encoder, "embed", waiting)
    yield search, go
    go.set()


def test_a_full_queue_sends_away_with_a_time_to_come_back(index, held):
    search, go = held
    with serving(index, search=search, queue=3) as running, ThreadPoolExecutor(3) as pool:
        go.clear()
        waiting = [pool.submit(running.client.post, "/search", json=DOT) for _ in range(3)]
        while running.client.get("/health").json()["waiting"] < 3:
            time.sleep(0.01)
        refused = running.client.post("/search", json=DOT)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["error"] == "busy"
        assert running.client.get("/health").status_code == 200
        go.set()
        assert [each.result().status_code for each in waiting] == [200] * 3
        assert running.client.post("/search", json=DOT).status_code == 200
        assert 'hybrid_sbir_rejected_total{reason="queue_full"} 1.0' in running.client.get("/metrics").text


def test_a_query_that_takes_too_long_is_given_up(index, held):
    search, go = held
    with serving(index, search=search, request_seconds=0.5) as running:
        go.clear()
        late = running.client.post("/search", json=DOT)
        go.set()
        assert (late.status_code, late.json()["error"]) == (504, "took_too_long")
        assert running.client.post("/search", json=DOT).status_code == 200


def test_a_model_that_fails_is_answered_without_its_words(index, held, monkeypatch):
    search, _ = held
    with serving(index, search=search) as running:

        def broken(*given, **options):
            raise RuntimeError("secret words")

        monkeypatch.setattr(search.encoder, "embed", broken)
        failed = running.client.post("/search", json=DOT)
        assert (failed.status_code, failed.json()["error"]) == (500, "internal")
        assert "secret" not in failed.text
        assert running.client.get("/health").json()["waiting"] == 0


def test_a_body_that_does_not_come_is_not_waited_for(index):
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 50\r\n\r\nabc"
    with serving(index, request_seconds=0.5) as running:
        answer = raw(running.port, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"too_slow" in answer


def test_a_head_that_comes_drop_by_drop_is_cut(index):
    with serving(index, header_seconds=1.0) as running:
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            with suppress(ConnectionError):
                while time.monotonic() < start + 8:
                    connection.sendall(b"X-Slow: 1\r\n")
                    time.sleep(0.2)
        assert time.monotonic() - start < 5
        # A connection that was used before, too.
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(4096)
            assert received.startswith(b"HTTP/1.1 200")
            connection.sendall(b"GET /health")
            connection.settimeout(5)
            with suppress(ConnectionResetError):
                assert connection.recv(4096) == b""
        assert 'reason="slow_head"} 2.0' in running.client.get("/metrics").text


def test_too_many_connections_are_told_so(index):
    with serving(index, connections=4) as running:
        several = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(4)]
        time.sleep(0.2)
        answer = raw(running.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for connection in several:
            connection.close()
        time.sleep(0.2)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in answer
        assert running.client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "head",
    [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"GET /" + b"a" * 40_000],
)
def test_what_is_no_http_is_answered_as_all_errors_are(server, head):
    answer = raw(server.port, head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"error":"bad_request"' in answer
