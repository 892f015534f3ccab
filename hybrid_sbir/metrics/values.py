"""Ranking metrics of each query, and what becomes of them: means over queries and classes. Q queries."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from hybrid_sbir.metrics.places import Ties
from hybrid_sbir.metrics.similarity import Similarity


@dataclass(frozen=True)
class RankingValues:
    """What :func:`~hybrid_sbir.metrics.ranking_metrics` or ``scored_metrics`` found, on the CPU.

    A query without a relevant photo has no value: NaN here, left out of every mean and counted by :meth:`remarks`.
    Means are rounded once, from the exact sum, so the order of the queries does not show in them.

    Attributes:
        values: metric -> each query's value, (Q,), float64.
        labels: the queries' classes, (Q,), int64.
        relevant: how many relevant photos each query has, (Q,), int64.
        tied: how many of those share their score with an irrelevant photo, (Q,), int64.
        undecided: whether all photos have one score for the query, (Q,), bool.
        photos: size of the catalogue.
        similarity: what photos were ranked by; "given" where their scores were.
        ties: what a tie counts as.
    """

    values: dict[str, Tensor]
    labels: Tensor
    relevant: Tensor
    tied: Tensor
    undecided: Tensor
    photos: int
    similarity: Similarity | Literal["given"]
    ties: Ties

    def __getitem__(self, name: str) -> Tensor:
        """Return each query's value of a metric, (Q,).

        Raises:
            KeyError: if it was not computed; names those that were.
        """
        if name not in self.values:
            raise KeyError(f"'{name}' was not computed; there are: {', '.join(self.values)}")
        return self.values[name]

    def mean(self) -> dict[str, float]:
        """Return each metric's mean over the queries; NaN where none has a relevant photo."""
        return {name: _mean(values.tolist()) for name, values in self.values.items()}

    def per_class(self) -> dict[int, dict[str, float]]:
        """Return the means over the queries of each class, by class number; NaN for a class without relevant photos."""
        found: dict[int, dict[str, float]] = {}
        for label in self.labels.unique().tolist():
            own = self.labels == label
            found[label] = {name: _mean(values[own].tolist()) for name, values in self.values.items()}
        return found

    def macro(self) -> dict[str, float]:
        """Return the mean over classes of their means: each class counts once, however many queries it has."""
        rows = self.per_class().values()
        return {name: _mean(row[name] for row in rows) for name in self.values}

    def remarks(self) -> list[str]:
        """Say what a reader of the means must know: queries left out, ties, rankings that say nothing."""
        queries, lost = len(self.labels), int((self.relevant == 0).sum())
        tied, undecided = int((self.tied > 0).sum()), int(self.undecided.sum())
        found = []
        if not queries:
            found.append("there is no query")
        if lost:
            found.append(f"{lost} of {queries} queries have no relevant photo and are left out of the means")
        if tied:
            found.append(
                f"for {tied} of {queries} queries relevant photos share their score with others "
                f"({int(self.tied.sum())} of {int(self.relevant.sum())}); such ties count as '{self.ties}'"
            )
        if undecided:
            found.append(f"for {undecided} of {queries} queries all photos have one score: their order says nothing")
        return found


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan
