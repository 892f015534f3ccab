"""Retrieval scored: embeddings in, named values of each query out. Q queries, N photos, D dimensions."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor

from hybrid_sbir.metrics.admission import Share, check_together, summed_up
from hybrid_sbir.metrics.findings import Findings
from hybrid_sbir.metrics.measures import measures
from hybrid_sbir.metrics.places import TIES, Ties
from hybrid_sbir.metrics.shares import Group
from hybrid_sbir.metrics.similarity import SIMILARITIES, Scorer, Similarity
from hybrid_sbir.metrics.streaming import Catalogue, Queries, counted_blocks
from hybrid_sbir.metrics.values import RankingValues

DEFAULT_METRICS = ("ap", "rr", "p@10")


@torch.no_grad()
def ranking_metrics(
    queries: Tensor,
    catalogue: Tensor,
    query_labels: Tensor,
    catalogue_labels: Tensor,
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    similarity: str = "cosine",
    ties: str = "expected",
    exclude: Tensor | None = None,
    chunk: int | None = None,
    group: dist.ProcessGroup | None = None,
) -> RankingValues:
    """Rank the whole catalogue for each query and score the rankings; a photo of the query's class is relevant.

    Nothing of size Q x N is stored, and ``catalogue`` may be mapped from a file: only ``chunk`` photos are used at a
    time. The result has the same bits for any ``chunk``, any number of threads and of processes, and any order of the
    photos.

    Args:
        queries: (Q, D), floating point, on the CPU or a GPU, as everything else.
        catalogue: (N, D). With ``group``: this process's share of the photos, of any size.
        query_labels: classes, (Q,), whole numbers.
        catalogue_labels: (N,), whole numbers.
        metrics: names from :mod:`hybrid_sbir.metrics.measures`.
        similarity: "cosine", "dot", or "euclidean", where near is first.
        ties: what photos with one score count as: "expected", the mean over their orders, "best" or "worst"; see
            :mod:`hybrid_sbir.metrics.places`.
        exclude: for each query the place in the catalogue (with ``group``: in the shares, put together by rank) of a
            photo that is left out of its ranking, mostly the query itself; -1 for none. (Q,), whole numbers.
        chunk: photos scored at a time; None chooses.
        group: processes that share the catalogue. All call this with the same queries and get the same result.

    Raises:
        ValueError: if a shape, a type, a device or a name is not as above, the catalogue is empty, or an embedding is
            not finite. With ``group``: in all processes if in one.
    """
    excluded = torch.full_like(query_labels, -1, dtype=torch.int64) if exclude is None else exclude
    processes, names = Group(group), tuple(metrics)
    share = summed_up(
        lambda: _check_settings(names, similarity, ties, chunk),
        (queries, catalogue, query_labels, catalogue_labels, excluded),
        (names, similarity, ties),
    )
    shares = processes.tell(share)
    check_together(shares, excluded)
    scorer = Scorer(cast(Similarity, similarity), max(share.longest for share in shares))
    own = _own_share(catalogue, catalogue_labels, shares, processes.rank)
    told = Queries(queries, query_labels.long(), excluded.long())
    found = Findings(len(queries), measures(names), sum(share.photos for share in shares), cast(Ties, ties))
    for block in counted_blocks(told, own, scorer, processes, chunk):
        found.take(block)
    return found.values(told.labels, scorer.similarity)


def _check_settings(names: tuple[str, ...], similarity: str, ties: str, chunk: int | None) -> None:
    measures(names)
    for name, value, allowed in (("similarity", similarity, SIMILARITIES), ("ties", ties, TIES)):
        if value not in allowed:
            raise ValueError(f"{name} is '{value}'; it can be {', '.join(allowed)}")
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}; give a number of photos from 1 on, or None")


def _own_share(catalogue: Tensor, labels: Tensor, shares: list[Share], rank: int) -> Catalogue:
    first = sum(share.photos for share in shares[:rank])
    return Catalogue(catalogue, labels.long(), first, [share.classes for share in shares])
