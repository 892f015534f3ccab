"""What is known of photos already: from the index that stands, and from the journal of a build that was broken off.

E embedding size.
"""

import heapq
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hybrid_sbir.search.catalogue import Entry, Refused
from hybrid_sbir.search.manifest import Manifest, verified
from hybrid_sbir.search.photo_rows import read_rows
from hybrid_sbir.search.stores.files import open_array


class Known(NamedTuple):
    """What was found of a photo earlier.

    Attributes:
        entry: the file as it was then.
        reason: why it was skipped; None where it was embedded.
        vectors: (M, E), where its vector is.
        row: which of them.
        crc: CRC-32 of the vector; None where the whole file was checked.
        old: whether it is of the index that stands.
    """

    entry: Entry
    reason: str | None = None
    vectors: np.ndarray | None = None
    row: int = 0
    crc: int | None = None
    old: bool = False

    @property
    def embedded(self) -> bool:
        """Whether it has a vector with the bytes that were written."""
        if self.vectors is None or self.row >= len(self.vectors):
            return False
        return self.crc is None or zlib.crc32(self.vectors[self.row].tobytes()) == self.crc


def of_index(folder: Path, manifest: Manifest | None) -> Iterator[Known]:
    """Yield what an index knows, in the order of ids.

    Raises:
        IndexProblem: if a file of it is missing, cut short or altered.
    """
    if manifest is None or "vectors" not in manifest.files or not manifest.photos:
        return
    vectors = open_array(folder, manifest, "vectors")
    for place, entry in enumerate(read_rows(verified(folder, manifest.files["photos"]))):
        if entry.sha256:
            yield Known(entry, vectors=vectors, row=place, old=True)


def of_journal(folder: Path, size: int) -> Iterator[Known]:
    """Yield what the journal in ``folder`` holds, in the order of ids; what a kill cut off is left out.

    Args:
        folder: of the journal.
        size: E.
    """
    return heapq.merge(*(_of_file(path, size) for path in sorted(folder.glob("*.found"))), key=lambda k: k.entry.id)


def _of_file(path: Path, size: int) -> Iterator[Known]:
    side = path.with_suffix(".vectors")
    whole = side.stat().st_size // (4 * size) if side.is_file() else 0
    vectors = np.memmap(side, np.float32, "r", shape=(whole, size)) if whole else None
    place = 0
    with path.open("rb") as lines:
        for line in lines:
            try:
                plain = json.loads(line)
                reason, crc = plain.pop("reason", None), plain.pop("crc", None)
                entry = Entry(**plain)
            except (ValueError, TypeError):
                return  # the last line, which a kill cut off
            if reason is None:
                yield Known(entry, None, vectors, place, crc)
                place += 1
            else:
                yield Known(entry, reason)


def beside(listed: Iterable[Entry | Refused], known: Iterable[Known]) -> Iterator[tuple[Entry | Refused, list[Known]]]:
    """Put what is known of each photo beside it; both come in the order of ids."""
    waiting = iter(known)
    ahead = next(waiting, None)
    for item in listed:
        while ahead is not None and ahead.entry.id < item.id:
            ahead = next(waiting, None)
        same = []
        while ahead is not None and ahead.entry.id == item.id:
            same.append(ahead)
            ahead = next(waiting, None)
        yield item, same


def unchanged(entry: Entry, known: list[Known]) -> Known | None:
    """Choose what is known of the file as it is now, going by length and date."""
    for one in known:
        if (one.entry.bytes, one.entry.mtime_ns) == (entry.bytes, entry.mtime_ns) and (one.reason or one.embedded):
            return one
    return None


def same_contents(sha256: str, known: list[Known]) -> Known | None:
    """Choose what is known of the file with these contents, whenever it was written."""
    return next((one for one in known if one.entry.sha256 == sha256 and one.embedded), None)
