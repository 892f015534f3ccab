"""What a run guards against, and what it leaves behind. Lightning callbacks; they know no model and no data set."""

from hybrid_sbir.callbacks.beginning import Beginning
from hybrid_sbir.callbacks.checkpoints import Checkpoints
from hybrid_sbir.callbacks.embeddings import EmbeddingsFile
from hybrid_sbir.callbacks.loss_watch import LossWatch
from hybrid_sbir.callbacks.predictions import PredictionsFile
from hybrid_sbir.callbacks.randomness import StepRandomness
from hybrid_sbir.callbacks.run_record import RunRecord
from hybrid_sbir.callbacks.signals import StopOnSignal

__all__ = [
    "Beginning",
    "Checkpoints",
    "EmbeddingsFile",
    "LossWatch",
    "PredictionsFile",
    "RunRecord",
    "StepRandomness",
    "StopOnSignal",
]
