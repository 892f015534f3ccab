"""Where photos are: a folder. Each has an id, its path below the folder with slashes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")


class Entry(NamedTuple):
    """A photo's file.

    Attributes:
        id: what it is called in results.
        bytes: the file's length.
        mtime_ns: when it was changed last, in nanoseconds.
    """

    id: str
    bytes: int
    mtime_ns: int


class FolderCatalogue:
    """All image files below a folder, in the order of their ids."""

    kind = "folder"

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(f"no folder of photos {path}")
        self.path = path.resolve()

    def entries(self) -> Iterator[Entry]:
        """Yield the files, sorted by id."""
        files = (f for f in self.path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
        for file in sorted(files, key=lambda f: f.relative_to(self.path).as_posix()):
            about = file.stat()
            yield Entry(file.relative_to(self.path).as_posix(), about.st_size, about.st_mtime_ns)

    def read(self, photo: str) -> bytes:
        """Return a photo's bytes.

        Raises:
            OSError: if it cannot be read.
        """
        return (self.path / photo).read_bytes()


def open_catalogue(path: Path) -> FolderCatalogue:
    """Open what ``path`` names."""
    return FolderCatalogue(path)
