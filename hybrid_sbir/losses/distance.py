"""Euclidean distance between rows, with a gradient that stays finite. N rows, E embedding size."""

import torch
from torch import Tensor


def squared_distance(left: Tensor, right: Tensor) -> Tensor:
    """D^2 of each row of ``left`` (N, E) to the same row of ``right`` (N, E): (N,)."""
    return (left - right).square().sum(dim=1)


def distance(left: Tensor, right: Tensor) -> Tensor:
    """D of each row to the same row of the other: (N,); its gradient is 0 where both coincide, and not 0/0."""
    squared = squared_distance(left, right)
    coincide = squared == 0
    return squared.masked_fill(coincide, 1.0).sqrt().masked_fill(coincide, 0.0)


def mean_or_zero(terms: Tensor) -> Tensor:
    """Mean of terms (N,); of none a zero that still belongs to the graph."""
    return terms.sum() / max(terms.numel(), 1)


def nearest_pairs(left: Tensor, right: Tensor, forbidden: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Find the closest pairs of rows of (N, E) and (M, E), without a gradient.

    Args:
        left: (N, E).
        right: (M, E).
        forbidden: pairs left out, (N, M), bool.
        count: how many are wanted; there may be fewer.

    Returns:
        Rows of ``left`` and of ``right``, and which of these pairs count, each (min(count, N * M),).
    """
    with torch.no_grad():  # the direct formula: through a product, close pairs would be told apart by rounding alone
        apart = torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")
        apart = apart.masked_fill(forbidden, torch.inf).flatten()
        value, place = apart.topk(min(count, apart.numel()), largest=False)
    return place // max(len(right), 1), place % max(len(right), 1), value != torch.inf
