"""The page's own files, read once: nothing else on the disk can be asked for by path."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class PageFile:
    """A file of the page.

    Attributes:
        content: its bytes.
        kind: what they are.
        tag: of its contents, for browsers that have it already.
    """

    content: bytes
    kind: str
    tag: str


def page_files() -> dict[str, PageFile]:
    """Return the page's files by name."""
    found = {}
    for file in files("hybrid_sbir.serving").joinpath("page").iterdir():
        kind = next((kind for suffix, kind in _KINDS.items() if file.name.endswith(suffix)), None)
        if kind:
            content = file.read_bytes()
            found[file.name] = PageFile(content, kind, f'"{sha256(content).hexdigest()[:16]}"')
    return found
