"""What a process has found, on the disk batch by batch: a kill at any moment loses no more than the batch at hand.

Files are only added to, each by the one process that made it: ``NAME.vectors`` holds vectors, and ``NAME.found`` a
line a photo, written after its vector and with the vector's CRC-32. E embedding size.
"""

import json
import os
import time
import zlib
from pathlib import Path
from types import TracebackType

import numpy as np

from hybrid_sbir.search.catalogue import Entry


class Journal:
    """One process's part.

    Args:
        folder: of the build; it exists.
        rank: of the process.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        name = f"{time.time_ns():020}-{rank}-{os.getpid()}"
        self._vectors = (folder / f"{name}.vectors").open("xb")
        self._found = (folder / f"{name}.found").open("xb")

    def add(self, entries: list[tuple[Entry, str | None]], vectors: np.ndarray) -> None:
        """Write a batch: photos with the reason why they are skipped, and (M, E) vectors of the M that are not.

        Raises:
            OSError: as the file system says it.
        """
        vectors = np.ascontiguousarray(vectors, np.float32)
        rows, place = [], 0
        for entry, reason in entries:
            plain = entry._asdict()
            if reason is None:
                plain["crc"] = zlib.crc32(vectors[place].tobytes())
                place += 1
            else:
                plain["reason"] = reason
            rows.append(json.dumps(plain) + "\n")
        self._vectors.write(vectors.tobytes())
        self._vectors.flush()
        self._found.write("".join(rows).encode())
        self._found.flush()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._vectors.close()
        self._found.close()
