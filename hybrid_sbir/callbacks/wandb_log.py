"""Whether a file of W&B's is whole: its service does not say when the disk is full.

The file is 7 bytes of header and a LevelDB log: blocks of 32 KiB, in them pieces of records, each after 7 bytes with a
checksum, the length and the kind of piece.
"""

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEADER, _BLOCK = 7, 32768  # bytes
_FULL, _FIRST, _LAST = 1, 2, 4


def becomes_whole(path: Path, seconds: float) -> bool:
    """Whether a file is whole within some seconds: the service may answer before the last of it is on the disk."""
    limit = time.monotonic() + seconds
    while not (whole := is_whole(path)) and time.monotonic() < limit:
        time.sleep(0.1)
    return whole


def is_whole(path: Path) -> bool:
    """Whether the last record of a ``run-*.wandb`` says that the run was closed."""
    *_, last = [None, *_records(path)]
    return last is not None and last.WhichOneof("record_type") in ("exit", "final")


def takes_row(path: Path, step: int, seconds: float) -> bool:
    """Wait until a file holds what was logged at a step; return whether that came to pass in time."""
    limit, size = time.monotonic() + seconds, -1
    while True:
        if path.stat().st_size != size:
            size = path.stat().st_size
            if any(
                record.history.step.num == step for record in _records(path) if record and record.HasField("history")
            ):
                return True
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)


def _records(path: Path) -> Iterator[Any]:
    """A file's records, and at the end None if its last one was cut off."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # made when it is imported

    content = path.read_bytes()
    place, parts = _HEADER, b""
    while place + _HEADER <= len(content):
        left = _BLOCK - place % _BLOCK
        _, length, kind = struct.unpack_from("<IHB", content, place)
        if left < _HEADER or kind == 0:
            place += left
            continue
        piece = content[place + _HEADER : place + _HEADER + length]
        place += _HEADER + length
        parts = piece if kind in (_FULL, _FIRST) else parts + piece
        if len(piece) < length:
            yield None
            return
        if kind in (_FULL, _LAST):
            yield Record.FromString(parts)
            parts = b""
    if parts:
        yield None
