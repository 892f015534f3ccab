"""What a retrieval result says beside its means, for metrics.json."""

from typing import Any

from hybrid_sbir.batch import RetrievalSet
from hybrid_sbir.metrics import RankingValues
from hybrid_sbir.tasks.retrieval_scores import NAMES


def details(about: RetrievalSet, found: RankingValues, *remarks: str) -> dict[str, Any]:
    """Return plain values: sizes, means over classes, each class's means, the groups' classes, and remarks.

    Args:
        about: the evaluation.
        found: the values of its queries.
        remarks: what else a reader must know.
    """
    sizes = found.labels.bincount(minlength=len(about.classes)).tolist()
    classes = {
        about.classes[label]: {"queries": sizes[label], **_named(means)} for label, means in found.per_class().items()
    }
    return {
        "queries": len(found.labels),
        "catalogue": found.photos,
        "macro": _named(found.macro()),
        "per_class": classes,
        "groups": {group: [about.classes[label] for label in labels] for group, labels in about.groups.items()},
        "remarks": [*found.remarks(), *remarks],
    }


def _named(means: dict[str, float]) -> dict[str, float]:
    return {NAMES.get(name, name): value for name, value in means.items()}
