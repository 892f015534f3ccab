"""What stands before every route: whose host, from which page, with which token, how large, how long."""

import asyncio
import logging
import time
from collections.abc import Collection
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hybrid_sbir.serving.access import Access, without_port
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import Meters
from hybrid_sbir.serving.problems import Refused, problem_body

LOG = logging.getLogger("hybrid_sbir.serving.access")
_OPEN_PATHS = ("/", "/health", "/session")
_OPEN_FOLDER = "/page/"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Refuses what must not reach the routes, and adds to every answer what keeps browsers safe.

    Args:
        app: what is guarded.
        access: who may ask.
        limits: of a request.
        meters: what is counted.
        hosts: names that a request may be for, small letters, without ports; none: any.
    """

    def __init__(self, app: ASGIApp, access: Access, limits: Limits, meters: Meters, hosts: Collection[str]) -> None:
        self._app, self._access, self._limits, self._meters = app, access, limits, meters
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer = _Answer(scope, send)
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope  # uvicorn leaves the body out
        start = time.perf_counter()
        try:
            self._check(scope)
            async with asyncio.timeout(self._limits.request_seconds):
                await self._app(asked, _counted(receive, self._most(scope), answer), answer.send)
        except Refused as refused:
            self._meters.rejected.labels(str(refused.status)).inc()
            await answer.refuse(refused)
        except TimeoutError:
            self._meters.rejected.labels("time").inc()
            late = (504, "the answer took") if answer.body_read else (408, "the request's body took")
            await answer.refuse(Refused(late[0], f"{late[1]} longer than {self._limits.request_seconds:g} s"))
        except Exception as mistake:
            if isinstance(mistake, ConnectionAbortedError):
                raise
            LOG.error("a request failed", exc_info=mistake)
            if not answer.status:
                await answer.refuse(Refused(500, "the server made a mistake; its log says more"))
        finally:
            self._record(asked, scope, answer, time.perf_counter() - start)

    def _check(self, scope: Scope) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = without_port(headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            raise Refused(421, "this server answers under other names only; start it with --hosts NAME to add one")
        if scope["path"] != "/" and self._foreign(headers, host):
            raise Refused(403, "this was asked for by a page of another site")
        path = scope["path"]
        if not (path in _OPEN_PATHS or path.startswith(_OPEN_FOLDER)) and not self._access.allows(headers):
            raise Refused(
                401,
                "this server needs its token; send it as Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Refused(400, "content-length is no number")
        if int(length) > self._most(scope):
            raise _too_large(self._most(scope))

    def _most(self, scope: Scope) -> int:
        """Bytes that may be read of a request's body."""
        return self._limits.token_bytes if scope["path"] == "/session" else self._limits.body_bytes

    def _foreign(self, headers: dict[str, str], host: str) -> bool:
        """Whether another server's page asks; browsers that do not say so still name the origin of what they send."""
        if (site := headers.get("sec-fetch-site")) is not None:
            return site in ("cross-site", "same-site")
        origin = headers.get("origin", "null").partition("://")[2]
        return bool(origin) and without_port(origin) not in {host, *self._hosts}

    def _record(self, asked: Scope, scope: Scope, answer: "_Answer", seconds: float) -> None:
        """Count a request and log it: its route, never what was asked."""
        route = getattr(asked.get("route"), "path", "other")
        self._meters.requests.labels(route, _method(scope), str(answer.status)).inc()
        self._meters.request_seconds.labels(route).observe(seconds)
        client = scope["client"][0] if scope.get("client") else "-"
        LOG.info("%s %s %s %d %.1f ms", client, _method(scope), quote(route, "/{}:"), answer.status, seconds * 1e3)


class _Answer:
    """The answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send, self.status, self.body_read = scope, send, 0, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = {name for name, _ in message["headers"]}
            usual = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in given]
            message = {**message, "headers": [*message["headers"], *usual]}
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        """Send a problem, unless an answer is on its way: then the connection is broken off."""
        if self.status:
            raise ConnectionAbortedError("an answer was broken off")
        body = b"" if self._scope["method"] == "HEAD" else problem_body(refused.status, refused.message)
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **refused.headers}
        if not self.body_read:
            headers["Connection"] = "close"  # the rest of the body is not waited for
        plain = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        plain.append((b"content-length", str(len(body)).encode()))
        await self.send({"type": "http.response.start", "status": refused.status, "headers": plain})
        await self._send({"type": "http.response.body", "body": body})


def _counted(receive: Receive, limit: int, answer: _Answer) -> Receive:
    """Stop reading where a body becomes too large, whatever its head said."""
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        if message["type"] == "http.request":
            read += len(message.get("body", b""))
            answer.body_read = not message.get("more_body", False)
            if read > limit:
                raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> Refused:
    most = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit:,} bytes"
    return Refused(413, f"a body larger than {most}; send a smaller file")


def _method(scope: Scope) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
