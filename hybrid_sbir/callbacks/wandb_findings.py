"""What an evaluation found, as tables and pictures for W&B.

Shapes: Q samples or queries, K classes, S shown queries, F photos shown of each, E embedding size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from hybrid_sbir.callbacks.wandb_pictures import confusion

_MOST_PAIRS = 200

Rows = list[list[Any]]


@dataclass
class Finding:
    """One evaluation's findings.

    Attributes:
        name: of the evaluation: "val", "val_unseen", "test", "predict".
        tables: name -> columns and rows.
        pictures: name -> pictures with captions.
    """

    name: str
    tables: dict[str, tuple[list[str], Rows]] = field(default_factory=dict)
    pictures: dict[str, list[tuple[Image.Image, str]]] = field(default_factory=dict)

    def add_classes(self, truth: np.ndarray, found: np.ndarray, classes: Sequence[str]) -> None:
        """Add each class's rate, and which classes are taken for which.

        Args:
            truth: true classes, (Q,).
            found: classes found, (Q,); -1 for none.
            classes: K names.
        """
        counts = count_pairs(truth, found, len(classes))
        self.tables[f"per_class/{self.name}"] = (
            ["class", "samples", "top1", "mistaken most for", "times"],
            class_rows(counts, classes),
        )
        self.add_confusion(counts, classes, "found")

    def add_confusion(self, counts: np.ndarray, classes: Sequence[str], word: str) -> None:
        """Add a matrix of :func:`count_pairs` as a picture, and its largest mistakes as a table."""
        present = np.flatnonzero(counts.sum(axis=1) + counts[:, :-1].sum(axis=0)).tolist()
        own = counts[present][:, [*present, len(classes)]]
        names = [classes[label] for label in present]
        self.tables[f"confused/{self.name}"] = (["class", word, "times", "share"], confused_rows(own, names))
        caption = f"{self.name}: {int(own[:, :-1].trace())} of {int(own.sum())} right"
        self.pictures[f"confusion/{self.name}"] = [(confusion(own, names), caption)]

    def add_details(self, name: str, per_class: Mapping[str, Mapping[str, float]]) -> None:
        """Add a retrieval's means over each class's queries, as metrics.json has them."""
        columns = list(dict.fromkeys(key for means in per_class.values() for key in means))
        rows = [[label, *(means.get(column) for column in columns)] for label, means in per_class.items()]
        self.tables[f"per_class/{name}"] = (["class", *columns], rows)


def count_pairs(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Count samples by true class and class found: (K, K + 1), int64; the last column is "none"."""
    column = np.where(found < 0, classes, found)
    counts = np.zeros((classes, classes + 1), np.int64)
    np.add.at(counts, (truth, column), 1)
    return counts


def class_rows(counts: np.ndarray, classes: Sequence[str]) -> Rows:
    """Return a row for each class that has samples: name, samples, share found right, and what it is most taken for."""
    names, rows = [*classes, "nothing"], []
    for label in np.flatnonzero(counts.sum(axis=1)).tolist():
        total, right = int(counts[label].sum()), int(counts[label, label])
        wrong = counts[label].copy()
        wrong[label] = 0
        worst = int(wrong.argmax())
        mistaken = [names[worst], int(wrong[worst])] if wrong[worst] else [None, 0]
        rows.append([classes[label], total, right / total, *mistaken])
    return rows


def confused_rows(counts: np.ndarray, classes: Sequence[str]) -> Rows:
    """Return the most frequent mistakes, largest first: class, what it was taken for, times, share of the class."""
    wrong = counts.copy()
    np.fill_diagonal(wrong[:, : len(classes)], 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    names, totals, rows = [*classes, "nothing"], counts.sum(axis=1), []
    for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[row, column]:
            times = int(wrong[row, column])
            rows.append([classes[row], names[column], times, times / int(totals[row])])
    return rows
