"""A server on a free port of this machine, for as long as a test needs it."""

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from hybrid_sbir.search import SketchSearch
from hybrid_sbir.serving.access import Access
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.server import server_of

LOCAL = ("localhost", "127.0.0.1")


@dataclass
class Running:
    url: str
    port: int
    search: SketchSearch
    client: httpx.Client


@contextmanager
def serving(index, *, token=None, hosts=LOCAL, search=None, **limits):
    """Serve an index in a thread of this process; its model is the test's to look at."""
    search = search or SketchSearch.load(index)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = server_of(index, search, access=Access(token), hosts=hosts, limits=Limits(**limits))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            yield Running(url, port, search, client)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


def raw(port, content, *, seconds=10.0):
    """Send bytes over a connection of one's own and return all that comes back until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(content)
        received = b""
        while chunk := connection.recv(1 << 16):
            received += chunk
        return received
