"""Files of an index that are too large to be held in memory twice. N photos, E embedding size."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hybrid_sbir.durable import sync_folder
from hybrid_sbir.search.manifest import IndexProblem, Manifest, StoredFile, verified

_ROWS = 1 << 16  # copied at once
_NUMBERS = {"vectors": np.dtype("<f4"), "keys": np.dtype("<i8")}


def store_written(folder: Path, role: str, suffix: str, write: Callable[[Path], None]) -> StoredFile:
    """Let ``write`` make a file to the side, flush it, and put it under a name made of its contents.

    Args:
        folder: of the index; made if it is missing.
        role: what the file is: vectors, ann, keys.
        suffix: of its name, with the dot.
        write: writes the path it is given.

    Raises:
        OSError: as the file system says it; nothing is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    side = folder / f".{role}.{os.getpid()}.part"
    try:
        write(side)
        with side.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        stored = StoredFile(f"{role}-{digest[:12]}{suffix}", side.stat().st_size, digest)
        side.replace(folder / stored.name)
    except BaseException:
        side.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    return stored


def store_array(folder: Path, role: str, array: np.ndarray) -> StoredFile:
    """Store an array (N, ...), which may be memory-mapped, as .npy; rows are copied in blocks."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            _write_npy(file, array)

    return store_written(folder, role, ".npy", write)


def open_array(folder: Path, manifest: Manifest, role: str) -> np.ndarray:
    """Map an array of the index into memory, read when it is used.

    Raises:
        IndexProblem: if the manifest names none, or the file is missing, cut short, altered, or of other numbers.
    """
    if role not in manifest.files:
        raise IndexProblem(f"the manifest of {folder} names no file of {role}; make the index again")
    # mode c: nothing is written to the file, but torch takes it without a copy
    path = verified(folder, manifest.files[role])
    try:
        array = np.load(path, mmap_mode="c" if manifest.photos else None, allow_pickle=False)
        if array.dtype != _NUMBERS[role]:
            raise ValueError(f"they are {array.dtype}, not {_NUMBERS[role]}")
    except (ValueError, EOFError) as problem:
        raise IndexProblem(f"{path} holds no {role} of an index ({problem}); make the index again") from problem
    return array


def _write_npy(file: BinaryIO, array: np.ndarray) -> None:
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for start in range(0, len(array), _ROWS):
        file.write(np.ascontiguousarray(array[start : start + _ROWS]).data)
