"""Which classes a run takes for which: by its predictions, or by what it finds first.

N samples, K classes, Q queries, F first photos.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybrid_sbir.figures.reading import read_one
from hybrid_sbir.results.prediction_page import confused_pairs
from hybrid_sbir.results.run_files import read_arrays

FIRST = 10
"""Photos of each ranking that are looked at, as in P@10."""


@dataclass(frozen=True)
class Pair:
    """A class taken for another.

    Attributes:
        true: the class of the sketches.
        said: the class that was predicted, or whose photos were found.
        count: how often.
        total: how often it could have been: the class's samples, or the places of its rankings.
    """

    true: str
    said: str
    count: int
    total: int

    @property
    def share(self) -> float:
        """Percent of the total."""
        return 100 * self.count / self.total


@dataclass(frozen=True)
class Confused:
    """Of a run.

    Attributes:
        name: of the run.
        of: what is counted, in words.
        pairs: the most frequent first, as many as were asked for.
        others: further pairs.
        wrong: mistakes in all.
        total: samples, or places, in all.
    """

    name: str
    of: str
    pairs: tuple[Pair, ...]
    others: int
    wrong: int
    total: int


def read_confused(folder: Path, most: int) -> Confused:
    """Count a run's mistakes: of its predictions.npz, or of the first photos in its embeddings.npz.

    Raises:
        ValueError: if a file is damaged.
        FileNotFoundError: if there is neither.
    """
    if (folder / "embeddings.npz").is_file():
        return _found(folder, most)
    name = read_one(folder)[0]

    def counted(arrays: Mapping[str, np.ndarray]) -> Confused:
        probabilities, labels = arrays["probabilities"], arrays["label"]
        classes = [str(one) for one in arrays["classes"]]
        if probabilities.shape != (labels.size, len(classes)) or not labels.size:
            raise ValueError(
                f"probabilities are {probabilities.shape} for {labels.size} samples, {len(classes)} classes"
            )
        pairs = confused_pairs(probabilities, labels, len(classes) ** 2)
        totals = np.bincount(labels, minlength=len(classes))
        return _confused(name, "samples", pairs, classes, totals, most)

    return read_arrays(folder, "predictions.npz", counted)


def _found(folder: Path, most: int) -> Confused:
    """Photos of other classes among the first ten of each query, by cosine."""
    from hybrid_sbir.results.retrieval_run import RetrievalRun  # both import PyTorch
    from hybrid_sbir.retrieval import nearest

    run = RetrievalRun.read(folder)
    first = min(FIRST, len(run.catalogue))
    places = nearest(run.queries, run.catalogue, first)[1]
    found, labels = run.catalogue_labels[places].numpy(), run.query_labels.numpy()
    kinds = len(run.classes)
    counts = np.bincount((labels[:, None] * kinds + found).ravel(), minlength=kinds**2).reshape(kinds, kinds)
    np.fill_diagonal(counts, 0)
    true, said = np.nonzero(counts)
    order = np.lexsort((said, true, -counts[true, said]))
    pairs = [(int(true[k]), int(said[k]), int(counts[true[k], said[k]])) for k in order]
    totals = first * np.bincount(labels, minlength=kinds)
    return _confused(run.name, f"first {first} places", pairs, list(run.classes), totals, most)


def _confused(
    name: str, of: str, pairs: list[tuple[int, int, int]], classes: list[str], totals: np.ndarray, most: int
) -> Confused:
    shown = tuple(Pair(classes[true], classes[said], count, int(totals[true])) for true, said, count in pairs[:most])
    wrong = sum(count for _, _, count in pairs)
    return Confused(name, of, shown, max(0, len(pairs) - most), wrong, int(totals.sum()))
