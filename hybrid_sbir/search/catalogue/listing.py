"""A list of photos: a text file with a path a line, relative to the list's folder or absolute.

Blank lines and repeats are passed over, and so is what stands behind a tab (a label, in some lists). The id of a file
below the list's folder is its path from there; of any other its whole path, whose first slash stands as ``%2F``.
"""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from hybrid_sbir.search.catalogue.entry import Entry, NotInCatalogue, Refused, examined, only_entries, read_regular
from hybrid_sbir.search.catalogue.names import quoted


class ListCatalogue:
    """The files that a list names, in the order of their ids. Only they can be read; links are followed.

    Args:
        path: the list.

    Raises:
        ValueError: if it is no text.
    """

    kind = "list"

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        with self.path.open("rb") as file:
            if b"\0" in file.read(1 << 16):
                raise ValueError(f"{path} is neither a folder of photos, nor a zip, nor a text file with a path a line")

    def listed(self) -> Iterator[Entry | Refused]:
        """Yield the photos, and what is refused."""
        return (examined(self._files[photo], photo) for photo in sorted(self._files))

    def entries(self) -> Iterator[Entry]:
        """Yield the photos only."""
        return only_entries(self.listed())

    def read(self, photo: str, limit: int | None = None) -> bytes:
        """Return a photo's bytes; see :class:`~hybrid_sbir.search.catalogue.entry.Catalogue`."""
        if photo not in self._files:
            raise NotInCatalogue(f"no photo {photo!r} in the list {self.path}")
        return read_regular(self._files[photo], photo, limit)

    @cached_property
    def _files(self) -> dict[str, str]:
        """Id -> path; the list as it is now, held in memory."""
        base = str(self.path.parent)
        files = {}
        with self.path.open("rb") as lines:
            for line in lines:
                name = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n").partition(b"\t")[0])
                if name.strip():
                    path = os.path.normpath(os.path.join(base, name))  # noqa: PTH118 - Path costs ten times as much
                    files[_id(path, base)] = path
        return files


def _id(path: str, base: str) -> str:
    inside = path.removeprefix(f"{base.rstrip('/')}/")
    return quoted(inside) if inside != path else f"%2F{quoted(path[1:])}"
