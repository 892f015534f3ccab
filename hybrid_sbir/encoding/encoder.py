"""Sketches and photos -> unit vectors, as a trained model and its run's preparation of images give them.

Shapes: N images, C channels, S side of what the model is given, E embedding size.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from hybrid_sbir.data.transforms import Transform
from hybrid_sbir.encoding.model_file import MODEL_SUFFIX, read_model_file
from hybrid_sbir.encoding.preparation import Preparation, of_run
from hybrid_sbir.encoding.trained_model import backbone_of, load_model
from hybrid_sbir.models import TwoBranch
from hybrid_sbir.models.two_branch import DOMAINS, Domain
from hybrid_sbir.retrieval import describe


class Encoder:
    """A trained model of two branches, or a classifier of one kind of image, as a source of descriptors.

    Args:
        model: a TwoBranch or a Classifier; put into evaluation mode.
        preparation: how images of each domain are prepared.
        about: what is said of it elsewhere, plain values: ``name``, classes, scores.
        device: where it runs.

    Attributes:
        embedding_size: E.
        preparation: how images of each domain are prepared, plain values.
        about: what is said of it, plain values.
    """

    def __init__(
        self,
        model: nn.Module,
        preparation: Mapping[Domain, Preparation],
        about: Mapping[str, Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.model = model.eval().to(device)
        self.preparation, self.about, self.device = dict(preparation), dict(about or {}), torch.device(device)
        self._transforms = {domain: self.preparation[domain].transform() for domain in DOMAINS}
        branch = backbone_of(model)
        self._smallest = branch.smallest_input
        self.embedding_size = model.embedding_size if isinstance(model, TwoBranch) else branch.num_features

    def transform(self, domain: Domain) -> Transform:
        """Return what is done to an image of a domain; it can be sent to loading processes."""
        return self._transforms[domain]

    def prepare(self, image: Image.Image, domain: Domain) -> Tensor:
        """Prepare one image, of mode L or RGB: (C, S, S), float32."""
        return self._transforms[domain](image)

    @torch.inference_mode()
    def embed(
        self, images: Tensor, domain: Domain, *, scales: Sequence[float] = (1.0,), mirror: bool = False
    ) -> np.ndarray:
        """Embed prepared images.

        Args:
            images: (N, C, S, S), float32.
            domain: "sketch" or "photo".
            scales: factors on the side, whose descriptors are averaged.
            mirror: whether mirror images are averaged too.

        Returns:
            (N, E), float32, of norm 1.
        """
        found = describe(
            lambda view: self._embed(view, domain), images.to(self.device), tuple(scales), mirror, self._smallest
        )
        return found.cpu().numpy()

    def _embed(self, images: Tensor, domain: Domain) -> Tensor:
        if isinstance(self.model, TwoBranch):
            return F.normalize(self.model.embed(images, domain).embedding.float(), dim=1)
        return F.normalize(backbone_of(self.model).pooled_features(images).float(), dim=1)


def load_encoder(path: Path | str, device: str | torch.device = "cpu") -> Encoder:
    """Load an encoder.

    Args:
        path: a run's folder (its best checkpoint, else its last) or .ckpt inside it, or a published .safetensors.
        device: where it runs.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError, ValueError: if the file is damaged, holds no model, or nothing says how images are prepared.
    """
    path = Path(path)
    if path.suffix == MODEL_SUFFIX:
        return Encoder(*read_model_file(path), device)
    trained = load_model(path)
    return Encoder(trained.model, of_run(trained), {"name": path.name}, device)
