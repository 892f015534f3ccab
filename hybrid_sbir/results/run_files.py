"""What runs leave in their folders, read back; a damaged file is named, with what to do."""

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

Read = TypeVar("Read")

# What reading a broken archive raises: zipfile, zlib and NumPy each in their own way.
_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    OSError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def read_arrays(folder: Path, file: str, read: Callable[[Mapping[str, np.ndarray]], Read]) -> Read:
    """Read the arrays of a run's .npz and hand them to ``read``, which checks them; nothing in them is executed.

    Raises:
        FileNotFoundError: if the run has no such file.
        ValueError: if it is damaged, or ``read`` refuses it.
    """
    path = need(folder, file)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return read(archive)
    except _DAMAGE as problem:
        raise ValueError(f"{path} is damaged ({problem}): run `hybrid-sbir predict` again") from problem


def need(folder: Path, file: str) -> Path:
    """Return the path of a run's file.

    Raises:
        FileNotFoundError: if it is not there.
    """
    if not (folder / file).is_file():
        raise FileNotFoundError(f"run {folder} has no {file}: run `hybrid-sbir predict` on it first")
    return folder / file


def read_record(folder: Path) -> tuple[str, str]:
    """Return the run's name and its model's number of parameters, in words, from its metrics.json.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is damaged.
    """
    path = need(folder, "metrics.json")
    try:
        record = json.loads(path.read_text())
    except ValueError as problem:
        raise ValueError(f"{path} is damaged ({problem})") from problem
    if not isinstance(record, dict):
        raise ValueError(f"{path} is damaged (not an object)")
    count = record.get("parameters")
    return str(record.get("name") or folder.resolve().name), f"{count:,}" if isinstance(count, int) else "unknown"
