"""Scores of photos for queries as exact whole numbers. Q queries, N photos, D dimensions.

The bits of a matrix product depend on its shape, its threads and its device, and with them the order of photos whose
scores almost agree. Here each embedding is scaled to a norm of at most 1 and its components are rounded to multiples of
2**-26. Written as whole numbers, codes are at most 2**26 long, so a product of two components is a whole number, and by
Cauchy and Schwarz every partial sum of such products stays below 2**53: float64 holds all of them, no addition rounds,
and any product of any shape on any device gives the same bits. The rounding moves a cosine by about 2**-27, no more
than float32 products do. Where scores are not cosines it is relative to the longest photo: components below 2**-27 of
that length count as 0.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from hybrid_sbir.metrics.summation import ordered_sum

Similarity = Literal["cosine", "dot", "euclidean"]
SIMILARITIES: tuple[str, ...] = get_args(Similarity)
_ONE = 2.0**26  # the code of a component of 1
_CACHED = 1 << 17  # components that a CPU works on at once


@dataclass(frozen=True)
class Codes:
    """Embeddings as whole numbers.

    Attributes:
        components: (M, D), float64.
        weight: (M,), float64; for "euclidean" only: half of a photo's squared norm, or the power of two that a query
            was shrunk by. None otherwise.
    """

    components: Tensor
    weight: Tensor | None = None

    def __getitem__(self, rows: Tensor | slice) -> "Codes":
        return Codes(self.components[rows], None if self.weight is None else self.weight[rows])


def norms(embeddings: Tensor) -> Tensor:
    """Norms in float64, (M, D) to (M,), the same bits on every device; not finite where a component is not."""
    out = torch.empty(len(embeddings), dtype=torch.float64, device=embeddings.device)
    for rows in _pieces(embeddings):
        components = embeddings[rows].double()
        out[rows] = ordered_sum(components * components).sqrt_()
    return out


class Scorer:
    """Turns embeddings into codes, and codes into scores.

    Args:
        similarity: "cosine" (a vector of zeros has a cosine of 0 with everything), "dot", or "euclidean": the
            negative distance, of which only the order is computed.
        longest: the largest norm among all photos.
    """

    def __init__(self, similarity: Similarity, longest: float) -> None:
        self.similarity = similarity
        self._unit = _power_of_two(torch.tensor([longest], dtype=torch.float64))

    def photos(self, embeddings: Tensor, out: Tensor | None = None) -> Codes:
        """Code photos, (N, D); into the first N rows of ``out``, float64, where it is given."""
        if self.similarity == "cosine":
            return Codes(_coded(embeddings, _reciprocal(norms(embeddings)), out))
        unit = self._unit.to(embeddings.device).expand(len(embeddings))
        codes = _coded(embeddings, 1 / unit, out)
        return Codes(codes, torch.linalg.vecdot(codes, codes) / 2 if self.similarity == "euclidean" else None)

    def queries(self, embeddings: Tensor) -> Codes:
        """Code queries, (Q, D)."""
        lengths = norms(embeddings)
        if self.similarity == "cosine":
            return Codes(_coded(embeddings, _reciprocal(lengths)))
        unit = _power_of_two(lengths)
        if self.similarity == "dot":  # a factor of a query's own changes no order
            return Codes(_coded(embeddings, 1 / unit))
        largest = self._unit.to(unit.device)
        shrunk = (largest / unit).clamp_(max=1.0)
        return Codes(_coded(embeddings, shrunk / largest), shrunk)

    def scores(self, queries: Codes, photos: Codes, out: Tensor | None = None) -> Tensor:
        """Score every photo for every query, (Q, N), whole numbers in float64; higher is nearer."""
        scores = torch.mm(queries.components, photos.components.T, out=out)
        if queries.weight is not None and photos.weight is not None:
            # |q - c|^2 falls as q.c - |c|^2 / 2 rises
            scores -= (queries.weight[:, None] * photos.weight).round_()
        return scores


def _coded(embeddings: Tensor, factor: Tensor, out: Tensor | None = None) -> Tensor:
    """Round (M, D) times (M,) to codes."""
    if out is None:
        out = torch.empty(embeddings.shape, dtype=torch.float64, device=embeddings.device)
    codes, factor = out[: len(embeddings)], factor[:, None] * _ONE
    for rows in _pieces(embeddings):
        codes[rows].copy_(embeddings[rows]).mul_(factor[rows]).round_()
    return codes


def _pieces(embeddings: Tensor) -> list[slice]:
    """Rows to work on at once: on a CPU as many as its cache holds."""
    count, dimension = embeddings.shape
    step = max(1, _CACHED // dimension) if embeddings.device.type == "cpu" else max(1, count)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def _reciprocal(lengths: Tensor) -> Tensor:
    return (1 / lengths).where(lengths > 0, 0.0)


def _power_of_two(lengths: Tensor) -> Tensor:
    """The power of two above each length, 1 for 0: the length over its mantissa, which is exact everywhere."""
    return (lengths / torch.frexp(lengths).mantissa).where(lengths > 0, 1.0)
