"""Exact cosines of some photos, in the order of the evaluator; how far float32 can be from them.

N photos, E embedding size, Q queries, C candidates, K results.
"""

import numpy as np
import torch
from torch import Tensor

from hybrid_sbir.retrieval.neighbours import check, codes, cosines

BLOCK = 1 << 14  # photos coded at once: 16 MiB in float64 at 128 numbers
_FARTHEST_NORM = 1e-3  # of a vector of norm 1


def checked(queries: np.ndarray, size: int) -> Tensor:
    """Return queries (Q, E) as :func:`retrieval.neighbours.codes`.

    Raises:
        ValueError: if they are no finite rows of ``size`` numbers.
    """
    rows = torch.from_numpy(np.ascontiguousarray(queries))
    check(rows, torch.zeros(1, size))
    return codes(rows)


def farthest_norm(vectors: np.ndarray) -> float:
    """Return by how much the norm of any vector of (N, E) differs from 1; zeros, which are like nothing, are left out.

    Raises:
        ValueError: if they are no rows of float32, or one is not finite or of another norm than 1 or 0.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise ValueError(f"vectors are {vectors.shape} {vectors.dtype}; give rows of float32")
    farthest = 0.0
    for start in range(0, len(vectors), BLOCK):
        norms = np.linalg.norm(vectors[start : start + BLOCK].astype(np.float64), axis=1)
        off = np.where(norms == 0, 0.0, np.abs(norms - 1))
        bad = np.flatnonzero(~(off <= _FARTHEST_NORM))
        if len(bad):
            raise ValueError(f"vector {start + bad[0]} has norm {norms[bad[0]]}; give vectors of norm 1, or of zeros")
        farthest = max(farthest, float(off.max(initial=0)))
    return farthest


def first_without_norm(vectors: np.ndarray) -> int | None:
    """Return the place of the first of (N, E), float32, that is of another norm than 1 or 0; None where all are.

    Roughly, in float32: a fraction of the time that :func:`farthest_norm` takes, each time an index is opened.
    """
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        squares = np.einsum("ne,ne->n", block, block)
        bad = np.flatnonzero(~((np.abs(squares - 1) <= 4 * _FARTHEST_NORM) | (squares == 0)))
        if len(bad):
            return start + int(bad[0])
    return None


def error_bound(size: int, farthest: float) -> float:
    """Return how far a float32 product can be from the exact cosine of the codes.

    The sum of E products rounds by at most E + 2 half units in any order (Higham, Accuracy and Stability of Numerical
    Algorithms, section 3.1); a code is off by 2**-27 a number; a stored vector's norm is off by ``farthest``.
    """
    rounding = (size + 8) * 2.0**-24 * (1 + farthest) ** 2
    return rounding + farthest + 2 * size**0.5 * 2.0**-27 + 2.0**-24


def all_scores(queries: Tensor, vectors: np.ndarray) -> Tensor:
    """Return the exact cosines (Q, N), float64, of query codes; vectors are coded in blocks."""
    scores = torch.empty(len(queries), len(vectors), dtype=torch.float64)
    for start in range(0, len(vectors), BLOCK):
        block = torch.from_numpy(np.array(vectors[start : start + BLOCK]))
        scores[:, start : start + BLOCK] = cosines(queries, codes(block))
    return scores


def best(query: Tensor, vectors: np.ndarray, candidates: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the K best of some photos: of equal ones those that stand first.

    Args:
        query: (E,), codes.
        vectors: (N, E).
        candidates: (C,), places in any order, at least K.
        k: K.

    Returns:
        Cosines (K,), float32, falling; places (K,), int64.
    """
    places = np.sort(candidates)
    scores = all_scores(query[None], vectors[places])[0].numpy()
    order = np.argsort(-scores, kind="stable")[:k]
    return scores[order].astype(np.float32), places[order]
