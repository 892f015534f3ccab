"""Embeddings on their way to a file: written as they come, put in order at the end; only one piece is in memory.

Shapes: N samples, E embedding size.
"""

import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hybrid_sbir.durable import sync_folder

_ROWS = 1 << 12  # in memory at once


class Spool:
    """What one process found of one loader, in a file that is removed at the end.

    Args:
        path: of the file; an older one is removed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        path.unlink(missing_ok=True)

    def add(self, outputs: Mapping[str, Tensor]) -> None:
        """Append a batch: ``embedding`` (N, E), ``label`` (N,), ``index`` (N,)."""
        embedding = outputs["embedding"].detach().float().cpu().numpy()
        rows = np.empty(len(embedding), row_type(embedding.shape[1]))
        rows["embedding"] = embedding
        for name in ("label", "index"):
            rows[name] = outputs[name].cpu().numpy()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            rows.tofile(file)
        self.rows += len(rows)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


class Spooled:
    """The spools of all processes, in the order of the samples' indices, each sample once.

    Args:
        paths: the files.
        size: E.

    Attributes:
        label: (N,), int64.
        index: (N,), int64, ascending.
    """

    def __init__(self, paths: list[Path], size: int) -> None:
        kind = row_type(size)
        self._parts = [np.memmap(path, kind, "r") for path in paths]
        ends = np.cumsum([0, *map(len, self._parts)])
        indices = np.concatenate([part["index"] for part in self._parts])
        self.index, first = np.unique(indices, return_index=True)
        self._file = np.searchsorted(ends, first, side="right") - 1
        self._row = first - ends[self._file]
        self.label = np.concatenate([part["label"] for part in self._parts])[first]
        self.size = size

    def __len__(self) -> int:
        return len(self.index)

    def embeddings(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return the embeddings of some rows, (M, E), float32."""
        file, row = self._file[rows], self._row[rows]
        found = np.empty((len(row), self.size), np.float32)
        for number, part in enumerate(self._parts):
            mine = file == number
            found[mine] = part["embedding"][row[mine]]
        return found

    def pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield all embeddings in order, some rows at a time, each with the number of its first row."""
        for start in range(0, len(self), _ROWS):
            yield start, self.embeddings(slice(start, start + _ROWS))


def row_type(size: int) -> np.dtype[Any]:
    """The type of a spool's rows."""
    return np.dtype([("index", "<i8"), ("label", "<i8"), ("embedding", "<f4", (size,))])


def write_archive(path: Path, arrays: Mapping[str, np.ndarray], streamed: Mapping[str, Spooled]) -> None:
    """Write an .npz of arrays, and of embeddings that are not in memory; the file appears whole or not.

    Raises:
        OSError: as the file system says it; what stood at ``path`` is untouched.
    """
    side = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with side.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, array in arrays.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
                for name, rows in streamed.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        header = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), rows.size)}
                        np.lib.format.write_array_header_1_0(member, header)
                        for _, piece in rows.pieces():
                            member.write(piece.tobytes())
            file.flush()
            os.fsync(file.fileno())
        side.replace(path)
    except BaseException:
        side.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
