"""Stage 2 of the thesis's retrieval (its section 3.5): frozen private branches, pairs."""

from collections.abc import Sequence

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import nn

from hybrid_sbir.losses import Smoothing
from hybrid_sbir.models import StageSpec
from hybrid_sbir.models.branch_weights import SharedFrom
from hybrid_sbir.models.embedding_head import HeadKind
from hybrid_sbir.models.stage import Activation
from hybrid_sbir.models.stem import StemSize
from hybrid_sbir.models.two_branch import SharedNorm
from hybrid_sbir.tasks.bimodal import BimodalTask, Weights
from hybrid_sbir.tasks.initial_weights import start_branches
from hybrid_sbir.tasks.optimisation import Schedule
from hybrid_sbir.tasks.retrieval_scores import CatalogueMethod


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
        num_classes, in_channels, backbone, activation, width, stem, shared_stages, shared_norm, head, embedding_size,
            loss, weights, label_smoothing, smoothing, gather, optimizer, lr_scheduler, scales, mirror,
            using_catalogue: see
            :class:`~hybrid_sbir.tasks.bimodal.BimodalTask`.

    Raises:
        ValueError: if a setting fits no model, or only one of the two classifiers is given.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        backbone: str | list[StageSpec] = "resnet26",
        activation: Activation = "pre",
        width: float = 1.0,
        stem: StemSize = "imagenet",
        shared_stages: int = 2,
        shared_norm: SharedNorm = "domain",
        head: HeadKind = "neck",
        embedding_size: int = 128,
        loss: nn.Module | None = None,
        weights: Weights | None = None,
        label_smoothing: float = 0.1,
        smoothing: Smoothing = "published",
        gather: bool = True,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.05),
        lr_scheduler: Schedule = "warmup_cosine",
        scales: Sequence[float] = (1.0,),
        mirror: bool = False,
        using_catalogue: Sequence[CatalogueMethod] = (),
        init_sketch: str | None = None,
        init_photo: str | None = None,
        shared_from: SharedFrom = "photo",
        freeze_private: bool = True,
        frozen_norms_move: bool = False,
    ) -> None:
        super().__init__(
            num_classes, in_channels, backbone, activation, width, stem, shared_stages, shared_norm, head,
            embedding_size, loss, weights, label_smoothing, smoothing, gather, optimizer, lr_scheduler, scales, mirror,
            using_catalogue,
        )  # fmt: skip
        if (init_sketch is None) != (init_photo is None):
            raise ValueError("give both init_sketch and init_photo (the same file will do), or neither")
        self.init_sketch, self.init_photo, self.shared_from = init_sketch, init_photo, shared_from
        if freeze_private:
            self.model.freeze_private(frozen_norms_move)

    def start(self) -> str | None:
        """Load the two classifiers."""
        if self.init_sketch is None or self.init_photo is None:
            return None
        return start_branches(self.model, self.init_sketch, self.init_photo, self.shared_from)
