"""Read what W&B wrote: run-*.wandb is 7 bytes of header and a LevelDB log, whose records are protocol buffers."""

import json
import struct
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

HEADER, BLOCK = 7, 32768  # bytes
ZERO, FULL, FIRST, LAST = 0, 1, 2, 4  # kinds of pieces; 3 is one in the middle


def records(content):
    """Yield the records of a file's bytes; a last one that a kill cut off is left out."""
    assert content[:4] == b":W&B", "not a file of W&B"
    place, parts = HEADER, []
    while place + 7 <= len(content):
        left = BLOCK - place % BLOCK
        _, length, kind = struct.unpack_from("<IHB", content, place)
        if left < 7 or kind == ZERO:  # the rest of a block that no piece fits into
            place += left
            continue
        piece = content[place + 7 : place + 7 + length]
        place += 7 + length
        if len(piece) < length:
            return
        parts = [piece] if kind in (FULL, FIRST) else [*parts, piece]
        if kind in (FULL, LAST):
            yield Record.FromString(b"".join(parts))


def plain(items):
    """Keys and values of a record's items."""
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


class Logged:
    """What the files of one W&B run say, in the order of its starts.

    Attributes:
        starts: the run record of each start.
        history: logged rows.
        summary, config: final values.
        artifacts, metrics: their records.
        exits: exit codes of the starts that were closed.
        folders: of the starts.
    """

    def __init__(self, folder):
        self.starts, self.history, self.artifacts, self.metrics, self.exits = [], [], [], [], []
        self.summary, self.config = {}, {}
        self.folders = sorted(Path(folder).glob("wandb/*run-*-*"))
        for start in self.folders:
            (file,) = start.glob("run-*.wandb")
            for record in records(file.read_bytes()):
                self._add(record)

    def _add(self, record):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            self.starts.append(record.run)
            self.config |= plain(record.run.config.update)
        elif kind == "history":
            self.history.append(plain(record.history.item))
        elif kind == "summary":
            self.summary |= plain(record.summary.update)
        elif kind == "config":
            self.config |= plain(record.config.update)
        elif kind == "artifact":
            self.artifacts.append(record.artifact)
        elif kind == "metric":
            self.metrics.append(record.metric)
        elif kind == "exit":
            self.exits.append(record.exit.exit_code)

    @property
    def epochs(self):
        """The rows that are epochs, without W&B's own columns."""
        rows = [row for row in self.history if "epoch" in row]
        return [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]

    def media(self, key):
        """Paths of a picture's files, from what was logged last under ``key``, and their captions."""
        row = [row for row in self.history if f"{key}/_type" in row][-1]
        names = row[f"{key}/filenames"]
        found = [next(path for folder in self.folders if (path := folder / "files" / name).exists()) for name in names]
        return found, row.get(f"{key}/captions")

    def table(self, key):
        """Columns and rows of the table that was logged last under ``key``."""
        row = [row for row in self.history if f"{key}/_type" in row][-1]
        name = row[f"{key}/path"]
        path = next(path for folder in self.folders if (path := folder / "files" / name).exists())
        table = json.loads(path.read_text())
        return table["columns"], table["data"]

    @property
    def names(self):
        """All names that a dashboard can show: curves, final values, media and tables."""
        found = {key for row in self.history for key in row} | set(self.summary)
        return {key.removesuffix("/_type") for key in found if not key.startswith("_")}
