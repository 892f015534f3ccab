"""Stages 3 and 4 of the thesis's retrieval (its section 3.5): everything trains, on triplets or on whole batches."""

from copy import deepcopy
from typing import Any, Literal

import torch
from lightning.pytorch.cli import OptimizerCallable

from hybrid_sbir.tasks.bimodal import BimodalTask
from hybrid_sbir.tasks.initial_weights import classes_in, start_stage
from hybrid_sbir.tasks.optimisation import build_optimisation


class TripletTask(BimodalTask):
    """Train all of two branches, from the best state of the stage before.

    Stage 4 is the same on an auxiliary set. The defaults are the modern recipe's; ``experiments/recipes`` has both
    recipes in full.

    Args:
        init_from: the .ckpt of the stage before.
        init_classifier: whether to take the layer of class scores from it; false where the classes differ (stage 4).
        optimised: whose parameters the optimiser holds: "own", or "previous" as in the published code, where it was
            built for the model of stage 2: no weight changes in this stage, only batch norms' running statistics.
        optimizer: builds the optimiser from the parameters.
        options: of :class:`~hybrid_sbir.tasks.bimodal.BimodalTask`.

    Raises:
        ValueError: if a setting fits no model.
    """

    def __init__(
        self,
        init_from: str | None = None,
        init_classifier: bool = True,
        optimised: Literal["own", "previous"] = "own",
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=3e-4, weight_decay=0.05),
        **options: Any,
    ) -> None:
        super().__init__(optimizer=optimizer, **options)
        self.init_from, self.init_classifier, self.optimised = init_from, init_classifier, optimised

    def configure_optimizers(self) -> Any:
        """Build the optimiser from this module's parameters; as published, from those of a model before it."""
        if self.optimised == "own":
            return super().configure_optimizers()
        before = list(deepcopy(self.model).parameters())
        epochs = self.trainer.max_epochs
        return build_optimisation(before, self.optimizer, self.lr_scheduler, epochs, self._steps, "val/map")

    def start(self) -> str | None:
        """Load the stage before."""
        if not self.init_from:
            return None
        self.trained_on = classes_in(self.init_from)
        return start_stage(self.model, self.init_from, self.init_classifier, getattr(self._data(), "classes", ()))
