"""What a catalogue of photos is: entries in the order of their ids, and the bytes behind an id."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A photo's file.

    Attributes:
        id: what it is called in results.
        bytes: the file's length.
        mtime_ns: when it was changed last, in nanoseconds; in a zip the member's date and, below the second, its
            CRC-32: either moves where the contents do.
        sha256: of its contents, hexadecimal; empty where they have not been read.
    """

    id: str
    bytes: int
    mtime_ns: int
    sha256: str = ""


class Refused(NamedTuple):
    """What lies in a catalogue and is not looked at.

    Attributes:
        id: what it would be called.
        reason: why, in words.
    """

    id: str
    reason: str


class NotInCatalogue(FileNotFoundError):
    """An id that is not of the catalogue, or whose file is gone; the message says which."""


class Catalogue(Protocol):
    """Photos by id.

    Attributes:
        kind: folder, list or zip.
        path: what was opened, absolute, links resolved.
    """

    kind: str
    path: Path

    def listed(self) -> Iterator[Entry | Refused]:
        """Yield all photos, and what is refused, in the order of their ids."""

    def entries(self) -> Iterator[Entry]:
        """Yield the photos only."""

    def read(self, photo: str, limit: int | None = None) -> bytes:
        """Return a photo's bytes.

        Args:
            photo: its id.
            limit: in bytes; nothing longer is read.

        Raises:
            NotInCatalogue: if there is no such photo, or the id leads out of the catalogue.
            OSError: if it cannot be read, or is longer than the limit.
        """


def only_entries(listed: Iterator[Entry | Refused]) -> Iterator[Entry]:
    """Leave out what is refused."""
    return (item for item in listed if isinstance(item, Entry))


def examined(path: str, photo: str) -> Entry | Refused:
    """Look at a file, links followed: an entry, or why it is none."""
    try:
        about = Path(path).stat()
    except OSError as problem:
        if problem.errno == errno.ENOENT:
            return Refused(photo, "missing: a link to nothing" if Path(path).is_symlink() else "missing: no such file")
        return Refused(photo, f"unreadable: {problem.strerror}")
    except ValueError as problem:  # a name that no file system has
        return Refused(photo, f"unreadable: {problem}")
    if stat.S_ISDIR(about.st_mode):
        return Refused(photo, "a folder, not a file")
    if not stat.S_ISREG(about.st_mode):
        return Refused(photo, "suspicious: not a regular file")
    return Entry(photo, about.st_size, about.st_mtime_ns)


def read_regular(path: str, photo: str, limit: int | None) -> bytes:
    """Read a regular file; a pipe or a device that took its place does not hold the reader up."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as problem:
        raise NotInCatalogue(f"the photo {photo} is gone: no such file") from problem
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(f"the photo {photo} is not a regular file")
        check_length(photo, about.st_size, limit)
        content = file.read() if limit is None else file.read(limit + 1)
    check_length(photo, len(content), limit)  # it may have grown
    return content


def check_length(photo: str, length: int, limit: int | None) -> None:
    """Refuse what is longer than the limit.

    Raises:
        OSError: says both lengths.
    """
    if limit is not None and length > limit:
        raise OSError(f"oversized: the photo {photo} has {length:,} bytes, the limit is {limit:,}")
