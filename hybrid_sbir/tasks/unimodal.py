"""Unimodal retrieval with the features of a trained classifier (thesis, section 4.3 and Table 4.3).

Shapes: N batch, C channels, H, W image size, E features: 2048 of the thesis's backbones at full width.
"""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor, nn

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.models import Classifier
from hybrid_sbir.models.torchvision_features import TorchvisionFeatures
from hybrid_sbir.retrieval import describe
from hybrid_sbir.tasks.retrieval_record import details
from hybrid_sbir.tasks.retrieval_scores import ROLES, RetrievalScores
from hybrid_sbir.tasks.trained_classifier import load_trained
from hybrid_sbir.tasks.whole_batches import in_whole_batch


class UnimodalRetrieval(LightningModule):
    """Rank a catalogue by the cosine of globally pooled features; only evaluates, nothing is trained.

    Logs ``map``, ``mrr`` and ``p10`` under ``val/`` and ``test/``: fractions, over the whole ranking.

    Args:
        init_from: the classifier: a run's folder (its best checkpoint) or .ckpt, a .safetensors, or a published .pth;
            with ``torchvision`` a file of that model's weights.
        torchvision: instead of a classifier of this package, the frozen features of this model of torchvision
            (``resnet50`` say), the pretrained weights from its cache unless ``init_from`` names a file.
        scales: each image is described at these factors on its side; see :func:`~hybrid_sbir.retrieval.describe`.
        mirror: and mirrored.

    Attributes:
        embedding_size: E.
        trained_on: names of the classes that the classifier was trained on, where its file says so.
        details: what a record keeps beside the logged scores, by evaluation.
        non_finite: one entry for each sample whose features were no numbers, in the last evaluation.

    Raises:
        FileNotFoundError: if there is no such file, or no weights in torchvision's cache.
        ValueError: if neither a classifier nor a model is named, or the file does not fit.
    """

    def __init__(
        self,
        init_from: str | None = None,
        torchvision: str | None = None,
        scales: tuple[float, ...] = (1.0,),
        mirror: bool = False,
    ) -> None:
        super().__init__()
        self.trained_on: tuple[str, ...] = ()
        self.model: Classifier | TorchvisionFeatures
        if torchvision is not None:
            self.model = pretrained = TorchvisionFeatures(torchvision, init_from).eval()
            self.embedding_size, self._smallest = pretrained.num_features, pretrained.smallest_input
        elif init_from is not None:
            self.model, self.trained_on, path = load_trained(init_from)
            self.embedding_size = self.model.backbone.num_features
            self._smallest = self.model.backbone.smallest_input
            rank_zero_info(f"features of {path}: {self.embedding_size} numbers an image")
        else:
            raise ValueError(
                "UnimodalRetrieval needs a trained classifier (--model.init_args.init_from, a run's folder or a file) "
                "or a model of torchvision (--model.init_args.torchvision resnet50)"
            )
        self.model.requires_grad_(False)
        self.scales, self.mirror = scales, mirror
        self.scores = nn.ModuleList()
        self.details: dict[str, Any] = {}
        self.non_finite: list[int] = []

    def forward(self, image: Tensor) -> Tensor:
        """Describe images (N, C, H, W): (N, E), float32, of norm 1.

        Raises:
            ValueError: if the images do not fit the model; says what does.
        """
        return describe(self.model.features, image, self.scales, self.mirror, self._smallest)

    def validation_step(self, batch: ClassificationBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch: queries come from even loaders, the catalogue from odd ones."""
        scores, role = self.scores[dataloader_idx // 2], ROLES[dataloader_idx % 2]
        scores.update(self._embed(batch.image), batch.label, batch.index, role)  # type: ignore[operator]

    def test_step(self, batch: ClassificationBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch."""
        self.validation_step(batch, batch_idx, dataloader_idx)

    def predict_step(self, batch: ClassificationBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Return ``embedding`` (N, E), float32, of norm 1, with the batch's ``label`` and ``index``."""
        return {"embedding": self._embed(batch.image), "label": batch.label, "index": batch.index}

    def on_validation_epoch_start(self) -> None:
        """Make ready for the evaluations of the data."""
        self._begin("val")

    def on_test_epoch_start(self) -> None:
        """Make ready for the evaluations of the data."""
        self._begin("test")

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        self._log_scores()

    def on_test_epoch_end(self) -> None:
        """Log the scores."""
        self._log_scores()

    def _embed(self, image: Tensor) -> Tensor:
        return in_whole_batch(self, image, getattr(self._data(), "batch_size", None))

    def _data(self) -> Any:
        return getattr(self.trainer, "datamodule", None)

    def _begin(self, part: str) -> None:
        """Meters for the evaluations that the data has."""
        data = self._data()
        if not hasattr(data, "evaluations"):
            raise ValueError(
                f"{type(data).__name__} has no queries and no catalogue; give retrieval data (experiments/data/"
                "quickdraw_unimodal.yaml), or hold classes out of your own: UnimodalData with held_out"
            )
        meters = [RetrievalScores(about, self.embedding_size) for about in data.evaluations(part)]
        self.scores = nn.ModuleList(meters).to(self.device)
        self.details = {}

    def _log_scores(self) -> None:
        self.non_finite = []
        for scores in self.scores:
            assert isinstance(scores, RetrievalScores)
            for name, value in scores.compute().items():
                # The same number in every process already, so that nothing is to be averaged; float64, as it was made.
                self.log(name, torch.tensor(value, dtype=torch.float64), prog_bar=True)
            self.non_finite += [0] * scores.non_finite
            values = scores.meter.values
            assert values is not None, "compute has set it"
            self.details[scores.about.name] = details(scores.about, values, *self._remarks(scores.about.classes))
        self.scores = nn.ModuleList()

    def _remarks(self, searched: tuple[str, ...]) -> list[str]:
        """What the numbers mean: whether the classes are new to the model, and whether views were added up."""
        remarks = []
        if known := sorted({*searched} & {*self.trained_on}):
            remarks.append(
                f"{len(known)} of the {len(searched)} classes were trained on ({', '.join(known[:5])}"
                f"{', ...' if len(known) > 5 else ''}): this is no retrieval of unseen classes"
            )
            rank_zero_warn(remarks[-1])
        if self.mirror or self.scales != (1.0,):
            views = f"scales {', '.join(f'{scale:g}' for scale in self.scales)}{', mirrored' if self.mirror else ''}"
            remarks.append(f"descriptors of several views: {views}")
        return remarks
