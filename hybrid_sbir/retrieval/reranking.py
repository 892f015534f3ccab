"""k-reciprocal re-ranking (Zhong, Zheng, Cao and Li, CVPR 2017). Uses the catalogue.

Two images are k-reciprocal neighbours if each is among the other's k nearest. An image is encoded by its k-reciprocal
neighbours in the catalogue, those of its neighbours added where two thirds of them are its own too, weighted by
exp(-distance) with a sum of 1 and averaged over its nearest images; images whose codes overlap are near. The distance
is 1 - cosine, half of the squared Euclidean one. As in the authors' code an image counts as its own neighbour beside k
others. Unlike there, queries know nothing of each other: each is ranked as if it came alone, so a result does not
depend on which other queries were asked.

Shapes: Q queries, N photos, B rows of a block, E dimensions, K = k1 + 1, H = half of k1 + 1, Z stored numbers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hybrid_sbir.retrieval.neighbours import blocks, check, codes, cosines, nearest_coded
from hybrid_sbir.retrieval.sparse import Sparse

_K1, _K2 = 20, 6  # the paper's
_CELLS = 1 << 24  # of comparisons or scores at once
_ONE_SQUARED = 2.0**52


def neighbourhood(photos: int) -> tuple[int, int]:
    """Return the paper's k1 and k2, or what a catalogue of so few photos admits.

    Raises:
        ValueError: if there are fewer than two photos, of which none has a neighbour.
    """
    if photos < 2:
        raise ValueError(f"re-ranking compares neighbours in the catalogue; the catalogue has {photos}: give 2 or more")
    k1 = min(_K1, photos - 1)
    return k1, min(_K2, k1)


@torch.no_grad()
def rerank(queries: Tensor, catalogue: Tensor, k1: int = _K1, k2: int = _K2, weight: float = 0.3) -> Tensor:
    """Score every photo for every query by the overlap of their neighbourhoods.

    Beside the result, memory follows from N times k1 times k2, and from one block; the N x N distances are never
    stored. Neighbours are found on the embeddings' device, the rest is done on the CPU. Blocks and devices leave no
    trace in the result.

    Args:
        queries: (Q, E), floating point.
        catalogue: (N, E).
        k1: how many neighbours encode an image, from 1 to N - 1.
        k2: over how many images its code is averaged, itself included, from 1 (itself only) to k1.
        weight: share of the original distance in the result, from 0 to 1.

    Returns:
        Scores (Q, N), float64, on the CPU, 0 at most; higher is nearer.

    Raises:
        ValueError: if an argument is not as above, or an embedding is not finite.
    """
    check(queries, catalogue)
    return Reranking(catalogue, k1, k2, weight).scores(queries)


class Reranking:
    """What does not depend on the queries, computed once; :func:`rerank` for queries that come one after the other.

    Args:
        catalogue: (N, E), floating point.
        k1: see :func:`rerank`.
        k2: see :func:`rerank`.
        weight: see :func:`rerank`.

    Raises:
        ValueError: see :func:`rerank`.
    """

    @torch.no_grad()
    def __init__(self, catalogue: Tensor, k1: int = _K1, k2: int = _K2, weight: float = 0.3) -> None:
        check(catalogue, catalogue)
        _check_numbers(len(catalogue), k1, k2, weight)
        self._k1, self._k2, self._weight = k1, k2, weight
        self._photos = codes(catalogue)
        self._reference = _Reference.of(self._photos, k1)
        self._index = _averaged(self._reference.encoded, self._reference.lists[:, :k2]).transposed()
        self._sums = _sums(self._index, len(self._photos))

    @torch.no_grad()
    def scores(self, queries: Tensor) -> Tensor:
        """Return what :func:`rerank` returns for queries (Q, E): (Q, N), float64, on the CPU.

        Raises:
            ValueError: if they are not floating point or finite, or of another size than the catalogue.
        """
        check(queries, self._photos)
        photos, weight = self._photos, self._weight
        result = torch.empty(len(queries), len(photos), dtype=torch.float64)
        for rows in blocks(len(queries), len(photos), _CELLS):
            asked = codes(queries[rows])
            original = 1 - cosines(asked, photos).cpu()
            encoded = _encoded_queries(asked, photos, self._reference, self._k1, self._k2)
            overlap = _overlap(encoded, self._index, self._sums)
            result[rows] = -((1 - weight) * (1 - overlap) + weight * original)
        return result


@dataclass(frozen=True)
class _Reference:
    """What is known of the catalogue before a query comes, on the CPU.

    Attributes:
        codes: (N, E), float64.
        lists: each photo and its k1 nearest others, (N, K).
        reach: cosine of the last of them, (N,): what is as near has the photo among its own k1 nearest.
        short: the first of the lists, (N, H), and whether each is reciprocal among the first.
        encoded: each photo's weighted neighbours, not averaged yet.
    """

    codes: Tensor
    lists: Tensor
    reach: Tensor
    short: tuple[Tensor, Tensor]
    encoded: Sparse

    @classmethod
    def of(cls, photos: Tensor, k1: int) -> "_Reference":
        near, others = (part.cpu() for part in nearest_coded(photos, photos, k1, leave_one_out=True))
        photos = photos.cpu()
        lists = torch.cat([torch.arange(len(photos))[:, None], others], dim=1)
        first = lists[:, : round(k1 / 2) + 1].contiguous()
        short, valid = (first, _reciprocal(first)), _reciprocal(lists)
        parts = [
            _encode(photos[rows], photos, lists[rows], valid[rows], short)
            for rows in blocks(len(lists), lists.shape[1] ** 2 * first.shape[1], _CELLS)
        ]
        return cls(photos, lists, near[:, -1], short, Sparse.stacked(parts))


def _reciprocal(lists: Tensor) -> Tensor:
    """Whether a photo is in the list of each in its own list: (N, K) bool."""
    own = torch.arange(len(lists))
    cut = blocks(len(lists), lists.shape[1] ** 2, _CELLS)
    return torch.cat([(lists[lists[rows]] == own[rows, None, None]).any(dim=2) for rows in cut])


def _encode(asked: Tensor, photos: Tensor, members: Tensor, valid: Tensor, short: tuple[Tensor, Tensor]) -> Sparse:
    """Weigh the extended neighbours of images with the codes ``asked`` (B, E), given their own as (B, K)."""
    row, place = _extended(members, valid, short, len(photos))
    value = torch.empty(len(row), dtype=torch.float64)
    for part in blocks(len(row), photos.shape[1], _CELLS):
        near = (asked[row[part]] * photos[place[part]]).sum(dim=1) / _ONE_SQUARED
        value[part] = torch.exp(near - 1)
    total = torch.bincount(row, value, minlength=len(members))
    return Sparse.of(row, place, value / total[row], (len(members), len(photos)))


def _extended(members: Tensor, valid: Tensor, short: tuple[Tensor, Tensor], photos: int) -> tuple[Tensor, Tensor]:
    """Add the neighbours of neighbours; the rows and places of all that then belong together, each once."""
    added, counts = short[0][members], short[1][members]
    known = ((added[..., None] == members[:, None, None, :]) & valid[:, None, None, :]).any(dim=3) & counts
    accepted = valid & (3 * known.sum(dim=2) >= 2 * counts.sum(dim=2))
    added = added.where(counts & accepted[..., None], photos)
    every = torch.cat([members.where(valid, photos), added.flatten(1)], dim=1).sort(dim=1).values
    kept = every < photos
    kept[:, 1:] &= every[:, 1:] != every[:, :-1]
    row, column = kept.nonzero().unbind(1)
    return row, every[row, column]


def _averaged(encoded: Sparse, lists: Tensor) -> Sparse:
    """Average each photo's code over those in its list, (N, k2): local query expansion."""
    parts = []
    for rows in blocks(len(lists), 64 * lists.shape[1], _CELLS):
        source, place, value = encoded.taken(lists[rows].flatten())
        some = len(lists[rows]), encoded.width
        parts.append(Sparse.of(source // lists.shape[1], place, value / lists.shape[1], some))
    return Sparse.stacked(parts)


def _encoded_queries(asked: Tensor, photos: Tensor, reference: _Reference, k1: int, k2: int) -> Sparse:
    """Encode queries, each alone beside the catalogue, and average with their first k2 - 1 photos."""
    near, places = (part.cpu() for part in nearest_coded(asked, photos, k1))
    valid = near >= reference.reach[places]
    own = _encode(asked.cpu(), reference.codes, places, valid, reference.short)
    if k2 == 1:
        return own
    source, place, value = reference.encoded.taken(places[:, : k2 - 1].flatten())
    rows, columns = torch.cat([own.rows(), source // (k2 - 1)]), torch.cat([own.place, place])
    return Sparse.of(rows, columns, torch.cat([own.value, value]) / k2, (len(asked), own.width))


def _overlap(asked: Sparse, index: Sparse, sums: Tensor) -> Tensor:
    """Sum of minima over sum of maxima of each query's and each photo's code, (B, N); ``index`` has places as rows."""
    least = torch.zeros(len(asked) * index.width, dtype=torch.float64)
    for query, own in enumerate(asked.rows().split(asked.start.diff().tolist())):
        part = slice(int(asked.start[query]), int(asked.start[query]) + len(own))
        source, photo, value = index.taken(asked.place[part])
        found = torch.bincount(photo, value.minimum(asked.value[part][source]), minlength=index.width)
        least[query * index.width : (query + 1) * index.width] = found
    shared = least.view(len(asked), index.width)
    return shared / (asked.sums()[:, None] + sums - shared)


def _sums(index: Sparse, photos: int) -> Tensor:
    """Return the sum of each photo's code, (N,), from the index with places as rows."""
    return torch.bincount(index.place, index.value, minlength=photos)


def _check_numbers(photos: int, k1: int, k2: int, weight: float) -> None:
    if not 1 <= k1 < photos or not 1 <= k2 <= k1:
        raise ValueError(
            f"k1 is {k1} and k2 is {k2} with {photos} photos; give 1 <= k2 <= k1 and k1 < {photos} (20 and 6 as "
            "published)"
        )
    if not 0 <= weight <= 1:
        raise ValueError(f"weight is {weight}; give the share of the original distance, 0 to 1 (0.3 as published)")
