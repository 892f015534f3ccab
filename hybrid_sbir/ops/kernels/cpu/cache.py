"""A folder for built kernels that only its user can write, and files in it that prove themselves.

A file's name ends in the digest of its content. What was cut off, damaged or swapped no longer fits its name and is
deleted; files arrive by renaming, so that many processes may build at once and none sees half a file.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path


def cache_folder() -> Path:
    """Where built kernels are kept: $HYBRID_SBIR_CACHE, else the user's cache folder."""
    named = os.environ.get("HYBRID_SBIR_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(named) if named else Path(home) / "hybrid_sbir") / "kernels"


def _is_private(folder: Path) -> bool:
    """Whether a folder is there, belongs to this user, and nobody else may look in or write."""
    try:
        state = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o077


def _usable_folder() -> Path | None:
    """The cache folder, made if it is not there; None where it cannot be written or is not private."""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: no home
        folder = cache_folder()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if _is_private(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """The cache folder; where it cannot be used, a temporary one that is deleted on leaving."""
    folder = _usable_folder()
    if folder is not None:
        yield folder
        return
    temporary = Path(tempfile.mkdtemp(prefix="hybrid_sbir-"))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def find(folder: Path, key: str) -> Path | None:
    """The undamaged file kept under ``key``; damaged ones are deleted."""
    for path in sorted(folder.glob(f"{key}-*.so")):
        with contextlib.suppress(OSError):
            if path.stem == f"{key}-{_digest(path)}":
                return path
            path.unlink()
    return None


def keep(folder: Path, key: str, built: Path) -> Path:
    """Move a finished file, which lies on the same disk, into the cache."""
    path = folder / f"{key}-{_digest(built)}.so"
    built.replace(path)
    return path
