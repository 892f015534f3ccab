"""Scores of one retrieval evaluation, gathered over batches and processes. M samples of a batch, E embedding size."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn

from hybrid_sbir.batch import RetrievalSet
from hybrid_sbir.metrics import RankingMeter, RankingValues, ranking_metrics, scored_metrics
from hybrid_sbir.retrieval import expand_queries, neighbourhood, rerank
from hybrid_sbir.tasks.non_finite import NonFiniteSamples

NAMES = {"ap": "map", "rr": "mrr", "p@10": "p10"}
"""What a metric is called in logs when its mean over the queries is meant."""

ROLES = ("query", "photo")

CatalogueMethod = Literal["expansion", "reranking"]
"""What may be done with a ranking when the whole catalogue is known: alpha query expansion, k-reciprocal re-ranking."""

_LOGGED_AS = {"expansion": "expanded", "reranking": "reranked"}
_EXPANDED_BY = 10  # photos


class RetrievalScores(nn.Module):
    """Meters of one evaluation.

    Args:
        about: its name, classes and groups.
        embedding_size: E.

    Attributes:
        meter: holds embeddings.
        found: after :meth:`compute` each query's values, by what they are logged under.
        non_finite: how many samples had an embedding that is no number, after :meth:`compute`.
    """

    def __init__(self, about: RetrievalSet, embedding_size: int) -> None:
        super().__init__()
        self.about, self.embedding_size = about, embedding_size
        self.meter = RankingMeter(metrics=tuple(NAMES))
        self.unsound = nn.ModuleDict({role: NonFiniteSamples() for role in ROLES})
        self.found: dict[str, RankingValues] = {}
        self.non_finite = 0

    def update(self, embedding: Tensor, label: Tensor, index: Tensor, role: str) -> None:
        """Add a batch of sketches (role "query") or photos: normalised embeddings (M, E), classes, indices (M,).

        An embedding that is no number counts as the zero vector, whose cosine with everything is 0: attention without a
        softmax may overflow on images unlike the training data, and one such photo must not end an evaluation.
        """
        self.unsound[role].update(embedding, index)  # type: ignore[operator]  # ModuleDict's values are Modules
        sound = embedding.isfinite().all(dim=1, keepdim=True)
        self.meter.update(embedding.where(sound, 0.0), label, index, role)

    def compute(self, using_catalogue: Sequence[CatalogueMethod] = (), remark: bool = True) -> dict[str, float]:
        """Return the means by logged name, of all queries and of each group's, and remark on what a reader must know.

        All processes call this; one whose share was empty takes part.

        Args:
            using_catalogue: methods that use the whole catalogue, whose scores come under names of their own:
                ``test_expanded/map`` beside ``test/map``.
            remark: whether to remark.
        """
        device = self.meter.device
        for role in ROLES:
            none = torch.empty(0, dtype=torch.int64, device=device)
            self.meter.update(torch.empty(0, self.embedding_size, device=device), none, none, role)
        self.meter.compute()
        assert self.meter.values is not None, "compute has set it"
        self.found = {self.about.name: self.meter.values}
        if remark:
            self._remark()
        for method in using_catalogue:
            self.found[f"{self.about.name}_{_LOGGED_AS[method]}"] = self._with_catalogue(method)
        return {name: mean for start, values in self.found.items() for name, mean in self._named(start, values).items()}

    def _named(self, start: str, values: RankingValues) -> dict[str, float]:
        """Means of all queries and of each group's, by logged name."""
        found = {f"{start}/{NAMES[name]}": mean for name, mean in values.mean().items()}
        for group, labels in self.about.groups.items():
            own = torch.isin(values.labels, torch.tensor(labels, dtype=torch.int64))
            found |= {f"{start}/{group}_{NAMES[name]}": _mean(values[name][own].tolist()) for name in NAMES}
        return found

    def _with_catalogue(self, method: CatalogueMethod) -> RankingValues:
        (queries, labels, _), (photos, photo_labels, _) = (self.meter.ranked[role] for role in ROLES)
        metrics = tuple(NAMES)
        if method == "expansion":
            expanded = expand_queries(queries, photos, min(_EXPANDED_BY, len(photos)))
            return ranking_metrics(expanded, photos, labels, photo_labels, metrics)
        scores = rerank(queries, photos, *neighbourhood(len(photos)))
        return scored_metrics(scores, labels.cpu(), photo_labels.cpu(), metrics)

    def reset(self) -> None:
        """Forget all samples."""
        self.meter.reset()
        for unsound in self.unsound.values():
            unsound.reset()  # type: ignore[operator]

    def _remark(self) -> None:
        found = {role: self.unsound[role].compute() for role in ROLES}  # type: ignore[operator]
        self.non_finite = sum(map(len, found.values()))
        for role, samples in found.items():
            if samples:
                rank_zero_warn(
                    f"{self.about.name}: the embeddings of {len(samples)} {role} images are not finite (indices "
                    f"{samples[:10]}{' and more' if len(samples) > 10 else ''}); they count as unlike everything"
                )
        if self.meter.values is not None:
            for remark in self.meter.values.remarks():
                rank_zero_warn(f"{self.about.name}: {remark}")


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan
