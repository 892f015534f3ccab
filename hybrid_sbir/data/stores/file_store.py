"""Stores over image files: class folders, and list files."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hybrid_sbir.data.images import Mode, read_image
from hybrid_sbir.data.listfile import read_list, read_mapping
from hybrid_sbir.data.stores.store import Names

EXTENSIONS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")


class FileStore:
    """Image files under one folder.

    Attributes:
        root: the folder that names are relative to.
        classes: class names by label.
        labels: (N,), int64.
    """

    def __init__(
        self,
        root: Path | str,
        names: Iterable[str],
        labels: np.ndarray,
        classes: Sequence[str],
        mode: Mode | None = None,
        min_side: int | None = None,
        version: str | None = None,
    ) -> None:
        """Keep the names; no file is opened.

        Args:
            root: the folder that the names are relative to.
            names: paths, N of them; absolute ones stay as they are.
            labels: (N,), int64.
            classes: class names by label.
            mode: ``"L"`` or ``"RGB"`` for all; None keeps grey files grey.
            min_side: see :func:`~hybrid_sbir.data.images.read_image`.
            version: identifies the files' content where it is known (a manifest's hash).
        """
        self.root = Path(root)
        self.classes = tuple(classes)
        self.labels = labels
        self._prefix = os.path.join(self.root, "")  # noqa: PTH118 joined to a million names
        self._names = Names(names)
        self._mode: Mode | None = mode
        self._min_side = min_side
        self._version = version

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        """Return the file's path below the root; an absolute one where it was given so."""
        return self._names[index]

    def read(self, index: int) -> Image.Image:
        """Decode the file."""
        return read_image(self._path(index), self._mode, min_side=self._min_side)

    def state(self) -> str:
        """Return the version, or a hash of the files' sizes and times of change, by which an edited file is noticed."""
        if self._version is not None:
            return self._version
        stats = (os.stat(self._path(index)) for index in range(len(self)))  # noqa: PTH116 a million of them
        changes = np.fromiter((value for stat in stats for value in (stat.st_size, stat.st_mtime_ns)), np.int64)
        return hashlib.sha256(changes.tobytes()).hexdigest()

    def _path(self, index: int) -> str:
        return os.path.join(self._prefix, self._names[index])  # noqa: PTH118


class FolderStore(FileStore):
    """A folder with one folder of images a class, of any depth: sorted by class, then by path."""

    def __init__(
        self,
        root: Path | str,
        classes: Sequence[str] | None = None,
        mode: Mode | None = None,
        min_side: int | None = None,
    ) -> None:
        """List the files.

        Args:
            root: the folder of class folders.
            classes: the class folders to use, in the order of their labels; by default all, sorted.
            mode: see :class:`FileStore`.
            min_side: see :class:`FileStore`.

        Raises:
            FileNotFoundError: if the folder, its class folders or a class's images are missing.
        """
        root = Path(root)
        classes = tuple(classes) if classes is not None else class_folders(root)
        counts: list[int] = []
        names = Names(_files_of_classes(root, classes, counts))
        empty = [name for name, count in zip(classes, counts, strict=True) if not count]
        if empty:
            raise FileNotFoundError(
                f"no images of {len(empty)} of the {len(classes)} classes under {root}: {', '.join(empty[:5])}; "
                f"looked for {', '.join(EXTENSIONS)}"
            )
        super().__init__(root, names, np.repeat(np.arange(len(classes)), counts), classes, mode, min_side)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether it is a folder or leads to one; a link to itself, where ``entry.is_dir()`` fails, does not."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def class_folders(root: Path | str) -> tuple[str, ...]:
    """Return the names of the class folders in a folder, sorted.

    Raises:
        FileNotFoundError: if there is no such folder or it has no folder inside.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}; expected a folder with one folder of images a class")
    with os.scandir(root) as entries:
        classes = sorted(entry.name for entry in entries if is_folder(entry) and not entry.name.startswith("."))
    if not classes:
        raise FileNotFoundError(f"{root} has no class folders; expected one folder of images a class")
    return tuple(classes)


def _files_of_classes(root: Path, classes: Sequence[str], counts: list[int]) -> Iterator[str]:
    for name in classes:
        files = sorted(_images_below(os.path.join(root, name), name, (os.stat(root),)))  # noqa: PTH116, PTH118
        counts.append(len(files))
        yield from files


def _images_below(folder: str, prefix: str, above: tuple[os.stat_result, ...]) -> Iterator[str]:
    """Yield the images of a folder; linked folders are followed, but not one that leads back to a folder above it."""
    if not os.path.isdir(folder):  # noqa: PTH112
        return
    here = os.stat(folder)  # noqa: PTH116
    if any(os.path.samestat(here, folder_above) for folder_above in above):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if is_folder(entry):
                yield from _images_below(entry.path, f"{prefix}/{entry.name}", (*above, here))
            elif entry.name.lower().endswith(EXTENSIONS):
                yield f"{prefix}/{entry.name}"


class ListStore(FileStore):
    """The files of a list ``path<TAB>label``, in its order."""

    def __init__(
        self,
        list_file: Path | str,
        mapping: Path | str,
        root: Path | str | None = None,
        mode: Mode | None = None,
        min_side: int | None = None,
    ) -> None:
        """Read the list.

        Args:
            list_file: lines of ``path<TAB>label``.
            mapping: lines of ``class<TAB>label``.
            root: where the listed files are now; by default relative paths start at the list's folder, and absolute
                ones are used as they are, or looked for below that folder where they do not exist.
            mode: see :class:`FileStore`.
            min_side: see :class:`FileStore`.

        Raises:
            FileNotFoundError: if a listed file is missing.
            ListFileError: if the list or the mapping is damaged, or two listed paths are one file.
        """
        labels_by_class = read_mapping(mapping)
        folder = Path(root if root is not None else Path(list_file).parent)
        names, labels = read_list(list_file, folder, labels_by_class, keep_existing=root is None)
        super().__init__(folder, names, labels, tuple(labels_by_class), mode, min_side)
