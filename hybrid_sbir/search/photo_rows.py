"""The file of an index that says which photo each vector is of: a line of JSON a photo, in the order of the vectors."""

import json
from collections.abc import Iterator
from pathlib import Path

from hybrid_sbir.search.catalogue import Entry, Refused
from hybrid_sbir.search.manifest import IndexProblem

_TYPES = {"id": str, "bytes": int, "mtime_ns": int, "sha256": str}


def row(item: Entry | Refused) -> str:
    """Return the line of a photo, or of what was skipped; ASCII, so that only its end ends it."""
    return json.dumps(item._asdict(), sort_keys=True) + "\n"


def read_rows(path: Path) -> Iterator[Entry]:
    """Yield the photos of an index, one after the other.

    Raises:
        IndexProblem: if a line is none of :func:`row`.
    """
    with path.open(encoding="ascii", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                entry = Entry(**json.loads(line))
                if any(type(getattr(entry, name)) is not kind for name, kind in _TYPES.items()):
                    raise TypeError("a value of another type")
                if not line.isascii():
                    raise ValueError("it is not ASCII")
            except (ValueError, TypeError, RecursionError) as problem:
                raise IndexProblem(
                    f"line {number} of {path} is no photo ({problem}); make the index again "
                    "(hybrid-sbir index ... --overwrite true)"
                ) from problem
            yield entry
