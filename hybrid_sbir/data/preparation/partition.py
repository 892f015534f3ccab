"""Which splits a data set gets, and what is to be said of them.

N samples; labels (N,), int64.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_sbir.data.listfile import list_bytes
from hybrid_sbir.data.preparation.intake import Row
from hybrid_sbir.data.splits import HELD_OUT, Parts, by_group, kfold, mini, random80, stratified80, zero_shot

_FOLDS = 5
_FULL = 550
"""Drawings of a class that a full zero-shot test takes."""


def partition(
    name: str, rows: Sequence[Row], labels: np.ndarray, classes: Sequence[str], seed: int
) -> dict[str, Parts]:
    """Return the splits of the data set ``name``, by name.

    ImageNet and folders with train / val / test have their ``official`` one. Where there are sketches and photos,
    ``retrieval`` has the photos as catalogue and the sketches as queries, and the other splits divide both alike;
    Sketchy's keep a photo and its sketches together. QuickDraw has ``mini`` and ``zero_shot``. All but ImageNet and
    Flickr15k, which is a test set, have ``random80``, ``stratified80`` and ``kfold5_0`` to ``kfold5_4``.
    """
    parts = np.array([row.part for row in rows])
    official = {part: np.flatnonzero(parts == part) for part in ("train", "val", "test") if (parts == part).any()}
    if name == "imagenet":
        return {"official": official}
    splits = {"official": official} if official else {}
    photos, sketches = (np.flatnonzero(parts == domain) for domain in ("photo", "sketch"))
    if name in ("sketchy", "flickr15k") or (len(photos) and len(sketches)):
        splits["retrieval"] = {"catalogue": photos, "queries": sketches}
    if name == "flickr15k":
        return splits
    if name == "quickdraw":
        splits |= {"mini": mini(labels, classes, seed), "zero_shot": zero_shot(labels, classes, seed)}
    groups = np.array([row.group for row in rows])
    alone = not (groups != "").any()
    strata = 2 * labels + (parts == "sketch") if alone and len(sketches) else labels
    return splits | _drawn(strata, groups, seed)


def _drawn(labels: np.ndarray, groups: np.ndarray, seed: int) -> dict[str, Parts]:
    """Draw the splits that every data set has; samples without a group stand alone.

    Args:
        labels: classes, or of sketches and photos that do not belong together the classes of each.
        groups: (N,), what must not be divided.
        seed: of the draw.
    """
    grouped = bool((groups != "").all())

    def kept(split: Any) -> Parts:
        return by_group(split, labels, groups) if grouped else split(labels)

    units = len(np.unique(groups)) if grouped else len(labels)
    folds = range(_FOLDS) if units >= _FOLDS else ()
    return {
        "random80": kept(lambda of: random80(of, seed)),
        "stratified80": kept(lambda of: stratified80(of, seed)),
        **{f"kfold{_FOLDS}_{fold}": kept(lambda of, fold=fold: kfold(of, seed, _FOLDS)[fold]) for fold in folds},
    }


def write_splits(
    folder: Path, splits: dict[str, Parts], paths: Sequence[str], labels: np.ndarray, classes: Sequence[str], seed: int
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Write ``folder/splits/SPLIT/PART.txt``; a split with an empty part is left out, and that is said.

    Returns:
        What the manifest records of each split, and remarks on those left out.
    """
    records: dict[str, dict[str, Any]] = {}
    remarks = []
    for split, parts in splits.items():
        empty = [part for part, numbers in parts.items() if not len(numbers)]
        if empty or not parts:
            remarks.append(f"no split {split}: there are too few samples for its {' and '.join(empty) or 'parts'}")
            continue
        record: dict[str, Any] = {"seed": seed, "parts": {}}
        for part, numbers in parts.items():
            file = folder / "splits" / split / f"{part}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            content = list_bytes([paths[number] for number in numbers], labels[numbers])
            file.write_bytes(content)
            record["parts"][part] = {"samples": len(numbers), "sha256": hashlib.sha256(content).hexdigest()}
        used = np.unique(np.concatenate([labels[numbers] for numbers in parts.values()]))
        if len(used) < len(classes):
            record["classes"] = [classes[label] for label in used]
        if notes := _notes(split, labels, classes):
            record["notes"] = notes
        records[split] = record
    return records, remarks


def _notes(split: str, labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Say where QuickDraw's splits are smaller than the thesis's."""
    counts = dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))
    notes = []
    if split == "mini" and (seen := len(set(classes) - set(HELD_OUT))) != 300:
        notes.append(f"{seen} classes instead of 300")
    if split == "zero_shot":
        if missing := [name for name in HELD_OUT if name not in counts]:
            notes.append(f"{len(missing)} of the {len(HELD_OUT)} held-out classes are missing: {', '.join(missing)}")
        if small := [name for name in HELD_OUT if name in counts and counts[name] < _FULL]:
            sizes = ", ".join(f"{name} {10 * (counts[name] // 11)} + {counts[name] // 11}" for name in small)
            notes.append(f"{len(small)} classes have fewer than 500 + 50 drawings, ten to one: {sizes}")
    return notes
