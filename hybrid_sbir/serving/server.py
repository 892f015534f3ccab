"""The process that listens: started on a socket, ended by SIGTERM or SIGINT once what is in flight is answered."""

import socket
from collections.abc import Collection
from pathlib import Path
from types import FrameType

import uvicorn

from hybrid_sbir.search import SketchSearch
from hybrid_sbir.serving.access import Access
from hybrid_sbir.serving.app import create_app
from hybrid_sbir.serving.connections import guarded_protocol
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import Meters


class Server(uvicorn.Server):
    """Uvicorn's, but a signal is an ordinary end: exit code 0."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second signal does not wait for what is in flight."""
        self.force_exit = self.should_exit
        self.should_exit = True


def run(
    listening: socket.socket,
    index: Path,
    search: SketchSearch,
    access: Access,
    hosts: Collection[str],
    threads: int,
    limits: Limits | None = None,
) -> None:
    """Serve until told to stop.

    Args:
        listening: the socket.
        index: the index's folder.
        search: it, opened.
        access: who may ask.
        hosts: names that a request may be for; none: any.
        threads: of the model.
        limits: of requests and connections.
    """
    limits, meters = limits or Limits(), Meters()
    app = create_app(index, search, access=access, limits=limits, meters=meters, hosts=hosts, threads=threads)
    config = uvicorn.Config(
        app,
        http=guarded_protocol(limits, meters),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=16 << 10,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(limits.stop_seconds),
    )
    print(f"{len(search.photos):,} photos; draw at {address(listening)} (stop: Ctrl+C)", flush=True)
    Server(config).run([listening])


def address(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
