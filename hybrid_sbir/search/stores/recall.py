"""How many of the truly nearest photos an approximate store finds; how hard it has to look for that.

N photos, E embedding size, Q queries, K results.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hybrid_sbir.search.stores.approximate import ApproximateStore
from hybrid_sbir.search.stores.exact import ExactStore
from hybrid_sbir.search.stores.kinds import APPROXIMATE

Search = Callable[..., tuple[np.ndarray, np.ndarray]]
AT = (1, 10, 100)
WANTED = 0.99  # of the 10 nearest
_QUERIES = 256
_TURNED = 0.9  # cosine of a made-up query and its photo
_SEED = 20


class Queries(NamedTuple):
    """Queries that recall is measured with.

    Attributes:
        vectors: (Q, E), float32.
        origin: what they are, in words.
        optimistic: whether real sketches would find less.
    """

    vectors: np.ndarray
    origin: str
    optimistic: bool = False


def made_up(vectors: np.ndarray) -> Queries:
    """Make queries of photos' vectors (N, E), each turned away from its photo at random."""
    rng = np.random.default_rng(_SEED)
    rows = np.asarray(vectors[np.linspace(0, len(vectors) - 1, min(_QUERIES, len(vectors))).astype(np.int64)])
    aside = rng.standard_normal(rows.shape)
    aside -= (aside * rows).sum(1, keepdims=True) * rows
    aside /= np.linalg.norm(aside, axis=1, keepdims=True) + 1e-12
    turned = _TURNED * rows + (1 - _TURNED**2) ** 0.5 * aside
    origin = f"photos' vectors, turned to a cosine of {_TURNED}; optimistic: sketches lie farther from the photos"
    return Queries(turned.astype(np.float32), origin, optimistic=True)


def measured(search: Search, exact: ExactStore, queries: Queries, **how: int) -> dict[str, Any]:
    """Measure which part of the truly K nearest photos is found, for each K in ``AT``, mean over the queries.

    Args:
        search: finds (Q, K) places for queries (Q, E), K and ``how``.
        exact: over the same photos.
        queries: what to search for.
        how: more for ``search``.

    Returns:
        For the manifest: recall ``at`` 1, 10 and 100 (those the catalogue is large enough for), and with what.
    """
    return {"at": _recall(search, queries, exact.search(queries.vectors, max(AT))[1], **how), **_said(queries)}


def tuned(
    store: ApproximateStore, queries: Queries, wanted: float = WANTED, effort: int | None = None
) -> tuple[int, dict[str, Any]]:
    """Find the least effort with which enough of the 10 nearest photos are found; measure a given one.

    Returns:
        The effort, and what :func:`measured` returns, with what was wanted and whether it is reached.
    """
    nearest = store.exact.search(queries.vectors, max(AT))[1]
    at: dict[str, float] = {}
    enough, used = False, 0
    for used in [effort] if effort else APPROXIMATE[store.kind].efforts:
        at = _recall(store.search, queries, nearest, effort=used)
        enough = at.get("10", at.get("1", 1.0)) >= wanted
        if enough:
            break
    return used, {"at": at, **_said(queries), "wanted_at_10": wanted, "reached": enough}


def _recall(search: Search, queries: Queries, nearest: np.ndarray, **how: int) -> dict[str, float]:
    found = {}
    for k in (k for k in AT if k <= nearest.shape[1]):
        places = search(queries.vectors, k, **how)[1]
        shared = [len(np.intersect1d(a, b)) / k for a, b in zip(places, nearest[:, :k], strict=True)]
        found[str(k)] = round(float(np.mean(shared)), 4)
    return found


def _said(queries: Queries) -> dict[str, Any]:
    return {"queries": len(queries.vectors), "of": queries.origin, "optimistic": queries.optimistic}
