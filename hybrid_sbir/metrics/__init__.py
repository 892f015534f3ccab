"""Scores of classification and of retrieval that come out the same however the samples were shared out."""

from hybrid_sbir.metrics.classification import ClassificationMeter, ClassificationScores, label_place, score
from hybrid_sbir.metrics.comparison import ClassDifference, Comparison, compare
from hybrid_sbir.metrics.intervals import Interval, bootstrap_interval
from hybrid_sbir.metrics.ranking import ranking_metrics
from hybrid_sbir.metrics.ranking_meter import RankingMeter
from hybrid_sbir.metrics.scored import scored_metrics
from hybrid_sbir.metrics.values import RankingValues

__all__ = [
    "ClassDifference",
    "ClassificationMeter",
    "ClassificationScores",
    "Comparison",
    "Interval",
    "RankingMeter",
    "RankingValues",
    "bootstrap_interval",
    "compare",
    "label_place",
    "ranking_metrics",
    "score",
    "scored_metrics",
]
