"""A ``.npy`` file that grows by rows, for arrays that do not fit into memory."""

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np


class NpyWriter:
    """Appends rows to a ``.npy`` file; used in a ``with`` block, at whose end the header gets its number of rows.

    Until then the file says that it has no rows. NumPy leaves room in the header for the first axis to grow.
    """

    def __init__(self, path: Path | str, dtype: Any, *row_shape: int) -> None:
        self.rows = 0
        self._dtype, self._row_shape = np.dtype(dtype), row_shape
        self._file = Path(path).open("xb")  # noqa: SIM115 closed by __exit__
        self._write_header()
        self._data_start = self._file.tell()

    def append(self, rows: np.ndarray) -> None:
        """Write rows of the given shape, of a type that casts safely."""
        rows = np.ascontiguousarray(rows.astype(self._dtype, casting="safe", copy=False))
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows have shape {rows.shape[1:]}, the file's have {self._row_shape}")
        self._file.write(rows.data)
        self.rows += len(rows)

    def __enter__(self) -> "NpyWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._file.seek(0)
                self._write_header()
                if self._file.tell() != self._data_start:
                    raise ValueError(f"the header of {self.rows} rows does not fit where the empty one stood")

    def _write_header(self) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._file, header | {"shape": (self.rows, *self._row_shape)})
