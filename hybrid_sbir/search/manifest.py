"""What an index folder says of itself: ``manifest.json``, the one file that is looked up by its name.

All other files are named after their contents; a new manifest, put in place in one step, switches all of them at once.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hybrid_sbir.durable import write_durably

MANIFEST = "manifest.json"
FORMAT = "hybrid_sbir.index.1"


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


def store_file(folder: Path, role: str, suffix: str, content: bytes) -> StoredFile:
    """Write a file of an index under a name made of its contents, unless it is there already."""
    digest = hashlib.sha256(content).hexdigest()
    stored = StoredFile(f"{role}-{digest[:12]}{suffix}", len(content), digest)
    path = folder / stored.name
    if not path.is_file() or path.stat().st_size != stored.bytes:
        write_durably(path, content)
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
    try:
        plain = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise IndexProblem(
            f"{folder} is no index: it has no {MANIFEST}; make one: hybrid-sbir index --model RUN --photos DIR "
            f"--out {folder}"
        ) from None
    except (OSError, ValueError) as problem:
        raise IndexProblem(f"{folder / MANIFEST} cannot be read ({problem}); make the index again") from problem
    if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
        raise IndexProblem(f"{folder / MANIFEST} is not of the format {FORMAT}; make the index again")
    try:
        plain["files"] = {role: StoredFile(**about) for role, about in plain["files"].items()}
        return Manifest(**plain)
    except (TypeError, KeyError, AttributeError) as problem:
        raise IndexProblem(f"{folder / MANIFEST} is damaged ({problem}); make the index again") from problem


def verified(folder: Path, stored: StoredFile) -> Path:
    """Return a file's path once its contents are known to be those that were written.

    Raises:
        IndexProblem: if it is missing, cut short or altered.
    """
    path = folder / stored.name
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise IndexProblem(f"{path} of the index cannot be read: {problem.strerror}; make the index again") from problem
    if digest != stored.sha256:
        found, meant = path.stat().st_size, stored.bytes
        how = f"it has {found:,} bytes, not {meant:,}" if found != meant else "its contents were altered"
        raise IndexProblem(f"{path} of the index is damaged: {how}; make the index again")
    return path
