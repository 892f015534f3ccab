"""A lock on a folder: one process writes into it at a time. The kernel releases it however the process ends."""

import fcntl
import os
import warnings
from pathlib import Path

_held: set[int] = set()


class FolderError(OSError):
    """A folder that cannot be used now; the message says what to do."""


def lock(
    folder: Path,
    *,
    doing: str = "training in",
    another: str = "give this run another --name",
    elsewhere: str = "give --runs a folder that you can write to",
) -> int | None:
    """Make ``folder`` where it is missing, and lock it for this process.

    Args:
        folder: the folder.
        doing: what the holder of a lock does, for the error.
        another: what one can do instead of waiting for it, for the error.
        elsewhere: what one can do where nothing can be written, for the error.

    Returns:
        What :func:`unlock` takes; None, after a warning, on a file system without locks.

    Raises:
        FolderError: if another process holds the lock, or nothing can be written there.
    """
    while True:
        _make(folder, elsewhere)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise FolderError(f"another process is {doing} {folder} now; wait for it, stop it, or {another}") from None
        except OSError as error:  # network file systems may be mounted without
            os.close(handle)
            warnings.warn(f"{folder} cannot be locked ({error.strerror}): start no second process in it", stacklevel=2)
            return None
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            _held.add(handle)
            return handle
        os.close(handle)  # between opening and locking, its last holder removed it


def unlock(handle: int | None) -> None:
    """Release what :func:`lock` returned."""
    if handle is not None:
        _held.discard(handle)
        os.close(handle)


def _make(folder: Path, advice: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"cannot make the folder {folder}: {error.strerror}; {advice}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FolderError(f"cannot write into the folder {folder}; {advice}")


def _leave_to_parent() -> None:
    """A forked loading process outlives a killed run by seconds, and must not hold its lock so long."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_leave_to_parent)
