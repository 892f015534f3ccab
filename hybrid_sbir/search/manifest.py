"""What an index folder says of itself: ``manifest.json``, the one file that is looked up by its name.

All other files are named after their contents; a new manifest, put in place in one step, switches all of them at once.
"""

import hashlib
import json
import re
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hybrid_sbir.durable import write_durably

MANIFEST = "manifest.json"
FORMAT = "hybrid_sbir.index.1"

STORED = re.compile(r"([a-z][a-z0-9_]*)-([0-9a-f]{12})((?:\.[a-z0-9]+){0,2})")
"""Names of an index's other files: role, first digits of the SHA-256, suffix."""

_AGAIN = "make the index again (hybrid-sbir index ... --overwrite true)"
_LARGEST_MANIFEST = 1 << 24
_MOST_PHOTOS, _MOST_NUMBERS = 1 << 40, 1 << 20

Opened = TypeVar("Opened")


class IndexProblem(ValueError):
    """An index that cannot be used; the message says which file, why, and what to do."""


@dataclass(frozen=True)
class StoredFile:
    """A file of an index.

    Attributes:
        name: in the index's folder; holds the first digits of its SHA-256.
        bytes: its length.
        sha256: of its contents, hexadecimal.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """An index in plain values.

    Attributes:
        photos: how many it holds.
        embedding_size: numbers a vector.
        source: where the photos are: ``kind`` (folder, list, zip) and ``path``.
        model: what is said of the model.
        preparation: how images of each domain are prepared.
        views: of each photo: ``scales``, ``mirror``.
        store: how it is searched: ``kind``, its parameters, and what was measured of it.
        files: role (model, photos, skipped, vectors, ann) -> file.
        versions: of what made it.
        built: what else the vectors depend on: the weights' ``fingerprint``, ``batch_size``, limits on files, and the
            kind of store asked for. An update takes over what it is not told.
    """

    photos: int
    embedding_size: int
    source: dict[str, str]
    model: dict[str, Any]
    preparation: dict[str, Any]
    views: dict[str, Any]
    store: dict[str, Any]
    files: dict[str, StoredFile]
    versions: dict[str, str] = field(default_factory=dict)
    built: dict[str, Any] = field(default_factory=dict)


def store_file(folder: Path, role: str, suffix: str, content: bytes) -> StoredFile:
    """Write a file of an index under a name made of its contents; one of that name may be damaged, and is replaced."""
    digest = hashlib.sha256(content).hexdigest()
    stored = StoredFile(f"{role}-{digest[:12]}{suffix}", len(content), digest)
    write_durably(folder / stored.name, content)
    return stored


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Switch the index to what ``manifest`` says, in one step."""
    plain = {"format": FORMAT, **asdict(manifest)}
    write_durably(folder / MANIFEST, (json.dumps(plain, indent=1, sort_keys=True) + "\n").encode())


def read_manifest(folder: Path) -> Manifest:
    """Read an index's manifest.

    Raises:
        IndexProblem: if there is none, or it is damaged or of another format.
    """
    path = folder / MANIFEST
    try:
        if not stat.S_ISREG(path.stat().st_mode) or path.stat().st_size > _LARGEST_MANIFEST:
            raise IndexProblem(f"{path} is no manifest: no regular file, or over {_LARGEST_MANIFEST >> 20} MiB")
        plain = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise IndexProblem(
            f"{folder} is no index: it has no {MANIFEST}; make one: hybrid-sbir index --model RUN --photos DIR "
            f"--out {folder}"
        ) from None
    except IndexProblem:
        raise
    except (OSError, ValueError, RecursionError) as problem:
        raise IndexProblem(f"{path} cannot be read ({problem}); {_AGAIN}") from problem
    if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
        raise IndexProblem(f"{path} is not of the format {FORMAT}, the one that this version reads; {_AGAIN}")
    try:
        plain["files"] = {role: StoredFile(**about) for role, about in plain["files"].items()}
        manifest = Manifest(**plain)
        _check(manifest)
    except (TypeError, KeyError, AttributeError, ValueError) as problem:
        raise IndexProblem(f"{path} is damaged ({problem}); {_AGAIN}") from problem
    return manifest


def steadily(folder: Path, open_files: Callable[[Manifest], Opened], tries: int = 3) -> Opened:
    """Open an index that another process may be switching to a new state.

    The files of a manifest read a moment ago may be gone; then the manifest is another one, and is read again.

    Args:
        folder: of the index.
        open_files: opens the files that a manifest names; raises IndexProblem where it cannot.
        tries: how often at most.

    Raises:
        IndexProblem: as ``open_files`` says it, of a manifest that stays.
    """
    for left in reversed(range(tries)):
        manifest = read_manifest(folder)
        try:
            return open_files(manifest)
        except IndexProblem:
            if not left or read_manifest(folder) == manifest:
                raise
    raise ValueError(f"tries is {tries}; give 1 or more")


def verified(folder: Path, stored: StoredFile) -> Path:
    """Return a file's path once its contents are known to be those that were written.

    Raises:
        IndexProblem: if it is missing, cut short or altered.
    """
    path = folder / stored.name
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise IndexProblem(f"{path} of the index is not a regular file; {_AGAIN}")
        if about.st_size != stored.bytes:
            how = f"it has {about.st_size:,} bytes, not {stored.bytes:,}"
            raise IndexProblem(f"{path} of the index is damaged: {how}; {_AGAIN}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise IndexProblem(f"{path} of the index cannot be read: {problem.strerror}; {_AGAIN}") from problem
    if digest != stored.sha256:
        raise IndexProblem(f"{path} of the index is damaged: its contents were altered; {_AGAIN}")
    return path


def _check(manifest: Manifest) -> None:
    """Refuse what no index says of itself, above all names that lead out of its folder.

    Raises:
        ValueError: says what.
    """
    for name, most in (("photos", _MOST_PHOTOS), ("embedding_size", _MOST_NUMBERS)):
        value = getattr(manifest, name)
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"{name} is {value!r}")
    for name in ("source", "model", "preparation", "views", "store", "versions", "built"):
        if not isinstance(getattr(manifest, name), dict):
            raise ValueError(f"{name} is {getattr(manifest, name)!r}")
    if not all(isinstance(manifest.source.get(name), str) for name in ("kind", "path")):
        raise ValueError(f"source is {manifest.source!r}")
    if not isinstance(manifest.store.get("kind"), str):
        raise ValueError(f"store is {manifest.store!r}")
    if not all(isinstance(one, dict) for one in manifest.preparation.values()):
        raise ValueError(f"preparation is {manifest.preparation!r}")
    missing = {"model", "photos"} - manifest.files.keys()
    if missing:
        raise ValueError(f"it names no file of {', '.join(sorted(missing))}")
    for role, stored in manifest.files.items():
        named = STORED.fullmatch(stored.name) if isinstance(stored.name, str) else None
        whole = isinstance(stored.sha256, str) and re.fullmatch("[0-9a-f]{64}", stored.sha256)
        if not named or not whole or named[1] != role or named[2] != stored.sha256[:12]:
            raise ValueError(f"a file of {role} is called {stored.name!r}")
        if type(stored.bytes) is not int or stored.bytes < 0:
            raise ValueError(f"{stored.name} is said to have {stored.bytes!r} bytes")
