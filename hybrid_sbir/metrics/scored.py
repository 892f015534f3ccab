"""Retrieval scored from scores that are given: of re-ranking, of several models together, of someone else's system.

The definitions, the handling of ties and the result are those of :func:`~hybrid_sbir.metrics.ranking_metrics`.

Q queries, N photos, R relevant photos of a query.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from hybrid_sbir.metrics.counting import count_by_searching
from hybrid_sbir.metrics.findings import Findings
from hybrid_sbir.metrics.measures import measures
from hybrid_sbir.metrics.places import TIES, Ties
from hybrid_sbir.metrics.ranking import DEFAULT_METRICS
from hybrid_sbir.metrics.similarity import Codes
from hybrid_sbir.metrics.streaming import Block
from hybrid_sbir.metrics.values import RankingValues

_NUMBERS = 1 << 22  # scores worked on at once: 32 MiB
_LABELS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@torch.no_grad()
def scored_metrics(
    scores: Tensor,
    query_labels: Tensor,
    catalogue_labels: Tensor,
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    ties: str = "expected",
    exclude: Tensor | None = None,
) -> RankingValues:
    """Score rankings by given scores; a photo of the query's class is relevant.

    Args:
        scores: (Q, N), floating point, higher is nearer; of distances give the negative.
        query_labels: classes, (Q,), whole numbers.
        catalogue_labels: (N,), whole numbers.
        metrics: names from :mod:`hybrid_sbir.metrics.measures`.
        ties: "expected", "best" or "worst"; see :mod:`hybrid_sbir.metrics.places`.
        exclude: for each query the column of a photo that is left out of its ranking, -1 for none; (Q,).

    Returns:
        Values of each query, with "given" as the similarity.

    Raises:
        ValueError: if a shape, a type or a name is not as above, the catalogue is empty, or a score is not finite.
    """
    excluded = torch.full_like(query_labels, -1, dtype=torch.int64) if exclude is None else exclude
    asked = measures(tuple(metrics))
    _check(scores, query_labels, catalogue_labels, excluded, ties)
    found = Findings(len(scores), asked, scores.shape[1], cast(Ties, ties))
    for block in _blocks(scores, query_labels.long(), catalogue_labels.long(), excluded.long()):
        found.take(block)
    return found.values(query_labels.long(), "given")


def _blocks(scores: Tensor, labels: Tensor, photo_labels: Tensor, excluded: Tensor) -> Iterator[Block]:
    """Count for all queries that have a relevant photo, some at a time."""
    step = max(1, _NUMBERS // scores.shape[1])
    for rows in torch.arange(len(scores), device=scores.device).split(step):
        relevant = labels[rows, None] == photo_labels
        out = (excluded[rows] >= 0).nonzero().squeeze(1)
        relevant[out, excluded[rows[out]]] = False
        some = relevant.any(dim=1)
        if some.any():
            yield _counted(scores, rows[some], relevant[some], labels, excluded)


def _counted(scores: Tensor, rows: Tensor, relevant: Tensor, labels: Tensor, excluded: Tensor) -> Block:
    tile = scores[rows].double()  # widening keeps the order of any floating type, and makes no ties
    most = int(relevant.sum(dim=1).max())
    levels = tile.where(relevant, torch.inf).sort(dim=1).values[:, :most].contiguous()
    out = (excluded[rows] >= 0).nonzero().squeeze(1)
    tile[out, excluded[rows[out]]] = -torch.inf
    not_below, above = torch.zeros((2, *levels.shape), dtype=torch.int64, device=scores.device)
    count_by_searching(tile, levels, not_below, above)
    no_embeddings = Codes(tile.new_empty(len(rows), 0))
    return Block(rows, labels[rows], excluded[rows], no_embeddings, levels, not_below, above)


def _check(scores: Tensor, query_labels: Tensor, catalogue_labels: Tensor, excluded: Tensor, ties: str) -> None:
    if scores.ndim != 2 or not scores.is_floating_point():
        raise ValueError(f"scores are {tuple(scores.shape)} {scores.dtype}; give floating point, (queries, photos)")
    if not scores.shape[1]:
        raise ValueError("the catalogue is empty; there is nothing to rank")
    sides = (("query_labels", query_labels, 0), ("catalogue_labels", catalogue_labels, 1), ("exclude", excluded, 0))
    for name, labels, side in sides:
        if labels.shape != (scores.shape[side],) or labels.dtype not in _LABELS or labels.device != scores.device:
            raise ValueError(
                f"{name} is {tuple(labels.shape)} {labels.dtype} on {labels.device}; scores of "
                f"{tuple(scores.shape)} on {scores.device} need whole numbers, ({scores.shape[side]},), there too"
            )
    if len(excluded) and not -1 <= int(excluded.min()) <= int(excluded.max()) < scores.shape[1]:
        raise ValueError(f"exclude must hold places in the catalogue, 0 to {scores.shape[1] - 1}, or -1 for none")
    if ties not in TIES:
        raise ValueError(f"ties is '{ties}'; it can be {', '.join(TIES)}")
    bad = (~scores.isfinite()).any(dim=1).nonzero().squeeze(1)
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(scores)} queries have a score that is not finite, the first is row {int(bad[0])}; "
            "a ranking by such numbers would say nothing"
        )
