"""How many of the truly nearest photos an approximate store finds; how hard it has to look for that.

N photos, E embedding size, Q queries, K results.
"""

from typing import Any, NamedTuple

import numpy as np

from hybrid_sbir.search.stores.approximate import ApproximateStore
from hybrid_sbir.search.stores.kinds import APPROXIMATE

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


def recall(store: ApproximateStore, queries: np.ndarray, effort: int, nearest: np.ndarray) -> dict[str, float]:
    """Measure which part of the K nearest (Q, most) photos is among the K found, for each K in ``AT``, mean over Q."""
    found = {}
    for k in (k for k in AT if k <= nearest.shape[1]):
        places = store.search(queries, k, effort)[1]
        shared = [len(np.intersect1d(a, b)) / k for a, b in zip(places, nearest[:, :k], strict=True)]
        found[str(k)] = round(float(np.mean(shared)), 4)
    return found


def tuned(
    store: ApproximateStore, queries: Queries, wanted: float = WANTED, effort: int | None = None
) -> tuple[int, dict[str, Any]]:
    """Find the least effort with which enough of the 10 nearest photos are found; measure a given one.

    Returns:
        The effort, and what was measured with it, for the manifest: recall at 1, 10 and 100, with what, and whether it
        is as much as was wanted.
    """
    nearest = store.exact.search(queries.vectors, max(AT))[1]
    measured: dict[str, float] = {}
    enough, used = False, 0
    for used in [effort] if effort else APPROXIMATE[store.kind].efforts:
        measured = recall(store, queries.vectors, used, nearest)
        enough = measured.get("10", measured.get("1", 1.0)) >= wanted
        if enough:
            break
    about = {"queries": len(queries.vectors), "of": queries.origin, "optimistic": queries.optimistic}
    return used, {"at": measured, **about, "wanted_at_10": wanted, "reached": enough}
