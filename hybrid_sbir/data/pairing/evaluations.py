"""Which sketches are queries and which photos the catalogue, in validation and in the test."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities import rank_zero_warn

from hybrid_sbir.batch import RetrievalSet
from hybrid_sbir.data.class_map import ClassMap, match_classes
from hybrid_sbir.data.datamodule import MissingClassWarning
from hybrid_sbir.data.pairing.matched import ClassMismatchWarning, MatchedSets
from hybrid_sbir.data.pairing.stores import few_of_each
from hybrid_sbir.data.stores.store import Store


class Evaluation(NamedTuple):
    """A retrieval set with its data.

    Attributes:
        said: its name, classes and groups.
        queries: the sketches.
        catalogue: the photos.
    """

    said: RetrievalSet
    queries: Store
    catalogue: Store


def validations(
    sets: MatchedSets, training: Sequence[str], held_out: Sequence[str], queries_per_class: int | None, seed: int
) -> list[Evaluation]:
    """Return "val" and, where classes are held out, "val_unseen".

    Args:
        sets: sketches and photos.
        training: classes trained with: "val" has the validation sketches and photos of these.
        held_out: classes that are not: "val_unseen" has all training and validation sketches and photos of these.
        queries_per_class: take only so many validation sketches of a class, drawn with the seed.
        seed: not negative.
    """
    queries = sets.part("sketch", training, "val")
    if queries_per_class is not None:
        queries = few_of_each(queries, queries_per_class, seed)
    seen = Evaluation(RetrievalSet("val", tuple(training), {}), queries, sets.part("photo", training, "val"))
    if not held_out:
        return [seen]
    if len(held_out) == 1:
        rank_zero_warn(
            f"val_unseen has a single class ({held_out[0]}): every photo is right, every score 1; hold out two or more"
        )
    stores = [sets.part(domain, held_out, "train", "val") for domain in ("sketch", "photo")]
    return [seen, Evaluation(RetrievalSet("val_unseen", tuple(held_out), {}), *stores)]


def own_test(sets: MatchedSets, training: Sequence[str], held_out: Sequence[str]) -> Evaluation:
    """Return the test parts of the training sets themselves: groups "seen" and, of classes held out, "unseen"."""
    classes = (*training, *held_out)
    groups = {"seen": range(len(training)), "unseen": range(len(training), len(classes))}
    said = RetrievalSet("test", classes, {name: tuple(group) for name, group in groups.items() if group})
    return Evaluation(said, sets.part("sketch", classes, "test"), sets.part("photo", classes, "test"))


def other_test(sets: MatchedSets, training: Sequence[str], class_map: ClassMap | Path | str | None) -> Evaluation:
    """Return the test part of other sets, all of its classes; "seen" are those that match a training class.

    Args:
        sets: the test's sketches and photos.
        training: names of the classes trained with; of those that a map joined, every one.
        class_map: matches their names with the test's, see :func:`~hybrid_sbir.data.class_map.match_classes`.
    """
    common = sets.common
    matching = match_classes(training, tuple(common.sketch_labels), class_map)
    if matching.only_photo:
        rank_zero_warn(
            f"classes trained with ('sketches') and those of the test ('photos'): {matching.text}",
            category=ClassMismatchWarning,
        )
    seen = {common.sketch_labels[name] for name in matching.sketch_of}
    groups = {"seen": tuple(sorted(seen)), "unseen": tuple(sorted({*range(len(common.names))} - seen))}
    said = RetrievalSet("test", common.names, {name: group for name, group in groups.items() if group})
    return Evaluation(said, sets.part("sketch", common.names, "test"), sets.part("photo", common.names, "test"))


def check_evaluation(evaluation: Evaluation) -> None:
    """Refuse an evaluation without queries or photos, warn of queries whose class has no photo.

    Raises:
        ValueError: names the evaluation and what it lacks.
    """
    name, classes, _ = evaluation.said
    for what, store in (("query sketch", evaluation.queries), ("photo", evaluation.catalogue)):
        if not len(store):
            raise ValueError(
                f"the evaluation '{name}' has no {what} of any of its {len(classes)} classes; choose another split of "
                "that data set (a test set: split: all), or fewer held-out classes"
            )
    alone = sorted({*evaluation.queries.labels.tolist()} - {*evaluation.catalogue.labels.tolist()})
    if alone:
        rank_zero_warn(
            f"evaluation '{name}': {len(alone)} of {len(classes)} classes have query sketches but no photo: "
            f"{', '.join(classes[label] for label in alone[:5])}; nothing can be found for these queries",
            category=MissingClassWarning,
        )


def said(evaluation: Evaluation) -> str:
    """Return an evaluation's sizes in words."""
    name, classes, groups = evaluation.said
    parts = "".join(f", {len(labels)} {group}" for group, labels in groups.items())
    return (
        f"{name}: {len(evaluation.queries)} query sketches, {len(evaluation.catalogue)} photos, "
        f"{len(classes)} classes{parts}"
    )
