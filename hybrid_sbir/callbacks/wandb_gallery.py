"""Galleries of photos found, and confusion by the first one, from what an evaluation ranked.

Shapes: Q queries, N photos, E embedding size, S shown queries, F photos shown of each.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from hybrid_sbir.callbacks.embeddings import spread, thumbnail
from hybrid_sbir.callbacks.wandb_findings import Finding, count_pairs
from hybrid_sbir.callbacks.wandb_pictures import SIDE, strip, tile

FIRST = 10
"""F: photos shown of each query."""

_ONE = 2.0**26  # cosines as whole numbers, see hybrid_sbir.metrics.similarity
_MOST_QUERIES, _AT_ONCE = 4096, 256


def retrieval_finding(scores: Any, sets: tuple[Any, Any], shown: int) -> Finding:
    """Show what a retrieval evaluation found.

    Args:
        scores: ``hybrid_sbir.tasks.retrieval_scores.RetrievalScores`` after its evaluation, or what has its attributes.
        sets: the data sets of queries and catalogue, with a ``store`` each to read pictures from.
        shown: S, at most.
    """
    (queries, labels, index), (photos, photo_labels, photo_index) = (scores.meter.ranked[r] for r in ("query", "photo"))
    classes, truth = scores.about.classes, labels.cpu().numpy()
    asked, catalogue, owners = _codes(queries), _codes(photos), photo_labels.cpu().numpy()
    finding = Finding(scores.about.name)
    some = spread(truth, _MOST_QUERIES)
    starts = range(0, len(some), _AT_ONCE)
    first = [(asked[some[start : start + _AT_ONCE]] @ catalogue.T).argmax(axis=1) for start in starts]
    finding.add_confusion(count_pairs(truth[some], owners[np.concatenate(first)], len(classes)), classes, "first photo")
    stores = [getattr(dataset, "store", None) for dataset in sets]
    if None not in stores:
        rows = spread(truth, shown)
        found = _nearest(asked[rows], catalogue, FIRST)
        average = scores.meter.values["ap"]
        finding.pictures[f"gallery/{finding.name}"] = [
            _strip(
                _read(stores[0], index[row]),
                classes[truth[row]],
                [_read(stores[1], photo_index[photo]) for photo in ranked],
                [classes[owners[photo]] for photo in ranked],
                f"AP {float(average[row]):.2f}",
            )
            for row, ranked in zip(rows.tolist(), found.tolist(), strict=True)
        ]
    return finding


def classification_finding(name: str, known: np.ndarray, classes: Sequence[str], store: Any, shown: int) -> Finding:
    """Show what a classifier took samples for.

    Args:
        name: of the evaluation.
        known: indices, true and found classes, (3, Q).
        classes: K names.
        store: to read pictures from; None for none.
        shown: pictures, at most.
    """
    index, truth, found = known
    finding = Finding(name)
    finding.add_classes(truth, found, classes)
    if store is not None:
        rows = spread(truth, shown).tolist()
        finding.pictures[f"gallery/{name}"] = [
            _guess(_read(store, index[row]), classes[truth[row]], classes[found[row]] if found[row] >= 0 else "nothing")
            for row in rows
        ]
    return finding


def embeddings_finding(saved: dict[str, np.ndarray], shown: int) -> Finding:
    """Show the gallery of an embeddings.npz."""
    places = zip(saved["thumbnail_role"].tolist(), saved["thumbnail_row"].tolist(), strict=True)
    pictures = dict(zip(places, saved["thumbnails"], strict=True))
    labels, owners, classes = saved["query_label"], saved["catalogue_label"], saved["classes"].tolist()
    strips = [
        _strip(
            pictures[0, row],
            classes[labels[row]],
            [pictures[1, photo] for photo in ranked],
            [classes[owners[photo]] for photo in ranked],
        )
        for row, ranked in zip(saved["shown"].tolist(), saved["first"][:, :FIRST].tolist(), strict=True)
        if (0, row) in pictures
    ]
    return Finding("predict", pictures={"gallery/predict": strips[:shown]} if strips else {})


def predictions_finding(saved: dict[str, np.ndarray], shown: int) -> Finding:
    """Show what a predictions.npz says: classes, confusion, and samples with what they were taken for."""
    probabilities, truth, classes = saved["probabilities"], saved["label"], saved["classes"].tolist()
    sound = np.isfinite(probabilities).all(axis=1)
    found = np.where(sound, np.nan_to_num(probabilities).argmax(axis=1), -1)
    finding = Finding("predict")
    finding.add_classes(truth, found, classes)
    finding.pictures["gallery/predict"] = [
        _guess(picture, classes[truth[row]], classes[found[row]] if found[row] >= 0 else "nothing")
        for picture, row in zip(saved["thumbnails"][:shown], saved["thumbnail_rows"][:shown].tolist(), strict=True)
    ]
    return finding


def _guess(picture: np.ndarray, true: str, taken: str) -> tuple[Image.Image, str]:
    """One sample with what it was taken for, and a caption."""
    return tile(picture, taken, taken == true), f"{true}, taken for {taken}"


def _strip(
    query: np.ndarray, name: str, photos: list[np.ndarray], names: list[str], more: str = ""
) -> tuple[Image.Image, str]:
    """One query with its photos in their order, and a caption."""
    tiles = [tile(query, f"query: {name}")]
    tiles += [
        tile(photo, f"{place}. {own}", own == name)
        for place, (photo, own) in enumerate(zip(photos, names, strict=True), 1)
    ]
    right = sum(own == name for own in names)
    return strip(tiles), ", ".join(part for part in (f"{name}: {right} of {len(names)} right", more) if part)


def _read(store: Any, index: Any) -> np.ndarray:
    return thumbnail(store.read(int(index)), SIDE)


def _codes(embeddings: Tensor) -> np.ndarray:
    return (F.normalize(embeddings.double(), dim=1) * _ONE).round().cpu().numpy()


def _nearest(queries: np.ndarray, photos: np.ndarray, first: int) -> np.ndarray:
    """Rows of the nearest photos, (Q, F), of equally near ones the first in the catalogue."""
    return np.argsort(-(queries @ photos.T), axis=1, kind="stable")[:, :first]
