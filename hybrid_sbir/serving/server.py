"""The process that listens: started on a socket, ended by SIGTERM or SIGINT once what is in flight is answered."""

import socket
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType

import uvicorn

from hybrid_sbir.search import SketchSearch
from hybrid_sbir.serving.access import Access
from hybrid_sbir.serving.app import create_app
from hybrid_sbir.serving.connections import guarded_protocol
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import Meters

_KEEP_ALIVE = 30  # seconds that an unused connection stays open


class Server(uvicorn.Server):
    """Uvicorn's, but a signal is an ordinary end: exit code 0."""

    def __init__(
        self, config: uvicorn.Config, announcement: str = "", ready: Callable[[], object] | None = None
    ) -> None:
        super().__init__(config)
        self._announcement, self._ready = announcement, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and print the announcement once requests are answered at once."""
        await super().startup(sockets)
        if self._announcement and self.started:
            print(self._announcement, flush=True)
        if self._ready and self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second signal does not wait for what is in flight."""
        self.force_exit = self.should_exit
        self.should_exit = True


def server_of(
    index: Path,
    search: SketchSearch,
    *,
    access: Access | None = None,
    hosts: Collection[str] = (),
    threads: int = 1,
    limits: Limits | None = None,
    announcement: str = "",
    ready: Callable[[], object] | None = None,
) -> Server:
    """Build a server, to be run on a listening socket.

    Args:
        index: the index's folder.
        search: it, opened.
        access: who may ask; without it everybody.
        hosts: names that a request may be for; none: any.
        threads: of the model.
        limits: of requests and connections.
        announcement: what is printed once it answers.
        ready: called then.
    """
    limits, meters = limits or Limits(), Meters()
    app = create_app(index, search, access=access, limits=limits, meters=meters, hosts=hosts, threads=threads)
    config = uvicorn.Config(
        app,
        http=guarded_protocol(limits, meters),
        ws="none",
        log_config=None,
        log_level="error",  # its warnings quote what a client sent
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=16 << 10,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(limits.stop_seconds),
    )
    return Server(config, announcement, ready)


def address(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
