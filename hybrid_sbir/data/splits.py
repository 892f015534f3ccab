"""Splits: pure functions of labels and a seed, the same on every machine and with every version of NumPy.

Only NumPy's bit generators promise their stream for ever (NEP 19; its shuffles do not), so a random order here is the
order of their raw 64-bit numbers. Samples are numbered in the order of the index, which is sorted by path; nothing
depends on the order of a file system.

N samples; a split is a dict of part names to ascending sample numbers, int64.
"""

from collections.abc import Callable, Sequence

import numpy as np

Parts = dict[str, np.ndarray]

HELD_OUT = (
    "ant", "asparagus", "binoculars", "bottlecap", "cactus", "castle", "cell phone", "crown", "dishwasher",
    "dragon", "foot", "garden", "garden hose", "giraffe", "grapes", "harp", "hat", "hot dog", "house", "laptop",
    "lobster", "monkey", "mosquito", "necklace", "onion", "panda", "saw", "screwdriver", "shovel", "snail",
    "squirrel", "steak", "stethoscope", "stitches", "stove", "strawberry", "submarine", "table", "teapot",
    "telephone", "toe", "toothbrush", "tree", "waterslide", "wine glass",
)  # fmt: skip
"""The 45 QuickDraw classes that the thesis keeps for zero-shot retrieval, as its published lists name them."""

_CATALOGUE, _QUERIES = 500, 50  # a class, thesis section 4.1.2: 22,500 and 2,250 in 45 classes


def order(n: int, seed: int, *stream: int) -> np.ndarray:
    """Return a random order of n samples; ``stream`` tells apart several orders of one seed."""
    return np.argsort(np.random.PCG64([seed, *stream]).random_raw(n), kind="stable")


def random80(labels: np.ndarray, seed: int = 0) -> Parts:
    """Split 80/20 whatever the classes, as the thesis split TU-Berlin (8 to 27 validation sketches a class)."""
    shuffled = order(len(labels), seed)
    cut = len(labels) * 4 // 5
    return {"train": np.sort(shuffled[:cut]), "val": np.sort(shuffled[cut:])}


def stratified80(labels: np.ndarray, seed: int = 0) -> Parts:
    """Split each class 80/20; one of a single or two samples stays in train whole."""
    dealt = [members[: (2 * len(members) + 5) // 10] for members in _by_class(labels, seed)]
    return _train_and_val(len(labels), np.concatenate(dealt) if dealt else np.zeros(0, dtype=np.int64))


def kfold(labels: np.ndarray, seed: int = 0, folds: int = 5) -> list[Parts]:
    """Split into ``folds`` splits whose val parts are disjoint and cover all samples.

    The classes are dealt out like cards, one after the other, so that folds differ by one sample at most, in each class
    and in all.

    Raises:
        ValueError: if there are fewer than two folds or fewer samples than folds.
    """
    if not 2 <= folds <= len(labels):
        raise ValueError(f"{folds} folds of {len(labels)} samples; there must be 2 to {len(labels)} folds")
    dealt = np.concatenate(_by_class(labels, seed))
    return [_train_and_val(len(labels), dealt[fold::folds]) for fold in range(folds)]


def mini(labels: np.ndarray, classes: Sequence[str], seed: int = 0) -> Parts:
    """Split the drawings of the classes that are not held out 80/20 at random: Mini-QuickDraw's 240,000 / 60,000."""
    seen = np.flatnonzero(~_held_out(labels, classes))
    return {part: seen[numbers] for part, numbers in random80(labels[seen], seed).items()}


def zero_shot(labels: np.ndarray, classes: Sequence[str], seed: int = 0) -> Parts:
    """Draw a catalogue (500 a class) and disjoint queries (50 a class) from the held-out classes.

    A class of fewer than 550 drawings gives a query for every ten of its catalogue, one of fewer than 11 gives nothing.
    """
    held_out = np.flatnonzero(_held_out(labels, classes))
    return {part: held_out[numbers] for part, numbers in queries_and_catalogue(labels[held_out], seed).items()}


def queries_and_catalogue(
    labels: np.ndarray, seed: int = 0, queries: int = _QUERIES, catalogue: int = _CATALOGUE
) -> Parts:
    """Draw disjoint queries and a catalogue from every class; a class with fewer samples gives both in proportion.

    Args:
        labels: (N,).
        seed: not negative.
        queries: of a class, at most.
        catalogue: photos or drawings of a class to search in, at most.

    Raises:
        ValueError: if a number is not positive.
    """
    if queries < 1 or catalogue < 1:
        raise ValueError(f"queries and catalogue need at least one sample a class, got {queries} and {catalogue}")
    parts: dict[str, list[np.ndarray]] = {"catalogue": [], "queries": []}
    for members in _by_class(labels, seed):
        asked = min(queries, len(members) * queries // (queries + catalogue))
        searched = catalogue * asked // queries
        parts["queries"].append(members[:asked])
        parts["catalogue"].append(members[asked : asked + searched])
    return {
        part: np.sort(np.concatenate(members)) if members else np.zeros(0, dtype=np.int64)
        for part, members in parts.items()
    }


def by_group(split: Callable[[np.ndarray], Parts], labels: np.ndarray, groups: np.ndarray) -> Parts:
    """Split groups, not samples: a photo and the sketches drawn from it stay in one part.

    Args:
        split: of labels, one a group.
        labels: (N,), the same within a group.
        groups: (N,), what group each sample is in.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    parts = split(labels[first])
    return {part: np.flatnonzero(np.isin(group, numbers)) for part, numbers in parts.items()}


def _by_class(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return each class's sample numbers in random order, classes ascending."""
    shuffled = order(len(labels), seed)
    grouped = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return np.split(grouped, np.flatnonzero(np.diff(labels[grouped])) + 1) if len(labels) else []


def _train_and_val(n: int, val: np.ndarray) -> Parts:
    held = np.zeros(n, dtype=bool)
    held[val] = True
    return {"train": np.flatnonzero(~held), "val": np.flatnonzero(held)}


def _held_out(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    return np.isin(labels, [label for label, name in enumerate(classes) if name in HELD_OUT])
