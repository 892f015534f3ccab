"""What a classifier takes samples for in an evaluation. N batch, Q samples of all processes, K classes."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor


class Outputs:
    """Listen to a module's logits; classes and indices come with the batches.

    Args:
        module: whose ``forward`` returns logits (N, K), the batch's samples first.
    """

    def __init__(self, module: LightningModule) -> None:
        self._logits: Tensor | None = None
        self._parts: list[np.ndarray] = []
        self._hook = module.register_forward_hook(self._listen)

    def add(self, batch: Any) -> None:
        """Keep what a batch's samples were taken for."""
        logits, self._logits = self._logits, None
        if logits is None or logits.ndim != 2 or not hasattr(batch, "label"):
            return
        own = logits[: len(batch.label)].float()
        found = own.argmax(dim=1).where(own.isfinite().all(dim=1), -1)  # what is no number is no prediction
        self._parts.append(torch.stack([batch.index, batch.label, found]).cpu().numpy())

    def gather(self, trainer: Trainer) -> np.ndarray:
        """Return index, true and found class of each sample of all processes, (3, Q); every process calls this."""
        self._hook.remove()
        parts = self._parts
        if trainer.world_size > 1:
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, parts)
            parts = [part for theirs in gathered for part in theirs]
        known = np.concatenate([np.zeros((3, 0), np.int64), *parts], axis=1)
        return known[:, np.unique(known[0], return_index=True)[1]]

    def remove(self) -> None:
        """Stop listening."""
        self._hook.remove()

    def _listen(self, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            self._logits = output.detach()
