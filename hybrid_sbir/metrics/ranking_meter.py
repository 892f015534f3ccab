"""Embeddings gathered over batches and processes, ranked at the end of an epoch. M samples of a batch, D dimensions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from hybrid_sbir.metrics.ranking import DEFAULT_METRICS, ranking_metrics
from hybrid_sbir.metrics.values import RankingValues


class RankingMeter(Metric):
    """Retrieval of photos for sketches, for a validation loop under any number of processes.

    A sampler that gives every process as many samples as the others repeats some; they are told by their index and
    counted once. Every process ranks everything, and all get the same bits as one process alone.

    Args:
        metrics: see :func:`~hybrid_sbir.metrics.ranking_metrics`, as for the others.
        similarity: "cosine", "dot" or "euclidean".
        ties: "expected", "best" or "worst".
        leave_one_out: queries and photos are one data set with one numbering; a sample is left out of its own ranking.
        kwargs: of torchmetrics.

    Attributes:
        values: of the last :meth:`compute`, query by query in the order of their indices; None before.
        ranked: what that ranked, by role: embeddings, labels and indices of all processes; empty after :meth:`reset`.
    """

    full_state_update = False
    query_embedding: list[Tensor]
    query_label: list[Tensor]
    query_index: list[Tensor]
    photo_embedding: list[Tensor]
    photo_label: list[Tensor]
    photo_index: list[Tensor]

    def __init__(
        self,
        metrics: Sequence[str] = DEFAULT_METRICS,
        similarity: str = "cosine",
        ties: str = "expected",
        leave_one_out: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.metrics, self.similarity, self.ties = tuple(metrics), similarity, ties
        self.leave_one_out = leave_one_out
        self.values: RankingValues | None = None
        self.ranked: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        for role in ("query", "photo"):
            for name in ("embedding", "label", "index"):
                self.add_state(f"{role}_{name}", default=[], dist_reduce_fx="cat")

    def update(self, embedding: Tensor, label: Tensor, index: Tensor, role: str) -> None:
        """Add a batch. Each process must add at least one of queries and one of photos, be it an empty one.

        Args:
            embedding: (M, D); M may be 0.
            label: class numbers, (M,).
            index: positions in the data set of sketches or of photos, (M,).
            role: "query", "photo", or "both" for unimodal retrieval.

        Raises:
            ValueError: if the role is another.
        """
        if role not in ("query", "photo", "both"):
            raise ValueError(f"role is '{role}'; it can be query, photo, both")
        for each in ("query", "photo") if role == "both" else (role,):
            for name, value in (("embedding", embedding.detach()), ("label", label), ("index", index)):
                getattr(self, f"{each}_{name}").append(value)

    def compute(self) -> dict[str, float]:
        """Rank the photos of all processes for the queries of all processes; each metric's mean over the queries.

        Raises:
            ValueError: if there is no photo, or an embedding is not finite.
        """
        queries, labels, index = self._distinct("query")
        photos, photo_labels, photo_index = self._distinct("photo")
        self.ranked = {"query": (queries, labels, index), "photo": (photos, photo_labels, photo_index)}
        exclude = None
        if self.leave_one_out and len(photo_index):
            place = torch.searchsorted(photo_index, index).clamp(max=len(photo_index) - 1)
            exclude = place.where(photo_index[place] == index, -1)
        self.values = ranking_metrics(
            queries,
            photos,
            labels,
            photo_labels,
            self.metrics,
            similarity=self.similarity,
            ties=self.ties,
            exclude=exclude,
        )
        return self.values.mean()

    def reset(self) -> None:
        """Forget all samples; the values of the last :meth:`compute` stay."""
        super().reset()
        self.ranked = {}

    def _distinct(self, role: str) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings, labels and indices in the order of the indices, each index once."""
        states = [getattr(self, f"{role}_{name}") for name in ("embedding", "label", "index")]
        if not len(states[0]):
            raise ValueError(f"no {role} was given; call update with role '{role}' or 'both' first")
        embedding, label, index = (dim_zero_cat(state) for state in states)
        order = index.argsort(stable=True)
        ordered = index[order]
        first = torch.ones_like(ordered, dtype=torch.bool)
        first[1:] = ordered[1:] != ordered[:-1]
        kept = order[first]
        return embedding[kept], label[kept], index[kept]
