"""LightningModules, one for each stage of training; they see data only as batches."""

from hybrid_sbir.tasks.classification import ClassificationTask

__all__ = ["ClassificationTask"]
