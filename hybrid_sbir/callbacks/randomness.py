"""Random numbers of a training step as a function of its position, so that a resumed run draws the same ones."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class StepRandomness(Callback):
    """Seed Python's, NumPy's and PyTorch's generators from (seed, process, epoch, step) before each training step.

    There is then no state of a generator to save, on any device and in any number of processes: what a step draws does
    not depend on what ran before it in this process.

    Args:
        seed: of the run; not negative.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed for the step that follows."""
        position = (self.seed, trainer.global_rank, trainer.current_epoch, batch_idx)
        low, high, other = (int(word) for word in np.random.SeedSequence(position).generate_state(3))
        torch.manual_seed(low | high << 32)
        np.random.seed(other)  # libraries draw from the global generator
        random.seed(other)
