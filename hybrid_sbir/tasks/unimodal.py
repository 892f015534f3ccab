"""Unimodal retrieval with the features of a trained classifier (thesis, section 4.3 and Table 4.3).

Shapes: N batch, C channels, H, W image size, E features: 2048 of the thesis's backbones at full width.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor

from hybrid_sbir.batch import Domain
from hybrid_sbir.models import Classifier
from hybrid_sbir.models.torchvision_features import TorchvisionFeatures
from hybrid_sbir.retrieval import describe
from hybrid_sbir.tasks.retrieval import RetrievalTask
from hybrid_sbir.tasks.retrieval_scores import CatalogueMethod
from hybrid_sbir.tasks.trained_classifier import load_trained


class UnimodalRetrieval(RetrievalTask):
    """Rank a catalogue by the cosine of globally pooled features; only evaluates, nothing is trained.

    Logs ``map``, ``mrr`` and ``p10`` under ``val/`` and ``test/``: fractions, over the whole ranking.

    Args:
        init_from: the classifier: a run's folder (its best checkpoint) or .ckpt, a .safetensors, or a published .pth;
            with ``torchvision`` a file of that model's weights.
        torchvision: instead of a classifier of this package, the frozen features of this model of torchvision
            (``resnet50`` say), the pretrained weights from its cache unless ``init_from`` names a file; or of timm
            (``timm:seresnext50_32x4d``), from the file that ``init_from`` names.
        scales: each image is described at these factors on its side; see :func:`~hybrid_sbir.retrieval.describe`.
        mirror: and mirrored.
        using_catalogue: see :class:`~hybrid_sbir.tasks.retrieval.RetrievalTask`.

    Attributes:
        embedding_size: E.
        trained_on: names of the classes that the classifier was trained on, where its file says so.

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
        using_catalogue: Sequence[CatalogueMethod] = (),
    ) -> None:
        super().__init__(scales, mirror, using_catalogue)
        self.trained_on: tuple[str, ...] = ()
        self.model: Classifier | TorchvisionFeatures
        if torchvision is not None:
            self.model = pretrained = TorchvisionFeatures(torchvision, init_from).eval()
            self.embedding_size, self.smallest_input = pretrained.num_features, pretrained.smallest_input
            rank_zero_info(f"features of {pretrained.said}")
        elif init_from is not None:
            self.model, self.trained_on, path = load_trained(init_from)
            self.embedding_size = self.model.backbone.num_features
            self.smallest_input = self.model.backbone.smallest_input
            rank_zero_info(f"features of {path}: {self.embedding_size} numbers an image")
        else:
            raise ValueError(
                "UnimodalRetrieval needs a trained classifier (--model.init_args.init_from, a run's folder or a file) "
                "or a model of torchvision (--model.init_args.torchvision resnet50)"
            )
        self.model.requires_grad_(False)

    def embed(self, image: Tensor, domain: Domain = "sketch") -> Tensor:
        """Embed images (N, C, H, W) of any domain: (N, E), float32, of norm 1."""
        return F.normalize(self.model.features(image).float(), dim=1)

    def forward(self, image: Tensor) -> Tensor:
        """Describe images (N, C, H, W) by all their views: (N, E), float32, of norm 1.

        Raises:
            ValueError: if the images do not fit the model; says what does.
        """
        return describe(self.embed, image, self.scales, self.mirror, self.smallest_input)

    def remarks(self, classes: tuple[str, ...]) -> list[str]:
        """Say whether the classes are new to the model, and whether views were added up."""
        said = super().remarks(classes)
        if known := sorted({*classes} & {*self.trained_on}):
            said.append(
                f"{len(known)} of the {len(classes)} classes were trained on ({', '.join(known[:5])}"
                f"{', ...' if len(known) > 5 else ''}): this is no retrieval of unseen classes"
            )
            rank_zero_warn(said[-1])
        return said
