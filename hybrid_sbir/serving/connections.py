"""Connections that are slow on purpose, or too many, are cut; uvicorn alone waits for a request's head for ever."""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import Meters
from hybrid_sbir.serving.problems import problem_body


def guarded_protocol(limits: Limits, meters: Meters) -> type[H11Protocol]:
    """Return uvicorn's protocol with a time for each request's head and answer, and at most so many connections."""

    class GuardedProtocol(H11Protocol):
        _alarm: asyncio.TimerHandle | None = None
        _surplus = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            # An answer goes out as head and body: held back, the body would wait 40 ms for the head's receipt. asyncio
            # sees to it only where a socket was made for TCP by name.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._surplus = len(self.connections) > limits.connections
            self._wait(limits.header_seconds, "slow_head")

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self._surplus:  # only now: closed with bytes unread, the answer would be lost
                meters.cut.labels("too_many").inc()
                self.transport.write(_plain(503, "too many connections; try again later", b"Retry-After: 1\r\n"))
                self.transport.close()
                return
            if self._idle and self._alarm is None:  # the first bytes of a further request
                self._wait(limits.header_seconds, "slow_head")
            super().data_received(data)
            if not self._idle:
                self._rest()

        @property
        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def timeout_keep_alive_handler(self) -> None:
            """Close an unused connection; one whose answer is not read is broken off a little later."""
            super().timeout_keep_alive_handler()
            self._wait(limits.header_seconds, "slow_reader")

        def send_400_response(self, msg: str) -> None:
            """Answer what is no HTTP in the form of all other errors."""
            self.transport.write(_plain(400, "this is no valid HTTP request"))
            self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._rest()
            super().connection_lost(exc)

        def _wait(self, seconds: float, reason: str) -> None:
            self._rest()
            self._alarm = self.loop.call_later(seconds, self._cut, reason)

        def _rest(self) -> None:
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

        def _cut(self, reason: str) -> None:
            meters.cut.labels(reason).inc()
            self.transport.abort()

    return GuardedProtocol


def _plain(status: int, message: str, headers: bytes = b"") -> bytes:
    body = problem_body(status, message)
    names = {400: b"Bad Request", 503: b"Service Unavailable"}
    return (
        b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n"
        % (status, names[status], len(body), headers)
    ) + body
