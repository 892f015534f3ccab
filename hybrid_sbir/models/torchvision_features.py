"""Frozen features of torchvision's and timm's classification models, as a baseline. Weights are never fetched.

Shapes: N batch, H, W image size, D features.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models as zoo

from hybrid_sbir.models.external import ExternalBackbone
from hybrid_sbir.models.external_spec import ExternalSpec, external_spec
from hybrid_sbir.models.external_weights import load_library_weights


class TorchvisionFeatures(nn.Module):
    """What a pretrained classifier of torchvision or timm gives to its last layer.

    Args:
        name: of a classification model of torchvision, ``resnet50`` say; or ``timm:NAME``.
        weights: a file of the library's weights (.pth, .safetensors), or None for those that torchvision has in its
            cache.

    Attributes:
        num_features: D.
        smallest_input: side in pixels of the smallest square image.
        said: what was loaded, changed and left out.

    Raises:
        ValueError: if there is no such model, or the file does not fit.
        FileNotFoundError: if the weights are not at hand; says where they are looked for.
    """

    in_channels = 3

    def __init__(self, name: str, weights: str | Path | None = None) -> None:
        super().__init__()
        spec = external_spec(name) or ExternalSpec("torchvision", name)
        self.body = ExternalBackbone(spec)
        self.said = load_library_weights(self.body, weights or _in_cache(spec))
        self.num_features, self.smallest_input = self.body.num_features, self.body.smallest_input

    def features(self, x: Tensor) -> Tensor:
        """Return features of images (N, 3, H, W), normalised as ImageNet's: (N, D)."""
        return self.body.pooled_features(x)


def _in_cache(spec: ExternalSpec) -> Path:
    """The file in torchvision's cache with the weights that it recommends."""
    if spec.library != "torchvision":
        raise FileNotFoundError(f"{spec} needs a file of weights: --model.init_args.init_from FILE")
    wanted: Any = zoo.get_model_weights(spec.model).DEFAULT
    file = Path(torch.hub.get_dir()) / "checkpoints" / wanted.url.rpartition("/")[2]
    if not file.is_file():
        raise FileNotFoundError(
            f"no pretrained weights of torchvision's {spec.model} on this machine: torchvision keeps them in {file} "
            f"({wanted}), and this package downloads nothing silently. Put the file there, or name one: "
            "--model.init_args.init_from FILE"
        )
    return file
