"""The verb that ranks a run's embeddings again, with query expansion and re-ranking. Both use the catalogue."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from hybrid_sbir.durable import write_durably
from hybrid_sbir.metrics import RankingValues, ranking_metrics, scored_metrics
from hybrid_sbir.results.retrieval_run import RetrievalRun
from hybrid_sbir.retrieval import USES_CATALOGUE, augment_catalogue, expand_queries, neighbourhood
from hybrid_sbir.retrieval import rerank as rerank_photos

_EXPANDED_BY = 10  # photos
_NAMES = {"ap": "map", "rr": "mrr", "p@10": "p10"}


def refine(
    run: Path,
    expand: int | None = None,
    alpha: float = 3.0,
    augment: int = 0,
    rerank: bool = True,
    k1: int | None = None,
    k2: int | None = None,
    weight: float = 0.3,
) -> list[str]:
    """Score a run's embeddings with query expansion, database augmentation and k-reciprocal re-ranking.

    What these give is not what a catalogue gives of which nothing is known but the photo at hand; each result says that
    it uses the catalogue. They are written to the run's refined.json, an older one replaced.

    Args:
        run: a folder with the embeddings.npz that `hybrid-sbir predict` left.
        expand: add so many first photos to each query; 0 for none. By default 10, or all of a smaller catalogue.
        alpha: a photo's weight is its cosine to this power; 0 averages.
        augment: add so many neighbours to each photo of the catalogue; 0 for none.
        rerank: whether to re-rank by k-reciprocal neighbours.
        k1: how many neighbours encode an image; by default 20, or what a smaller catalogue admits.
        k2: over how many images its code is averaged; by default 6, or k1 if that is less.
        weight: share of the original distance.

    Returns:
        A line for each way of ranking, percent.

    Raises:
        FileNotFoundError: if the run has no embeddings.npz.
        ValueError: if an option does not fit the catalogue, or an embedding is not finite.
    """
    if (expand or 0) < 0 or augment < 0:
        raise ValueError(f"expand is {expand} and augment {augment}; give numbers of photos, 0 for none")
    read = RetrievalRun.read(Path(run))
    expand = min(_EXPANDED_BY, len(read.catalogue)) if expand is None else expand
    labels = read.query_labels, read.catalogue_labels
    queries, catalogue = read.queries, read.catalogue
    results = [_result("plain", read.ranked(), {})]
    used: dict[str, Any] = {}
    if augment:
        catalogue = augment_catalogue(catalogue, augment, alpha)
        used = used | {"augment": augment, "alpha": alpha}
        results.append(_result("augmented catalogue", ranking_metrics(queries, catalogue, *labels), used))
    if expand:
        queries = expand_queries(queries, catalogue, expand, alpha)
        used = used | {"expand": expand, "alpha": alpha}
        results.append(_result("expanded queries", ranking_metrics(queries, catalogue, *labels), used))
    if rerank:
        options = _neighbours(len(catalogue), k1, k2) | {"weight": weight}
        if used:
            results.append(_reranked("re-ranked", read.queries, read.catalogue, labels, options, options))
        words = "both" if used else "re-ranked"
        results.append(_reranked(words, queries, catalogue, labels, options, used | options))
    text = json.dumps({"format": 1, "run": read.name, "results": results}, indent=2)
    write_durably(read.folder / "refined.json", (text + "\n").encode())
    return [*map(_line, results), f"wrote {read.folder / 'refined.json'}"]


def _neighbours(photos: int, k1: int | None, k2: int | None) -> dict[str, Any]:
    """What was asked for, and for the rest what the catalogue admits; what does not fit is refused by re-ranking."""
    most, averaged = neighbourhood(photos)
    k1 = most if k1 is None else k1
    return {"k1": k1, "k2": min(averaged, k1) if k2 is None else k2}


def _reranked(
    name: str,
    queries: Tensor,
    catalogue: Tensor,
    labels: tuple[Tensor, Tensor],
    options: dict[str, Any],
    used: dict[str, Any],
) -> dict[str, Any]:
    return _result(name, scored_metrics(rerank_photos(queries, catalogue, **options), *labels), used)


def _result(name: str, values: RankingValues, used: dict[str, Any]) -> dict[str, Any]:
    means = {_NAMES[metric]: value for metric, value in values.mean().items()}
    return {"name": name, "settings": used, "remarks": [USES_CATALOGUE] * bool(used) + values.remarks(), **means}


def _line(result: dict[str, Any]) -> str:
    scores = ", ".join(f"{name} {100 * result[name]:.2f} %" for name in _NAMES.values())
    return f"{result['name']}: {scores}" + (f" ({USES_CATALOGUE})" if result["settings"] else "")
