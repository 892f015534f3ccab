"""What is written down of a prepared data set, and said of it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_sbir.data.drawn_from import PAIRS, pairs_bytes
from hybrid_sbir.data.hashing import sha256_of_file
from hybrid_sbir.data.listfile import mapping_bytes
from hybrid_sbir.data.manifest import Manifest, index_bytes
from hybrid_sbir.data.preparation.intake import Intake
from hybrid_sbir.data.preparation.partition import partition, write_splits
from hybrid_sbir.data.quickdraw_classes import QUICKDRAW_CLASSES
from hybrid_sbir.data.sources import source

_SHOWN = 20


class NothingUsableError(ValueError):
    """An archive without a single usable sample."""


def write_record(folder: Path, name: str, intake: Intake, options: dict[str, Any], archive: dict[str, Any]) -> None:
    """Write everything but the samples themselves: index, mapping, splits, and last the manifest.

    Nothing is flushed to the disk file by file: the folder is switched in only after a flush of everything.

    Args:
        folder: where the samples were taken in.
        name: the data set.
        intake: the samples and what was left out.
        options: what it was prepared with.
        archive: name, kind, bytes and sha256.

    Raises:
        NothingUsableError: if there is no sample.
    """
    if not intake.rows:
        first = "; ".join(f"{problem.path}: {problem.reason}" for problem in intake.problems[:3])
        raise NothingUsableError(f"{archive['name']} has no usable sample; {len(intake.problems)} problems: {first}")
    classes = sorted({row.class_name for row in intake.rows})
    label_of = {class_name: label for label, class_name in enumerate(classes)}
    labels = np.array([label_of[row.class_name] for row in intake.rows], dtype=np.int64)
    paths = [row.path for row in intake.rows]
    index = index_bytes([(row.path, label_of[row.class_name], row.sha256) for row in intake.rows])
    (folder / "index.tsv").write_bytes(index)
    (folder / "mapping.txt").write_bytes(mapping_bytes(classes))
    if pairs := pairs_bytes((row.path, row.part, row.group) for row in intake.rows):
        (folder / PAIRS).write_bytes(pairs)
    splits = partition(name, intake.rows, labels, classes, options["split_seed"])
    split_records, remarks = write_splits(folder, splits, paths, labels, classes, options["split_seed"])
    Manifest(
        root=folder,
        name=name,
        kind=intake.kind,
        options=options,
        archive=archive,
        classes=tuple(classes),
        samples=len(paths),
        splits=split_records,
        problems=[problem._asdict() for problem in intake.problems],
        ignored=[
            {"reason": reason, "count": len(ignored), "paths": ignored[: _SHOWN + 1]}
            for reason, ignored in sorted(intake.ignored.items())
        ],
        differences=_differences(name, intake, classes, options) + intake.remarks + remarks,
        files=_hash_files(folder),
        index_sha256=hashlib.sha256(index).hexdigest(),
    ).save()


def _hash_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of the files that are not single images, by path."""
    files = [
        folder / "mapping.txt",
        *folder.glob(PAIRS),
        *folder.glob("splits/*/*.txt"),
        *folder.glob("strokes/*"),
        *folder.glob("bitmaps/*"),
    ]
    return {file.relative_to(folder).as_posix(): sha256_of_file(file) for file in sorted(files)}


def _differences(name: str, intake: Intake, classes: Sequence[str], options: dict[str, Any]) -> list[str]:
    """Compare with the official counts, in words."""
    facts = source(name)
    words = []
    if facts.classes and len(classes) != facts.classes:
        words.append(f"{len(classes)} classes instead of the official {facts.classes}")
    if name == "quickdraw":
        missing = sorted(set(QUICKDRAW_CLASSES) - set(classes))
        unknown = sorted(set(classes) - set(QUICKDRAW_CLASSES))
        words += [f"{len(missing)} classes are missing: {_first(missing)}"] if missing else []
        words += [f"{len(unknown)} classes are none of QuickDraw's: {_first(unknown)}"] if unknown else []
    per_class = options.get("per_class", facts.per_class)
    counts = Counter(row.class_name for row in intake.rows)
    other = [f"{class_name} {counts[class_name]}" for class_name in classes if counts[class_name] != per_class]
    if per_class and other:
        words.append(f"{len(other)} classes do not have {per_class} samples: {_first(other)}")
    parts = Counter(row.part for row in intake.rows)
    words += [
        f"{parts[part]} {part} images instead of the official {count}"
        for part, count in facts.counts.items()
        if parts[part] != count
    ]
    if len(classes) == 1:
        words.append(f"only one class, '{classes[0]}': nothing to tell apart")
    return words


def summary(manifest: Manifest) -> str:
    """Say in a few lines what was prepared, what was left out and why."""
    lines = [f"{manifest.root}: {manifest.samples} samples in {len(manifest.classes)} classes"]
    lines += [f"  differs: {words}" for words in manifest.differences]
    for split, record in manifest.splits.items():
        parts = ", ".join(f"{part} {facts['samples']}" for part, facts in record["parts"].items())
        lines.append(f"  split {split}: {parts}")
        lines += [f"    note: {words}" for words in record.get("notes", ())]
    for group in manifest.ignored:
        lines.append(f"  ignored {group['count']} ({group['reason']}): {_first(group['paths'])}")
    lines += [f"  problem: {problem['path']}: {problem['reason']}" for problem in manifest.problems[:_SHOWN]]
    if len(manifest.problems) > _SHOWN:
        lines.append(f"  and {len(manifest.problems) - _SHOWN} more problems, all in {manifest.root / 'manifest.json'}")
    return "\n".join(lines)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
