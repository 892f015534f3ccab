"""Who may ask, from where, and what is never said."""

import logging
import socket

import httpx
import pytest

from hybrid_sbir.serving.access import TOKEN_VARIABLE, read_token
from tests.serving.running import serving

TOKEN = "a-token-of-enough-letters"
DOT = {"strokes": [[[1], [1]]]}
PATHS = ["/", "/health", "/metrics", "/openapi.json", "/page/main.js", "/photos/nothing.jpg", "/nothing", "/search"]


@pytest.fixture(scope="module")
def closed(index):
    with serving(index, token=TOKEN) as running:
        yield running


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_keeps_browsers_safe(server, path):
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        headers = server.client.request(method, path).headers
        policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control-")]
        assert "server" not in headers


def test_other_names_are_not_answered_to(server):
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::2]", ""):
        assert server.client.get("/health", headers={"Host": host}).status_code == 421
    for host in ("localhost", "localhost:1234", "LOCALHOST", "127.0.0.1"):
        assert server.client.get("/health", headers={"Host": host}).status_code == 200


def test_pages_of_other_sites_are_refused(server):
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert server.client.post("/search", json=DOT, headers=foreign).status_code == 403
    assert server.client.get("/metrics", headers=foreign).status_code == 403
    assert server.client.get("/", headers=foreign).status_code == 200
    assert server.client.post("/search", json=DOT, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_without_the_token_there_is_the_page_and_nothing_else(closed):
    for path in ("/", "/page/main.js"):
        assert closed.client.get(path).status_code == 200
    assert closed.client.get("/health").json() == {"ready": True}
    for path in ("/metrics", "/openapi.json", "/photos/nothing.jpg"):
        assert closed.client.get(path).status_code == 401
    assert closed.client.post("/search", json=DOT).status_code == 401


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"])
def test_another_token_does_not_fit(closed, given):
    refused = closed.client.get("/metrics", headers={"Authorization": given.encode("latin-1")})
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_the_token_fits_in_a_header_and_by_a_cookie(closed):
    assert closed.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    with httpx.Client(base_url=closed.url, trust_env=False) as browser:
        assert browser.post("/session", json={"token": "x"}).status_code == 401
        entered = browser.post("/session", json={"token": TOKEN})
        cookie = entered.headers["Set-Cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert browser.post("/search", json=DOT).status_code == 200
        assert "photos" in browser.get("/health").json()
    assert closed.client.get("/metrics", headers={"Cookie": "hybrid_sbir_session=x"}).status_code == 401


def test_tokens_come_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token(file) == TOKEN
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert read_token(None) is None
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert read_token(None) == TOKEN
    for short in ("", "short", "a b c d e f g h i j k", "é" * 20):  # no header could carry the last
        file.write_text(short, encoding="utf-8")
        with pytest.raises(ValueError, match="characters") as refused:
            read_token(file)
        assert not short or short not in str(refused.value)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_token(tmp_path / "none")


def test_the_log_says_the_route_and_not_what_was_asked(closed, caplog):
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Secret": "planted-1"}
    body = b'{"strokes": [[[31337],[31337]]]}'
    kind = {"Content-Type": "application/json"}
    closed.client.post("/search?k=31338", content=body, headers=headers | kind)
    closed.client.get("/photos/planted-2.jpg?size=full", headers=headers)
    closed.client.post("/session", json={"token": "planted-3-planted-3"})
    ours = "\n".join(each.getMessage() for each in caplog.records if each.name.startswith(("hybrid_sbir", "uvicorn")))
    assert "POST /search 200" in ours
    assert "GET /photos/{photo:path} 404" in ours
    for secret in ("31337", "31338", "planted", TOKEN):
        assert secret not in ours


def test_nothing_is_asked_of_other_machines(index, monkeypatch):
    real = socket.socket.connect

    def local_only(self, where):
        assert where[0] in ("127.0.0.1", "::1"), f"a connection to {where}"
        return real(self, where)

    monkeypatch.setattr(socket.socket, "connect", local_only)
    with serving(index) as running:
        hits = running.client.post("/search", json=DOT).json()["hits"]
        assert running.client.get(hits[0]["thumbnail"]).status_code == 200
