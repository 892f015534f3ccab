"""The classes that two sets have in common, and which of them training never sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybrid_sbir.data.class_map import ClassMap, match_classes
from hybrid_sbir.data.splits import order

_HELD_OUT = 1  # a stream of its own beside the splits'


@dataclass(frozen=True)
class CommonClasses:
    """Classes that both sets have, numbered in the order of the sketches'.

    Where a map joins several classes of one set with one of the other, they are one class.

    Attributes:
        names: class names by label: the sketches' (of joined ones the first).
        sketch_labels: label of each matched sketch class, by name.
        photo_labels: label of each matched photo class, by name.
        text: how the names were matched, in words.
        complete: whether no class of either set is left over.
    """

    names: tuple[str, ...]
    sketch_labels: Mapping[str, int]
    photo_labels: Mapping[str, int]
    text: str
    complete: bool

    def all_names(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Return every name that these classes have in either set, each once, their own first."""
        labels = {self.names.index(name) for name in classes}
        named = (*self.sketch_labels.items(), *self.photo_labels.items())
        return tuple(dict.fromkeys([*classes, *(name for name, label in named if label in labels)]))


def common_classes(
    sketch_classes: Sequence[str], photo_classes: Sequence[str], class_map: ClassMap | Path | str | None = None
) -> CommonClasses:
    """Match the classes of two sets: see :func:`~hybrid_sbir.data.class_map.match_classes`.

    Raises:
        ClassMapError: if the map cannot be used.
        ValueError: if no class is in both sets; the message lists what looks alike.
    """
    matching = match_classes(sketch_classes, photo_classes, class_map)
    if not matching.pairs:
        raise ValueError(
            f"sketches and photos have no class in common. {matching.text}\ngive a map of class names (class_map: "
            'a JSON file, {"sketch class": "photo class"}), or rename the folders'
        )
    joined: list[tuple[set[str], set[str]]] = []
    for sketch, photo in matching.pairs:
        touched = [each for each in joined if sketch in each[0] or photo in each[1]]
        first = touched[0] if touched else (set(), set())
        for sketches, photos in touched[1:]:
            first[0].update(sketches)
            first[1].update(photos)
        joined = [each for each in joined if each not in touched[1:]] + ([] if touched else [first])
        first[0].add(sketch)
        first[1].add(photo)
    return CommonClasses(
        tuple(next(name for name in sketch_classes if name in sketches) for sketches, _ in joined),
        {name: label for label, (sketches, _) in enumerate(joined) for name in sketches},
        {name: label for label, (_, photos) in enumerate(joined) for name in photos},
        matching.text,
        not matching.only_sketch and not matching.only_photo,
    )


def hold_out(
    classes: Sequence[str], held_out: int | Sequence[str], max_classes: int | None, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide classes into those to train with and those held out, both in the order given.

    Args:
        classes: all.
        held_out: how many, drawn with the seed, or which.
        max_classes: train with only the first so many of the others.
        seed: not negative.

    Raises:
        ValueError: if a name is unknown or repeated, or fewer than two classes are left to train with.
    """
    if len(classes) < 2:
        raise ValueError(
            f"sketches and photos have a single class in common ({classes[0]}); training needs two or more"
        )
    if isinstance(held_out, int):
        if not 0 <= held_out <= len(classes) - 2:
            raise ValueError(
                f"held_out is {held_out}; sketches and photos have {len(classes)} classes in common, and at least two "
                f"must be left to train with: give 0 to {max(0, len(classes) - 2)}"
            )
        chosen = {classes[number] for number in order(len(classes), seed, _HELD_OUT)[:held_out]}
    else:
        chosen = set(held_out)
        unknown = [name for name in held_out if name not in classes]
        if unknown or len(chosen) < len(held_out) or len(chosen) > len(classes) - 2:
            raise ValueError(
                f"held_out must name different classes out of the {len(classes)} in common "
                f"({', '.join(classes[:5])}...) and leave two or more; unknown: {', '.join(unknown[:5]) or 'none'}; "
                f"got {len(held_out)}, {len(chosen)} different"
            )
    training = tuple(name for name in classes if name not in chosen)
    if max_classes is not None and not 2 <= max_classes <= len(training):
        raise ValueError(
            f"max_classes must be from 2 to the {len(training)} classes in common that are not held out, "
            f"got {max_classes}"
        )
    return training[:max_classes], tuple(name for name in classes if name in chosen)


def labels_of(names: Sequence[str], label_by_name: Mapping[str, int]) -> np.ndarray:
    """Return the label of each name, -1 where it has none, (len(names),), int64."""
    return np.array([label_by_name.get(name, -1) for name in names], np.int64)
