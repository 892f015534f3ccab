"""A zip of photos, read inside without being unpacked. An id is the member's name.

Nothing is written, so a name cannot place a file anywhere; names that would lead out of a folder are refused and listed
all the same, and so are members that are encrypted, links, archives themselves, or a second file of one name.
"""

import calendar
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from hybrid_sbir.search.catalogue.entry import Entry, NotInCatalogue, Refused, check_length, only_entries
from hybrid_sbir.search.catalogue.names import is_hidden, is_photo, path_of, quoted

_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError)


class ZipCatalogue:
    """The image files in a zip, in the order of their ids.

    Args:
        path: the zip.

    Raises:
        ValueError: if it is damaged.
    """

    kind = "zip"

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._opened: tuple[int, zipfile.ZipFile, dict[str, zipfile.ZipInfo]] | None = None
        self._members()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_opened": None}

    def listed(self) -> Iterator[Entry | Refused]:
        """Yield the photos, and what is refused."""
        found: dict[str, Entry | Refused] = {}
        for member in self._archive().infolist():
            photo = quoted(member.filename)
            if photo in found:
                found[f"{photo} (again)"] = Refused(f"{photo} (again)", "suspicious: a second file of one name")
            elif (item := _examined(member, photo)) is not None:
                found[photo] = item
        return (found[photo] for photo in sorted(found))

    def entries(self) -> Iterator[Entry]:
        """Yield the photos only."""
        return only_entries(self.listed())

    def read(self, photo: str, limit: int | None = None) -> bytes:
        """Return a photo's bytes; see :class:`~hybrid_sbir.search.catalogue.entry.Catalogue`."""
        member = self._members().get(photo)
        found = None if member is None else _examined(member, photo)
        if member is None or found is None:
            raise NotInCatalogue(f"no photo {photo!r} in {self.path}")
        if isinstance(found, Refused):
            raise OSError(f"the photo {photo} of {self.path} is refused: {found.reason}")
        check_length(photo, member.file_size, limit)
        try:
            with self._archive().open(member) as file:
                return file.read()  # never longer than its header says
        except _BROKEN as problem:
            raise OSError(f"the photo {photo} of {self.path} cannot be unpacked: {problem}") from problem

    def _archive(self) -> zipfile.ZipFile:
        self._members()
        assert self._opened is not None
        return self._opened[1]

    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """Id -> member; each process opens the file itself, for the place in an open file is shared between them."""
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                archive = zipfile.ZipFile(self.path)
            except _BROKEN as problem:
                raise ValueError(f"{self.path} is no zip, or is damaged: {problem}") from problem
            first: dict[str, zipfile.ZipInfo] = {}
            for member in archive.infolist():
                first.setdefault(quoted(member.filename), member)
            self._opened = (os.getpid(), archive, first)
        return self._opened[2]


def _examined(member: zipfile.ZipInfo, photo: str) -> Entry | Refused | None:
    """Look at a member: an entry, why it is refused, or None where it is neither a photo nor worth a word."""
    name = member.filename.rstrip("/")
    if member.is_dir() or (any(map(is_hidden, name.replace("\\", "/").split("/"))) and ".." not in name.split("/")):
        return None
    if name.lower().endswith(_ARCHIVES):
        return Refused(photo, "an archive inside the archive, which is not opened; unpack it")
    if not is_photo(name):
        return None
    if path_of(photo) is None or "\\" in name or name[1:2] == ":":
        return Refused(photo, "suspicious: a name that leads out of the archive")
    if member.flag_bits & 0x1:
        return Refused(photo, "encrypted")
    if stat.S_ISLNK(member.external_attr >> 16):
        return Refused(photo, "suspicious: a link inside the archive")
    if member.compress_type not in _METHODS:
        return Refused(photo, f"unreadable: packed by method {member.compress_type}, which is not known here")
    return Entry(photo, member.file_size, _date(member) * 10**9 + member.CRC)


def _date(member: zipfile.ZipInfo) -> int:
    """Seconds since 1970 of a member's date, taken as UTC wherever it is read."""
    return calendar.timegm((*member.date_time, 0, 0, 0))
