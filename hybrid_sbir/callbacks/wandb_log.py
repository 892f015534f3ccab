"""Whether a file of W&B's is whole: its service does not say when the disk is full.

The file is 7 bytes of header and a LevelDB log: blocks of 32 KiB, in them pieces of records, each after 7 bytes with a
checksum, the length and the kind of piece.
"""

import struct
import time
from collections.abc import Mapping
from pathlib import Path

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
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # made when it is imported

    content = path.read_bytes()
    place, parts, last = _HEADER, b"", b""
    while place + _HEADER <= len(content):
        left = _BLOCK - place % _BLOCK
        _, length, kind = struct.unpack_from("<IHB", content, place)
        if left < _HEADER or kind == 0:
            place += left
            continue
        piece = content[place + _HEADER : place + _HEADER + length]
        if len(piece) < length:
            return False
        place += _HEADER + length
        parts = piece if kind in (_FULL, _FIRST) else parts + piece
        last = parts if kind in (_FULL, _LAST) else b""
    return bool(last) and Record.FromString(last).WhichOneof("record_type") in ("exit", "final")


def grow(sizes: Mapping[Path, int], seconds: float) -> bool:
    """Wait until each file is longer than it was; return whether that came to pass in time."""
    end = time.monotonic() + seconds
    while not all(path.stat().st_size > size for path, size in sizes.items()):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
