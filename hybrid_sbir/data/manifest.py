"""What a prepared data set says of itself: classes, samples, splits, what was left out, and hashes of it all.

The folder of a prepared data set holds::

    manifest.json            this record
    index.tsv                path<TAB>label<TAB>sha256, row i = sample i
    mapping.txt              class<TAB>label
    pairs.txt                sketch<TAB>photo: which photo a sketch was drawn from, where that is known (Sketchy)
    splits/SPLIT/PART.txt    path<TAB>label, the labels of the mapping
    images/...               image data sets: the archive's own tree, or a link to the folder that is used in place
    rejected/...             unpacked files that are no usable images, for a look at them
    strokes/*.npy            QuickDraw strokes (points, stroke_offsets, drawing_offsets); bitmaps/CLASS.npy: its bitmaps

N samples.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hybrid_sbir.data.hashing import sha256_of_file
from hybrid_sbir.data.listfile import read_list
from hybrid_sbir.durable import write_durably

FORMAT = 1


class ManifestError(ValueError):
    """Prepared data that do not agree with their manifest; the message says what differs and what to do."""


@dataclass(frozen=True)
class Manifest:
    """The record of a prepared data set.

    Attributes:
        root: the data set's folder (not part of the record, so that a folder can be moved).
        name: the data set, ``tu_berlin`` say.
        kind: ``"images"``, ``"strokes"`` or ``"bitmaps"``.
        options: what it was prepared with.
        archive: name, kind, bytes and sha256 of the archive; of a folder, the sha256 of its listing (paths, sizes).
        classes: class names by label.
        samples: how many, N.
        splits: by name: seed, parts (samples and sha256 of each list), classes (where not all), notes.
        problems: files that should be data but are not usable, with the reason.
        ignored: files that are no data, by reason: count and the first paths.
        differences: from the official counts, in words.
        files: sha256 of every file but the index and the images, by path.
        index_sha256: of index.tsv, which holds the images' own.
        hash: SHA-256 of the record itself: what identifies the data in a run's results.
    """

    root: Path
    name: str
    kind: str
    options: dict[str, Any]
    archive: dict[str, Any]
    classes: tuple[str, ...]
    samples: int
    splits: dict[str, dict[str, Any]]
    problems: list[dict[str, str]]
    ignored: list[dict[str, Any]]
    differences: list[str]
    files: dict[str, str]
    index_sha256: str
    hash: str = field(default="")

    @classmethod
    def load(cls, root: Path | str, verify: bool = False) -> "Manifest":
        """Read the record of the data set in ``root`` and check it and the index against their hashes.

        Args:
            root: the data set's folder, ``data/tu_berlin`` say.
            verify: read and check every other file too, images included.

        Raises:
            FileNotFoundError: if ``root`` is no prepared data set.
            ManifestError: if it was made by another version, or a file was altered or is missing.
        """
        root = Path(root)
        path = root / "manifest.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"no prepared data in {root} (manifest.json is missing); make it with: "
                f"hybrid-sbir data prepare {root.name} --archive ARCHIVE --root {root.parent}"
            )
        manifest = cls._parse(root, path)
        manifest._check_file("index.tsv", manifest.index_sha256)
        if verify:
            manifest._verify()
        return manifest

    @classmethod
    def _parse(cls, root: Path, path: Path) -> "Manifest":
        try:
            record = json.loads(path.read_bytes())
            version = record.pop("format")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ManifestError(f"{path} is no manifest ({error!r}); {_AGAIN}") from None
        if version != FORMAT:
            raise ManifestError(f"{path} has format {version}, this version reads {FORMAT}; {_AGAIN}")
        names = {item.name for item in fields(cls)} - {"root"}
        if set(record) != names or record["hash"] != _hash(record):
            raise ManifestError(f"{path} was altered: it does not agree with its own hash; {_AGAIN}")
        return cls(root=root, **{**record, "classes": tuple(record["classes"])})

    def save(self) -> "Manifest":
        """Write manifest.json, the last file of a prepared data set, and return the record with its hash."""
        record = {name: value for name, value in asdict(self).items() if name not in ("root", "hash")}
        record = json.loads(json.dumps(record))
        record["hash"] = _hash(record)
        text = json.dumps({"format": FORMAT, **record}, indent=1, ensure_ascii=True)
        write_durably(self.root / "manifest.json", text.encode() + b"\n")
        return Manifest(root=self.root, **{**record, "classes": tuple(record["classes"])})

    def index(self) -> tuple[list[str], np.ndarray]:
        """Read the index: paths below ``root``, (N,), and labels, (N,), int64."""
        rows = [line.split("\t") for line in _lines(self.root / "index.tsv")]
        return [row[0] for row in rows], np.array([int(row[1]) for row in rows], dtype=np.int64)

    def split_part(self, split: str, part: str) -> tuple[list[str], np.ndarray]:
        """Read a part of a split: paths as in the index and labels as in the mapping, int64.

        Raises:
            ManifestError: if there is no such part (the message lists those there are), or its list was altered.
        """
        if part not in self.splits.get(split, {}).get("parts", {}):
            known = "; ".join(f"{name}: {', '.join(record['parts'])}" for name, record in self.splits.items())
            raise ManifestError(
                f"no part '{part}' of a split '{split}' in {self.root}; there are: {known or 'no splits'}"
            )
        path = f"splits/{split}/{part}.txt"
        self._check_file(path, self.splits[split]["parts"][part]["sha256"])
        return read_list(self.root / path)

    def split_classes(self, split: str) -> tuple[str, ...]:
        """Return the classes that a split's samples have: all, or those that it is made for (mini, zero_shot).

        Raises:
            ManifestError: if there is no such split; the message lists those there are.
        """
        if split not in self.splits:
            raise ManifestError(f"no split '{split}' in {self.root}; there are: {', '.join(self.splits) or 'none'}")
        return tuple(self.splits[split].get("classes", self.classes))

    def _check_file(self, path: str, expected: str) -> None:
        if not (self.root / path).is_file():
            raise ManifestError(f"{self.root / path} is missing; {_AGAIN}")
        if sha256_of_file(self.root / path) != expected:
            raise ManifestError(f"{self.root / path} was altered since the data were prepared; {_AGAIN}")

    def _verify(self) -> None:
        checks = dict(self.files)
        if self.kind == "images":
            checks |= {row[0]: row[2] for row in (line.split("\t") for line in _lines(self.root / "index.tsv"))}
        for path, expected in tqdm(checks.items(), desc=f"verify {self.name}", unit="file", disable=None):
            self._check_file(path, expected)


_AGAIN = "prepare the data again: hybrid-sbir data prepare ... --overwrite true"


def split_part(root: Path | str, split: str, part: str) -> tuple[list[str], np.ndarray]:
    """Read a part of a split of the data set in ``root``: see :meth:`Manifest.split_part`."""
    return Manifest.load(root).split_part(split, part)


def index_bytes(rows: Sequence[tuple[str, int, str]]) -> bytes:
    """Return index.tsv of rows of path, label and sha256."""
    return "".join(f"{path}\t{label}\t{digest}\n" for path, label, digest in rows).encode("utf-8", "surrogateescape")


def _lines(path: Path) -> list[str]:
    return path.read_bytes().decode("utf-8", "surrogateescape").split("\n")[:-1]


def _hash(record: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in record.items() if name != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
