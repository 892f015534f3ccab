"""Query expansion: a query moves towards the photos that it finds first. Uses the catalogue.

- average (``alpha=0``): query and first photos are added up (Chum et al., "Total Recall", ICCV 2007).
- alpha: each photo counts by its cosine to the power of alpha (Radenovic, Tolias and Chum, TPAMI 2019, with alpha 3);
  photos on the other side of the sphere do not count.

Database augmentation does the same to every photo of the catalogue, before any query comes (Turcot and Lowe, 2009).

Shapes: Q queries, N photos, E dimensions, K first photos.
"""

import torch.nn.functional as F
from torch import Tensor

from hybrid_sbir.retrieval.neighbours import blocks, nearest


def expand_queries(queries: Tensor, catalogue: Tensor, k: int, alpha: float = 3.0) -> Tensor:
    """Add to each query its K nearest photos.

    Args:
        queries: (Q, E), floating point.
        catalogue: (N, E).
        k: K, from 1 to N.
        alpha: weight of a photo is its cosine to this power, 0 or more; 0 is the plain average.

    Returns:
        (Q, E), float32, of norm 1.

    Raises:
        ValueError: if an argument is not as above, or an embedding is not finite.
    """
    return _expanded(queries, catalogue, k, alpha, leave_one_out=False)


def augment_catalogue(catalogue: Tensor, k: int, alpha: float = 3.0) -> Tensor:
    """Add to each photo its K nearest other photos; arguments and result, (N, E), as of :func:`expand_queries`."""
    return _expanded(catalogue, catalogue, k, alpha, leave_one_out=True)


def _expanded(queries: Tensor, catalogue: Tensor, k: int, alpha: float, leave_one_out: bool) -> Tensor:
    if not 0 <= alpha < float("inf"):
        raise ValueError(f"alpha is {alpha}; give a power from 0 on (0 averages, 3 as published)")
    cosines, places = nearest(queries, catalogue, k, leave_one_out)
    weights = cosines.clamp_(min=0) ** alpha if alpha else cosines.new_ones(cosines.shape)
    total, photos = F.normalize(queries.double()), F.normalize(catalogue.double())
    for rows in blocks(len(queries), catalogue.shape[1]):
        for place, weight in zip(places[rows].unbind(1), weights[rows].unbind(1), strict=True):
            total[rows] += weight[:, None] * photos[place]  # one by one: the order of the sum is the ranking's
    return F.normalize(total).float()
