"""From a query's vector to the photos that are asked for. N photos, Q queries, E embedding size, K results."""

from collections.abc import Sequence

import numpy as np

from hybrid_sbir.search.catalogue import Entry
from hybrid_sbir.search.hit import Hit, Wanted
from hybrid_sbir.search.refining import FIRST, WHOLE, Refining
from hybrid_sbir.search.stores import Store

_MORE = 8  # times as many photos are looked through where most are not asked for
_BEHIND = 2.5  # a re-ranked score is -1.3 at least: what was not compared keeps its order, below all that was


def find(
    queries: np.ndarray, photos: Sequence[Entry], store: Store, refining: Refining, wanted: Wanted, rerank: bool
) -> list[list[Hit]]:
    """Find what each query (Q, E) asks for, nearest first.

    Where only some photos are asked for, more and more of the nearest are looked through until there are K.
    """
    if not len(photos) or not len(queries):
        return [[] for _ in queries]
    count = min(wanted.k, len(photos))
    if rerank:
        count = len(photos) if len(photos) <= WHOLE else min(len(photos), max(count, FIRST))
    cosines, places = store.search(queries, count)
    return [
        _of_query(query[None], (cosine, place), photos, store, refining, wanted, rerank)
        for query, cosine, place in zip(queries, cosines, places, strict=True)
    ]


def _of_query(
    query: np.ndarray,
    found: tuple[np.ndarray, np.ndarray],
    photos: Sequence[Entry],
    store: Store,
    refining: Refining,
    wanted: Wanted,
    rerank: bool,
) -> list[Hit]:
    while True:
        hits = _hits(query, found, photos, refining, wanted, rerank)
        cosines, places = found
        below = wanted.threshold is not None and len(cosines) and cosines[-1] < wanted.threshold
        if len(hits) >= wanted.k or below or len(places) >= len(photos) or not wanted.within:
            return hits[: wanted.k]
        more = store.search(query, min(len(photos), _MORE * len(places)))
        if more[0].shape[1] <= len(places):  # a store elsewhere may have a limit of its own
            return hits
        found = more[0][0], more[1][0]


def _hits(
    query: np.ndarray,
    found: tuple[np.ndarray, np.ndarray],
    photos: Sequence[Entry],
    refining: Refining,
    wanted: Wanted,
    rerank: bool,
) -> list[Hit]:
    cosines, places = found
    scores = cosines
    if rerank:
        first = len(photos) if len(photos) <= WHOLE else FIRST
        scores, near, order = refining.reranked(query, cosines[:first], places[:first])
        scores = np.concatenate([scores, cosines[first:] - _BEHIND])
        cosines, places = np.concatenate([near, cosines[first:]]), np.concatenate([order, places[first:]])
    least = -np.inf if wanted.threshold is None else wanted.threshold
    kept = [
        (photos[place].id, float(score), float(cosine))
        for place, score, cosine in zip(places.tolist(), scores, cosines, strict=True)
        if cosine >= least and wanted.admits(photos[place].id)
    ]
    return [Hit(rank, *each) for rank, each in enumerate(kept, start=1)]
