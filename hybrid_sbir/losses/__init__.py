"""Losses: pure functions of a network's outputs, small modules that a configuration can name, and their weights."""

from hybrid_sbir.losses.classification import Smoothing, classification_loss, smoothed_cross_entropy
from hybrid_sbir.losses.contrastive import (
    ContrastiveLoss,
    HardNegativeContrastiveLoss,
    contrastive_loss,
    hard_negative_contrastive_loss,
)
from hybrid_sbir.losses.cross_domain import CrossDomainLoss
from hybrid_sbir.losses.library import LibraryLoss, MultiSimilarity, ProxyAnchor
from hybrid_sbir.losses.memory import CrossBatchMemory
from hybrid_sbir.losses.supervised_contrastive import SupervisedContrastive
from hybrid_sbir.losses.triplet import TripletLoss, triplet_loss
from hybrid_sbir.losses.weighting import BoundedWeights, LossWeight, PublishedWeights, total_loss

__all__ = [
    "BoundedWeights",
    "ContrastiveLoss",
    "CrossBatchMemory",
    "CrossDomainLoss",
    "HardNegativeContrastiveLoss",
    "LibraryLoss",
    "LossWeight",
    "MultiSimilarity",
    "ProxyAnchor",
    "PublishedWeights",
    "Smoothing",
    "SupervisedContrastive",
    "TripletLoss",
    "classification_loss",
    "contrastive_loss",
    "hard_negative_contrastive_loss",
    "smoothed_cross_entropy",
    "total_loss",
    "triplet_loss",
]
