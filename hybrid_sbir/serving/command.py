"""The verb that serves an index."""

import ipaddress
import logging
import os
import socket
import sys
import threading
import webbrowser
from pathlib import Path

from hybrid_sbir.serving.access import TOKEN_VARIABLE, read_token, without_port

_LOCAL = ("localhost", "127.0.0.1", "::1")


def serve(
    *,
    index: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    token_file: Path | None = None,
    hosts: list[str] | None = None,
    onnx: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    browser: bool = False,
) -> None:
    """Serve an index: a page to draw on, and the HTTP interface.

    Args:
        index: the index's folder.
        host: the address to listen at; any but this machine's own is open to others, so give a token then.
        port: the port; 0 takes a free one.
        token_file: a file with the token that requests must carry; without it HYBRID_SBIR_TOKEN, if that is set.
        hosts: names under which the server may be asked for, besides the local ones; needed behind a proxy.
        onnx: a folder of ONNX graphs that were exported of the index's model, which embed a sketch faster on a CPU.
        device: where the model runs.
        browser: whether to open the page in this machine's browser, if it has a screen.
        threads: of the model on a CPU; by default half the machine's cores, at most four: the others decode and answer.
    """
    try:
        from hybrid_sbir.serving.server import address, server_of
    except ImportError as problem:
        raise ValueError(f"serving needs {problem.name}: pip install 'hybrid-sbir[serve]'") from problem
    from hybrid_sbir.search import SketchSearch
    from hybrid_sbir.serving.access import Access

    _log_to_stderr()
    token = read_token(token_file)
    local = _is_local(host)
    if not local and token is None:
        print(
            f"warning: everybody who reaches {host} can search and see the photos; set {TOKEN_VARIABLE} or give "
            "--token_file",
            file=sys.stderr,
        )
    listening = _listen(host, port)
    try:
        search = SketchSearch.load(index, device, onnx=onnx)
        names = _names(host, hosts or []) if local or hosts else set()
        threads = threads or max(1, min(4, (os.cpu_count() or 2) // 2))
        said = f"{len(search.photos):,} photos; draw at {address(listening)} (stop: Ctrl+C)"
        server_of(
            index,
            search,
            access=Access(token),
            hosts=names,
            threads=threads,
            announcement=said,
            ready=lambda: _show(address(listening)) if browser else None,
        ).run([listening])
    finally:
        listening.close()


def _log_to_stderr() -> None:
    """Log what this room says, and no other library's chatter."""
    log, handler = logging.getLogger("hybrid_sbir.serving"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)


def _show(url: str) -> None:
    """Open a browser where there is a screen; without one a text browser would take the terminal."""
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _names(host: str, hosts: list[str]) -> set[str]:
    """Names that requests may be for: this machine's, the address that is listened at, and those given."""
    return {*_LOCAL, *(_name(each) for each in (host, *hosts) if each.strip())}


def _name(host: str) -> str:
    """A host's name without a port; an IPv6 address may stand without its brackets."""
    return host.strip().lower() if host.count(":") > 1 and "]" not in host else without_port(host.strip())


def _is_local(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise ValueError(f"port is {port}; it can be 1 to 65535, or 0 for a free one")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as problem:
        raise ValueError(f"host '{host}' is no address of this machine: {problem.strerror}") from None
    listening = socket.socket(family, kind)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(128)
    except OSError as problem:
        listening.close()
        raise ValueError(
            f"cannot listen at {host}, port {port}: {problem.strerror}; give another --port, or --port 0 for a free one"
        ) from None
    return listening
