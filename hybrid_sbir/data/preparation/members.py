"""What the kinds of archives have in common: members, what is wrong with them, and how much is too much."""

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # an exotic compression
    RuntimeError,  # a password
    ValueError,  # a name that is no text, a number that is none
    OverflowError,
    struct.error,
)
"""What opening or reading a member may raise if it is damaged."""

_SLACK = 64 * 2**20  # any archive may unpack to this many bytes: a few blank images compress beyond any ratio


class ArchiveError(ValueError):
    """An archive that cannot or must not be unpacked; the message says what was found and what to do."""


class Problem(NamedTuple):
    """One file that is not used, and why."""

    path: str
    reason: str


class Member(NamedTuple):
    """A regular file in an archive: its path inside, with forward slashes, and its unpacked bytes."""

    path: str
    bytes: int


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to; ImageNet, the largest of the supported sets, has 1.4 million files in 160 GB.

    Attributes:
        members: the most files and folders.
        bytes: the most unpacked bytes.
        ratio: the most unpacked bytes per byte of the archive.
    """

    members: int = 5_000_000
    bytes: int = 500 * 10**9
    ratio: float = 200.0

    def check(self, name: str, members: int, unpacked: int, packed: int) -> None:
        """Refuse an archive that unpacks to too much.

        Raises:
            ArchiveError: naming the limit.
        """
        if members > self.members:
            raise ArchiveError(
                f"{name} has more than {self.members} members; if it is what you want, unpack it yourself"
            )
        if unpacked > self.bytes:
            raise ArchiveError(f"{name} unpacks to more than {self.bytes / 1e9:.1f} GB; that is no supported data set")
        if unpacked > _SLACK + self.ratio * packed:
            raise ArchiveError(
                f"{name} has {packed} bytes but unpacks to over {unpacked}, more than {self.ratio:.0f} times as much: "
                f"it looks like a decompression bomb and is not unpacked"
            )


def safe_name(name: str, archive: Path) -> str:
    """Return a member's name without empty and ``.`` parts.

    Raises:
        ArchiveError: if the name leads out of the folder that the archive is unpacked to.
    """
    parts = name.split("/")
    if name.startswith("/") or ".." in name.replace("\\", "/").split("/") or name[1:3] in (":\\", ":/") or "\0" in name:
        raise ArchiveError(f"{archive} is not safe: its member {name!r} would be written outside of the target folder")
    return "/".join(part for part in parts if part not in ("", "."))


class Archive(AbstractContextManager["Archive"]):
    """What zip, tar and folder have in common; made by ``open_archive``, used in a ``with`` block.

    Attributes:
        path: where it lies.
        kind: ``"zip"``, ``"tar"`` or ``"folder"``.
        members: its regular files, in its own order.
        problems: links, devices and repeated names: never unpacked.
    """

    kind: str

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        self.members: list[Member] = []
        self.problems: list[Problem] = []
        self._seen: set[str] = set()

    def stream(self, wanted: Collection[str], problems: list[Problem]) -> Iterator[tuple[str, IO[bytes]]]:
        """Open the ``wanted`` members one after the other, in the archive's order.

        Args:
            wanted: paths of members.
            problems: members that cannot be opened are added here. What goes wrong later, while the caller reads, is
                raised there: see :data:`DAMAGE`.
        """
        raise NotImplementedError

    def read_text(self, path: str, limit: int = 64 * 2**20) -> str:
        """Return a small member, a list of labels say, as text.

        Raises:
            ArchiveError: if it is missing, damaged or longer than ``limit`` bytes.
        """
        problems: list[Problem] = []
        content = None
        for _, file in self.stream({path}, problems):
            try:
                content = file.read(limit + 1)
            except DAMAGE as error:
                problems.append(Problem(path, str(error)))
        if content is None:
            raise ArchiveError(f"cannot read {path} in {self.path}: {problems[0].reason if problems else 'not there'}")
        if len(content) > limit:
            raise ArchiveError(f"{path} in {self.path} is longer than {limit} bytes; it should be a short list")
        return content.decode("utf-8", "surrogateescape")

    def close(self) -> None:
        """Close the file."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def admit(self, path: str, size: int) -> bool:
        """List a regular file, unless its path cannot be used; say whether it was listed."""
        if path in self._seen:
            self.problems.append(Problem(path, "repeated: the archive has this path twice; the first one is used"))
        elif any(mark in path for mark in "\t\n\r"):
            self.problems.append(Problem(path, "refused: a tab or line break in its name, which no list file can hold"))
        else:
            self._seen.add(path)
            self.members.append(Member(path, size))
            return True
        return False
