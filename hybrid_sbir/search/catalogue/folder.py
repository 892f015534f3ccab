"""A folder of photos: every image file below it. An id is the path below the folder, with slashes.

Hidden files and folders are passed over. A link to a file inside the folder is a photo; one that leads out of it, and
any link to a folder, is refused and listed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from hybrid_sbir.search.catalogue.entry import Entry, NotInCatalogue, Refused, examined, only_entries, read_regular
from hybrid_sbir.search.catalogue.names import is_hidden, is_photo, path_of, quoted


class FolderCatalogue:
    """All image files below a folder, in the order of their ids.

    Args:
        path: the folder.

    Raises:
        FileNotFoundError: if there is none.
    """

    kind = "folder"

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(f"no folder of photos {path}")
        self.path = path.resolve()

    def listed(self) -> Iterator[Entry | Refused]:
        """Yield the photos and what is refused; no more than the folders on the way to one are in memory."""
        waiting = [self._children(str(self.path), "")]
        while waiting:
            child = next(waiting[-1], None)
            if child is None:
                waiting.pop()
                continue
            path, photo = child
            if not photo.endswith("/"):
                if (found := self._examined(path, photo)) is not None:
                    yield found
                continue
            try:
                waiting.append(self._children(path, photo))
            except OSError as problem:
                yield Refused(photo, f"unreadable: the folder cannot be listed: {problem.strerror}")

    def entries(self) -> Iterator[Entry]:
        """Yield the photos only."""
        return only_entries(self.listed())

    def read(self, photo: str, limit: int | None = None) -> bytes:
        """Return a photo's bytes; see :class:`~hybrid_sbir.search.catalogue.entry.Catalogue`."""
        name = path_of(photo)
        if name is None or not is_photo(name) or any(map(is_hidden, name.split("/"))):
            raise NotInCatalogue(f"no photo {photo!r} in {self.path}")
        path = os.path.realpath(self.path / name)
        if not self._holds(path):
            raise NotInCatalogue(f"no photo {photo!r} in {self.path}: it leads out of the folder")
        return read_regular(path, photo, limit)

    def _children(self, path: str, above: str) -> Iterator[tuple[str, str]]:
        """What lies in a folder: path and id, a folder's with a slash behind, so that all ids come sorted."""
        with os.scandir(path) as found:
            children = [
                (child.path, f"{above}{quoted(child.name)}{'/' if child.is_dir(follow_symlinks=False) else ''}")
                for child in found
                if not is_hidden(child.name)
            ]
        return iter(sorted(children, key=lambda child: child[1]))

    def _examined(self, path: str, photo: str) -> Entry | Refused | None:
        link = Path(path).is_symlink()
        if link and Path(path).is_dir():
            return Refused(photo, "a link to a folder, which is not followed; give that folder itself, or a list")
        if not is_photo(path):
            return None
        if link and not self._holds(os.path.realpath(path)):
            return Refused(photo, "suspicious: a link that leads out of the folder")
        return examined(path, photo)

    def _holds(self, path: str) -> bool:
        return os.path.commonpath([self.path, path]) == str(self.path)
