"""LightningModules, one for each stage of training; they see data only as batches."""

from hybrid_sbir.tasks.classification import ClassificationTask
from hybrid_sbir.tasks.contrastive import ContrastiveTask
from hybrid_sbir.tasks.triplet import TripletTask
from hybrid_sbir.tasks.unimodal import UnimodalRetrieval

__all__ = ["ClassificationTask", "ContrastiveTask", "TripletTask", "UnimodalRetrieval"]
