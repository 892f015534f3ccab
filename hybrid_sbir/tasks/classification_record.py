"""What a classification result says beside its rates, for metrics.json."""

from collections.abc import Sequence
from typing import Any

from hybrid_sbir.metrics import ClassificationScores


def details(classes: Sequence[str], found: ClassificationScores) -> dict[str, Any]:
    """Return plain values: the number of samples, and each class's counts, from which intervals are made.

    Args:
        classes: names by class number; a number beyond them is its own name.
        found: the scores.
    """
    names = {label: classes[label] if label < len(classes) else str(label) for label in found.per_class}
    counts = {names[label]: own._asdict() for label, own in found.per_class.items()}
    return {"samples": found.samples, "per_class": counts}
