"""Scores of classification and of retrieval that come out the same however the samples were shared out."""

from hybrid_sbir.metrics.classification import ClassificationMeter, ClassificationScores, label_place, score
from hybrid_sbir.metrics.ranking import ranking_metrics
from hybrid_sbir.metrics.values import RankingValues

__all__ = [
    "ClassificationMeter",
    "ClassificationScores",
    "RankingValues",
    "label_place",
    "ranking_metrics",
    "score",
]
