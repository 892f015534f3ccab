"""Nearest photos by cosine, the same for any block of the catalogue, any threads and any device.

As in :mod:`hybrid_sbir.metrics.similarity`, embeddings of norm 1 (or 0: like nothing) are rounded to multiples of
2**-26 and multiplied as whole numbers in float64, where no sum rounds.

Shapes: Q queries, N photos, E dimensions, K neighbours.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_ONE = 2.0**26  # the code of a component of 1
_SCORES = 1 << 24  # in memory at once: 128 MiB


def codes(embeddings: Tensor) -> Tensor:
    """Return embeddings (M, E) on the unit sphere as whole numbers in float64; a product of two is 2**52 cosines."""
    return F.normalize(embeddings.double()).mul_(_ONE).round_()


def cosines(queries: Tensor, photos: Tensor) -> Tensor:
    """Return the cosines (Q, N), float64, of two sets of :func:`codes`."""
    return (queries @ photos.T).div_(_ONE * _ONE)


def nearest(queries: Tensor, catalogue: Tensor, k: int, leave_one_out: bool = False) -> tuple[Tensor, Tensor]:
    """Find the nearest photos of each query; of equally near ones those that stand first in the catalogue.

    Args:
        queries: (Q, E), floating point.
        catalogue: (N, E).
        k: K, from 1 to N.
        leave_one_out: the queries are the catalogue; no photo is a neighbour of itself.

    Returns:
        Cosines (Q, K), float64, descending, and places in the catalogue (Q, K), int64.

    Raises:
        ValueError: if a shape or number is not as above, or an embedding is not finite.
    """
    check(queries, catalogue)
    most = len(catalogue) - leave_one_out
    if not 1 <= k <= most:
        raise ValueError(f"{k} neighbours were asked for among {most} photos; give 1 to {most}")
    return nearest_coded(codes(queries), codes(catalogue), k, leave_one_out)


def nearest_coded(queries: Tensor, photos: Tensor, k: int, leave_one_out: bool = False) -> tuple[Tensor, Tensor]:
    """Find what :func:`nearest` finds, given :func:`codes`, (Q, E) and (N, E)."""
    near = torch.empty(len(queries), k, dtype=torch.float64, device=queries.device)
    places = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
    for rows in blocks(len(queries), len(photos)):
        scores = cosines(queries[rows], photos)
        if leave_one_out:
            scores.diagonal(rows.start).fill_(-torch.inf)
        near[rows], places[rows] = _largest(scores, k)
    return near, places


def blocks(count: int, width: int, numbers: int = _SCORES) -> list[slice]:
    """Rows to work on at once, so that ``width`` numbers a row stay within ``numbers`` in all."""
    step = max(1, numbers // max(1, width))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def _largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row, equal ones in the order of their columns."""
    places = scores.topk(k).indices
    tied = (scores >= scores.gather(1, places).amin(1, keepdim=True)).sum(1) > k
    if tied.any():  # which of several equal scores topk takes is not defined
        places[tied] = scores[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    places = places.sort(dim=1).values
    ordered, order = scores.gather(1, places).sort(dim=1, descending=True, stable=True)
    return ordered, places.gather(1, order)


def check(queries: Tensor, catalogue: Tensor) -> None:
    """Refuse what has no cosines.

    Raises:
        ValueError: says which embeddings are at fault, what they are and what they should be.
    """
    for name, embeddings in (("queries", queries), ("catalogue", catalogue)):
        if embeddings.ndim != 2 or not embeddings.is_floating_point():
            raise ValueError(f"{name} are {tuple(embeddings.shape)} {embeddings.dtype}; give floating-point rows")
        bad = (~embeddings.isfinite().all(dim=1)).nonzero().squeeze(1)
        if len(bad):
            raise ValueError(
                f"{len(bad)} of {len(embeddings)} {name} are not finite, the first in row {int(bad[0])}; leave them "
                "out, or put zeros in their place: those are like nothing"
            )
    if queries.shape[1] != catalogue.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} dimensions, the catalogue {catalogue.shape[1]}")
    if not len(catalogue):
        raise ValueError("the catalogue is empty; there is nothing near a query")
