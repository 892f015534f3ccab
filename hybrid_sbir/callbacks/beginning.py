"""The moment from which a run is under way."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Beginning(Callback):
    """Call something once, in the first process, after the first training step: data, model and memory have sufficed.

    Args:
        begun: what to call.
    """

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun: Callable[[], None] | None = begun

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Call it, the first time."""
        if self._begun is not None and trainer.is_global_zero:
            self._begun()
        self._begun = None
