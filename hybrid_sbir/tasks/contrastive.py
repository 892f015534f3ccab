"""Stage 2 of the thesis's retrieval (its section 3.5): frozen private branches, pairs."""

from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from hybrid_sbir.models.branch_weights import SharedFrom
from hybrid_sbir.tasks.bimodal import BimodalTask
from hybrid_sbir.tasks.initial_weights import classes_in, start_branches


class ContrastiveTask(BimodalTask):
    """Train the shared stages and the head of two branches on pairs; each branch's own stages stay as they are.

    The defaults are the modern recipe's; ``experiments/recipes`` has both recipes in full.

    Args:
        init_sketch: the stage-1 classifier of sketches to start from: a run's .ckpt, a .safetensors, or a published
            file. It may be the same file as ``init_photo``, one pretrained classifier for both.
        init_photo: the classifier of photos.
        shared_from: whose weights the shared stages start from; "none", as published, leaves them at random.
        freeze_private: whether stems and private stages are frozen.
        frozen_norms_move: whether the batch norms of what is frozen go on updating, as in the published code.
        optimizer: builds the optimiser from the parameters.
        options: of :class:`~hybrid_sbir.tasks.bimodal.BimodalTask`.

    Raises:
        ValueError: if a setting fits no model, or only one of the two classifiers is given.
    """

    def __init__(
        self,
        init_sketch: str | None = None,
        init_photo: str | None = None,
        shared_from: SharedFrom = "photo",
        freeze_private: bool = True,
        frozen_norms_move: bool = False,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.05),
        **options: Any,
    ) -> None:
        super().__init__(optimizer=optimizer, **options)
        if (init_sketch is None) != (init_photo is None):
            raise ValueError("give both init_sketch and init_photo (the same file will do), or neither")
        self.init_sketch, self.init_photo, self.shared_from = init_sketch, init_photo, shared_from
        self.freeze_private = freeze_private
        if freeze_private:
            self.model.freeze_private(frozen_norms_move)

    def start(self) -> str | None:
        """Load the two classifiers."""
        if self.init_sketch is None or self.init_photo is None:
            if self.freeze_private and self.fitting and not self.trainer.ckpt_path:
                rank_zero_warn(
                    "stems and private stages are frozen as they are, at random: give init_sketch and init_photo, the "
                    "classifiers of stage 1, or set freeze_private: false"
                )
            return None
        self.trained_on = tuple(dict.fromkeys([*classes_in(self.init_sketch), *classes_in(self.init_photo)]))
        return start_branches(self.model, self.init_sketch, self.init_photo, self.shared_from)
