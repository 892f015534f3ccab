"""Scores of classification and of retrieval that come out the same however the samples were shared out."""

from hybrid_sbir.metrics.classification import ClassificationMeter, ClassificationScores, label_place, score

__all__ = [
    "ClassificationMeter",
    "ClassificationScores",
    "label_place",
    "score",
]
