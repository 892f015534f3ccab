"""Classification of one kind of image: the thesis's sections 4.1 and 4.2, and the first stage of its retrieval.

Shapes: N batch, C channels, H, W image size, K classes.
"""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.losses import Smoothing, smoothed_cross_entropy
from hybrid_sbir.metrics import ClassificationMeter
from hybrid_sbir.models import Classifier, StageSpec, create_backbone
from hybrid_sbir.models.stage import Activation
from hybrid_sbir.models.stem import StemSize
from hybrid_sbir.tasks.classification_record import details
from hybrid_sbir.tasks.initial_weights import load_initial_weights
from hybrid_sbir.tasks.non_finite import NonFiniteSamples
from hybrid_sbir.tasks.optimisation import Schedule, build_optimisation, check_schedule, steps_of
from hybrid_sbir.tasks.restoring import KEY, check_restorable, check_same_data, describe
from hybrid_sbir.tasks.whole_batches import in_whole_batch


class ClassificationTask(LightningModule):
    """Train and evaluate a backbone with a linear head.

    The defaults are the thesis's regime: SGD with momentum 0.9, weight decay 1e-4, a rate of 0.1 that a cosine takes to
    0 over the run, and label smoothing of 0.1 over the wrong classes. Logs ``train/loss`` (through
    :class:`~hybrid_sbir.callbacks.LossWatch`), and ``loss``, ``top1`` and ``top5`` under ``val/`` and ``test/``: plain
    cross-entropy, and fractions of the distinct samples.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C, 1 or 3; the command line takes it from the data.
        backbone: a registered name (``hybrid-sbir models``), or the stages of a new hybrid.
        activation: order of normalisation and activation, "pre" or "post" (the thesis's setups 2 and 1).
        width: factor on all of the backbone's widths.
        stem: how far the image is shrunk in all: "imagenet" 32 times, "small" 16, "tiny" 8 times.
        label_smoothing: probability spread over other classes.
        smoothing: over which: "published" (the wrong ones) or "pytorch" (all).
        optimizer: builds the optimiser from the parameters.
        lr_scheduler: "cosine" (to 0 over trainer.max_epochs, once an epoch), "warmup_cosine" (once a step),
            "constant", or a scheduler class.
        init_from: a file with weights to start from: a run's .ckpt, a .safetensors, or a published .pth.
        init_head: whether to take the head from it too; false where the classes differ.

    Attributes:
        details: what a record keeps beside the logged scores, by evaluation: each class's counts.
        non_finite: indices of samples whose logits were no numbers, in the last evaluation.

    Raises:
        ValueError: if a setting fits no model; the message says what does.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        backbone: str | list[StageSpec] = "resnet26",
        activation: Activation = "pre",
        width: float = 1.0,
        stem: StemSize = "imagenet",
        label_smoothing: float = 0.1,
        smoothing: Smoothing = "published",
        optimizer: OptimizerCallable = lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4),
        lr_scheduler: Schedule = "cosine",
        init_from: str | None = None,
        init_head: bool = True,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}; a classifier needs 2 or more: look at the data's classes")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; give a share from 0 to below 1")
        body = create_backbone(backbone, activation=activation, in_channels=in_channels, width=width, stem=stem)
        self.model = Classifier(body, num_classes)
        self.meter = ClassificationMeter()
        self.unsound = NonFiniteSamples()
        self.non_finite: list[int] = []
        self.details: dict[str, Any] = {}
        self.label_smoothing, self.smoothing = label_smoothing, smoothing
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.init_from, self.init_head = init_from, init_head

    def setup(self, stage: str) -> None:
        """Load the initial weights; a checkpoint that is continued replaces them afterwards."""
        if self.init_from is not None:
            rank_zero_info(load_initial_weights(self.model, self.init_from, self.init_head))

    def configure_optimizers(self) -> Any:
        """Build the optimiser from this module's own trainable parameters, and the schedule."""
        trainable = [p for p in self.parameters() if p.requires_grad]
        epochs = self.trainer.max_epochs
        return build_optimisation(trainable, self.optimizer, self.lr_scheduler, epochs, self._steps)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of images (N, C, H, W): (N, K)."""
        return self.model(image)

    def training_step(self, batch: ClassificationBatch, batch_idx: int) -> Tensor:
        """Return the smoothed loss of a batch."""
        return smoothed_cross_entropy(self(batch.image).float(), batch.label, self.label_smoothing, self.smoothing)

    def validation_step(self, batch: ClassificationBatch, batch_idx: int) -> None:
        """Add a batch to the scores."""
        logits = self._evaluate(batch.image)
        self.meter.update(logits, batch.label, batch.index)
        self.unsound.update(logits, batch.index)

    def test_step(self, batch: ClassificationBatch, batch_idx: int) -> None:
        """Add a batch to the scores."""
        self.validation_step(batch, batch_idx)

    def predict_step(self, batch: ClassificationBatch, batch_idx: int) -> dict[str, Tensor]:
        """Return ``probabilities`` (N, K), float32, with the batch's ``label`` and ``index``."""
        return {
            "index": batch.index,
            "label": batch.label,
            "probabilities": self._evaluate(batch.image).float().softmax(dim=1),
        }

    def on_validation_epoch_start(self) -> None:
        """Forget earlier samples: a validation may have been broken off."""
        self.meter.reset()
        self.unsound.reset()

    def on_test_epoch_start(self) -> None:
        """Forget earlier samples."""
        self.on_validation_epoch_start()

    def on_validation_epoch_end(self) -> None:
        """Log the validation's scores."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log the test's scores."""
        self._log_scores("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store what is needed to build the model again, and the classes it tells apart."""
        checkpoint[KEY] = describe(self.model, self._classes(), getattr(self._data(), "fingerprint", None))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another model, other classes or, to continue, another length; in words."""
        check_restorable(checkpoint, self.model, self._classes())
        if self.trainer.state.fn == TrainerFn.FITTING:
            check_same_data(checkpoint, getattr(self._data(), "fingerprint", None))
            check_schedule(checkpoint, self.trainer.max_epochs, self._steps)

    def _evaluate(self, image: Tensor) -> Tensor:
        """Logits of a batch, whatever its size."""
        return in_whole_batch(self, image, getattr(self._data(), "batch_size", None))

    def _classes(self) -> list[str]:
        return list(getattr(self._data(), "classes", ()))

    def _steps(self) -> float:
        return steps_of(self.trainer)

    def _data(self) -> Any:
        return getattr(self.trainer, "datamodule", None)

    def _log_scores(self, part: str) -> None:
        scores, self.non_finite = self.meter.compute(), self.unsound.compute()
        rates = scores.rates()
        self.details = {part: details(self._classes(), scores)}
        if self.non_finite and not self.trainer.sanity_checking:  # before any training it would only alarm
            rank_zero_warn(
                f"the outputs for {len(self.non_finite)} of {scores.samples} samples are not finite (indices "
                f"{self.non_finite[:10]}{' and more' if len(self.non_finite) > 10 else ''}); they count as wrong"
            )
        shown = {"loss": False, "top1": True, "top5": True}
        for name, value in rates.items():
            # The same number in every process already, so that nothing is to be averaged; float64, as it was counted.
            self.log(f"{part}/{name}", torch.tensor(value, dtype=torch.float64), prog_bar=shown[name])
        self.meter.reset()
        self.unsound.reset()
