"""A folder that is built to the side and switched in whole: nothing half-made ever stands under the final name."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hybrid_sbir.durable import sync_folder


class StagingError(OSError):
    """A folder that cannot be built now; the message says what to do."""


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target`` and, if the block ends well, put it in ``target``'s place.

    An error removes what was built; a killed process leaves it under the name ``.TARGET.preparing``, and the next run
    begins it anew. Two processes never build the same target: the first one holds a lock that dies with it.

    Raises:
        StagingError: if another process is building ``target``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    side = target.with_name(f".{target.name}.preparing")
    lock = _lock(side, target)
    try:
        _restore(target)
        with _built(side, target):
            yield side
    finally:
        os.close(lock)


def make_once(target: Path, build: Callable[[Path], None]) -> None:
    """Let ``build`` fill the folder that becomes ``target``, unless it is there; wait for another process doing that.

    What an error or a killed process leaves: see :func:`staged`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    side = target.with_name(f".{target.name}.preparing")
    lock = _lock(side, target, wait=True)
    try:
        if target.exists():
            shutil.rmtree(side)
            return
        with _built(side, target):
            build(side)
    finally:
        os.close(lock)


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove what killed processes left half-made of targets in ``folder`` whose name matches a glob ``pattern``."""
    for side in folder.glob(f".{pattern}.preparing"):
        try:
            handle = os.open(side, os.O_RDONLY)
        except FileNotFoundError:
            continue  # its process has just finished it
        try:
            with suppress(BlockingIOError, FileNotFoundError):  # a living process that is at work on it holds the lock
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(handle), side.stat()):  # not switched in, with a new one in its place
                    shutil.rmtree(side, ignore_errors=True)
        finally:
            os.close(handle)


def recover(target: Path) -> None:
    """Put the previous folder back if a process was killed between the two renames of a switch.

    Raises:
        StagingError: if another process is building ``target``.
    """
    if _previous(target).exists():
        lock = _lock(target.with_name(f".{target.name}.preparing"), target)
        try:
            _restore(target)
        finally:
            os.close(lock)


@contextmanager
def _built(side: Path, target: Path) -> Iterator[None]:
    """Empty a locked folder, let the block fill it, and put it in ``target``'s place; remove it after an error."""
    _empty(side)
    try:
        yield
        os.sync()  # thousands of files at once: far quicker than flushing each
        _switch(side, target)
    except BaseException:
        shutil.rmtree(side, ignore_errors=True)
        raise


def _restore(target: Path) -> None:
    if _previous(target).exists():
        if target.exists():
            shutil.rmtree(_previous(target))
        else:
            _previous(target).rename(target)


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _switch(side: Path, target: Path) -> None:
    if target.exists():
        target.rename(_previous(target))
    side.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(_previous(target), ignore_errors=True)


def _lock(side: Path, target: Path, wait: bool = False) -> int:
    """Lock the folder ``side``, which the kernel unlocks however this process ends."""
    while True:
        with suppress(FileExistsError):  # exist_ok looks again, and fails if it was switched in meanwhile
            side.mkdir()
        try:
            handle = os.open(side, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            raise StagingError(f"another process is preparing {target} now; wait for it, or stop it") from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), side.stat()):
                return handle
        os.close(handle)  # between opening and locking the folder was switched in or removed: it is not ours to empty


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
