"""What the stages of two-branch retrieval share: the model, its start, its loss, its evaluation.

Shapes: N batch, C channels, H, W image size, E embedding size, K classes.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor, nn

from hybrid_sbir.batch import Domain, PairBatch, TripletBatch
from hybrid_sbir.losses import (
    BoundedWeights,
    ContrastiveLoss,
    HardNegativeContrastiveLoss,
    PublishedWeights,
    Smoothing,
    SupervisedContrastive,
    TripletLoss,
    classification_loss,
    total_loss,
)
from hybrid_sbir.models import StageSpec
from hybrid_sbir.models.embedding_head import Embedded, HeadKind
from hybrid_sbir.models.stage import Activation
from hybrid_sbir.models.stem import StemSize
from hybrid_sbir.models.two_branch import SharedNorm, TwoBranch
from hybrid_sbir.tasks.optimisation import Schedule, build_optimisation, check_schedule, steps_of
from hybrid_sbir.tasks.restoring import BRANCHES_KEY, check_restorable, check_same_data, describe
from hybrid_sbir.tasks.retrieval import RetrievalTask
from hybrid_sbir.tasks.retrieval_scores import CatalogueMethod

Weights = BoundedWeights | PublishedWeights


class BimodalTask(RetrievalTask):
    """One stage of training two branches, and their evaluation as a retrieval of photos for sketches.

    Logs ``train/loss`` and the scores of each retrieval set of the data (``val``, ``val_unseen``, ``test``). Pairs and
    triplets are compared by embeddings of unit length.

    Args:
        num_classes: K; the command line takes it from the data.
        optimizer: builds the optimiser from the parameters.
        in_channels: C; the command line takes it from the data.
        backbone: a registered name (``hybrid-sbir models``), or the stages of a new hybrid.
        activation: order of normalisation and activation, "pre" or "post".
        width: factor on all of the backbone's widths.
        stem: how far the image is shrunk in all: "imagenet" 32 times, "small" 16, "tiny" 8 times.
        shared_stages: how many of the last stages both branches share; the thesis shares 2.
        shared_norm: what shared batch norms see: "separate" (as published), "joint" or "domain"; see
            :class:`~hybrid_sbir.models.two_branch.TwoBranch`.
        head: "published" or "neck".
        embedding_size: E.
        loss: of the embeddings of pairs, or (:class:`TripletLoss`) of triplets; by default SupervisedContrastive.
        weights: of the metric loss and the cross-entropies, by epoch; by default 1 and 1.
        label_smoothing: probability spread over other classes.
        smoothing: over which: "published" (the wrong ones) or "pytorch" (all).
        gather: with several processes, compare with the embeddings of all of them; by itself, as published, a process
            compares its own.
        lr_scheduler: "cosine" (to 0, once an epoch), "warmup_cosine" (once a step), "constant", or a scheduler
            class; ReduceLROnPlateau watches val/map (mode: max).
        scales, mirror, using_catalogue: see :class:`~hybrid_sbir.tasks.retrieval.RetrievalTask`.

    Raises:
        ValueError: if a setting fits no model; the message says what does.
    """

    def __init__(
        self,
        num_classes: int,
        optimizer: OptimizerCallable,
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
        lr_scheduler: Schedule = "warmup_cosine",
        scales: Sequence[float] = (1.0,),
        mirror: bool = False,
        using_catalogue: Sequence[CatalogueMethod] = (),
    ) -> None:
        super().__init__(scales, mirror, using_catalogue)
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}; retrieval by class needs 2 or more: look at the data")
        self.model = TwoBranch(
            backbone,
            num_classes,
            shared_stages=shared_stages,
            shared_norm=shared_norm,
            head=head,
            embedding_size=embedding_size,
            activation=activation,
            in_channels=in_channels,
            width=width,
            stem=stem,
        )
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; give a share from 0 to below 1")
        self.trained_on: tuple[str, ...] = ()
        self.loss, self.weights, self.gather = loss or SupervisedContrastive(), weights or BoundedWeights(), gather
        self.label_smoothing, self.smoothing = label_smoothing, smoothing
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.embedding_size, self.smallest_input = embedding_size, self.model.sketch.smallest_input

    def embed(self, image: Tensor, domain: Domain) -> Tensor:
        """Embed images (N, C, H, W) of one domain: (N, E), float32, of norm 1."""
        return unit(self.model.embed(image, domain))

    def start(self) -> str | None:
        """Load initial weights, and say what was loaded; a checkpoint that is continued replaces them afterwards."""
        return None

    def setup(self, stage: str) -> None:
        """Load the initial weights."""
        if self.fitting and getattr(self._data(), "batch_size", 2) < 2:
            raise ValueError("data.init_args.batch_size is 1; batch norms and losses of embeddings need 2 or more")
        said = self.start()
        if said is not None:
            rank_zero_info(said)
            for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, WeightAveraging):
                    callback.setup(self.trainer, self, stage)  # it has copied the weights that were there before
        if self.fitting and (known := self._known(getattr(self._data(), "held_out", ()))):
            rank_zero_warn(known)

    def remarks(self, classes: tuple[str, ...]) -> list[str]:
        """Say what a reader of the scores over these classes must know: whether what is held out was seen before."""
        held_out = [name for name in getattr(self._data(), "held_out", ()) if name in classes]
        return [*super().remarks(classes), *([known] if (known := self._known(held_out)) else [])]

    def configure_optimizers(self) -> Any:
        """Build the optimiser from this module's own trainable parameters, and the schedule."""
        trainable = [p for p in self.parameters() if p.requires_grad]
        epochs = self.trainer.max_epochs
        return build_optimisation(trainable, self.optimizer, self.lr_scheduler, epochs, self._steps, "val/map")

    def forward(self, sketch: Tensor, photo: Tensor) -> tuple[Embedded, Embedded]:
        """Embed sketches and photos, each (N, C, H, W)."""
        return self.model(sketch, photo)

    def training_step(self, batch: PairBatch | TripletBatch, batch_idx: int) -> Tensor:
        """Return the weighted sum of the metric loss and the cross-entropies of a batch."""
        triplets = isinstance(batch, TripletBatch)
        photos = torch.cat([batch.positive, batch.negative]) if isinstance(batch, TripletBatch) else batch.photo
        sketch, photo = self(batch.sketch, photos)
        labels = (batch.label, batch.negative_label) if isinstance(batch, TripletBatch) else (batch.photo_label,)
        sketch_label = batch.label if isinstance(batch, TripletBatch) else batch.sketch_label
        weight = self.weights(self.current_epoch, self.trainer.max_epochs or 0)
        metric = self._metric_loss(unit(sketch), unit(photo), sketch_label, torch.cat(labels), triplets)
        logits = photo.logits.float().chunk(2) if triplets else (photo.logits.float(),)
        classification = classification_loss(
            (sketch.logits.float(), sketch_label),
            *zip(logits, labels, strict=True),
            amount=self.label_smoothing,
            smoothing=self.smoothing,
        )
        return total_loss(metric, classification, weight)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store what is needed to build the model again, and the classes it tells apart."""
        fingerprint = getattr(self._data(), "fingerprint", None)
        about = describe(self.model, getattr(self._data(), "classes", ()), fingerprint)
        checkpoint[BRANCHES_KEY] = about | {"trained_on": list(self.trained_on), "task": type(self).__name__}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another model, other classes or, to continue, another length; in words."""
        check_restorable(checkpoint, self.model, list(getattr(self._data(), "classes", ())), BRANCHES_KEY)
        stage = checkpoint.get(BRANCHES_KEY, {}).get("task", type(self).__name__)
        if self.fitting and stage != type(self).__name__:
            raise ValueError(
                f"the checkpoint is of a {stage}, this is a {type(self).__name__}; another stage is not continued but "
                "started from: TripletTask --model.init_args.init_from FILE"
            )
        self.trained_on = tuple(checkpoint.get(BRANCHES_KEY, {}).get("trained_on", ()))
        if self.fitting:
            check_same_data(checkpoint, getattr(self._data(), "fingerprint", None), BRANCHES_KEY)
            check_schedule(checkpoint, self.trainer.max_epochs, self._steps)

    def _metric_loss(
        self, sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor, triplets: bool
    ) -> Tensor:
        if isinstance(self.loss, TripletLoss):
            if not triplets:
                raise ValueError("TripletLoss takes triplets; set data.init_args.sampling: triplets, or another loss")
            return self.loss(sketch, *photo.chunk(2))
        if triplets and isinstance(self.loss, ContrastiveLoss | HardNegativeContrastiveLoss):
            name = type(self.loss).__name__
            raise ValueError(f"{name} takes pairs; set data.init_args.sampling: pairs, or another loss")
        if self.gather and self.trainer.world_size > 1:
            sketch, photo = self._of_all(sketch), self._of_all(photo)
            sketch_label, photo_label = self._of_all(sketch_label), self._of_all(photo_label)
        return self.loss(sketch, photo, sketch_label, photo_label)

    def _of_all(self, rows: Tensor) -> Tensor:
        """The rows of all processes, with gradients."""
        gathered = self.all_gather(rows, sync_grads=rows.is_floating_point())
        assert isinstance(gathered, Tensor)
        return gathered.flatten(0, 1)

    def _known(self, held_out: Sequence[str]) -> str:
        """What to say of classes held out that earlier stages were trained on; nothing if there are none."""
        known = [name for name in held_out if name in self.trained_on]
        more = ", ..." if len(known) > 5 else ""
        return (
            known
            and (
                f"{len(known)} of the {len(held_out)} classes held out were trained on in an earlier stage "
                f"({', '.join(known[:5])}{more}): they are not unseen"
            )
        ) or ""

    def _steps(self) -> float:
        return steps_of(self.trainer)


def unit(embedded: Embedded) -> Tensor:
    """Embeddings of unit length, (N, E), float32."""
    return F.normalize(embedded.embedding.float(), dim=1)
