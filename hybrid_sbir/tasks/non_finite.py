"""Samples for which a model gives no numbers. N samples, K outputs."""

from typing import Any

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class NonFiniteSamples(Metric):
    """Gathers, over batches and processes, the samples with an output that is infinite or not a number.

    Attention without a softmax is a product of unbounded factors, and may overflow far from the training data.
    """

    full_state_update = False
    index: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("index", default=[], dist_reduce_fx="cat")

    def update(self, outputs: Tensor, index: Tensor) -> None:
        """Add a batch: outputs (N, K), positions in the data set (N,)."""
        self.index.append(index.where(~outputs.isfinite().all(dim=1), -1))  # selecting rows would wait for the device

    def compute(self) -> list[int]:
        """Return the positions, in order, each once."""
        if not len(self.index):
            return []
        found = dim_zero_cat(self.index).unique()
        return found[found >= 0].tolist()
