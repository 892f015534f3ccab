"""Frozen features of torchvision's classification models, as a baseline. Weights are never fetched.

Shapes: N batch, H, W image size, D features.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models as zoo

from hybrid_sbir.models.checkpoints import CheckpointError, read_state
from hybrid_sbir.models.weights import load_strictly


class TorchvisionFeatures(nn.Module):
    """What a torchvision classifier gives to its last linear layer.

    Args:
        name: of a classification model of torchvision, ``resnet50`` say.
        weights: a file of weights (.pth, .safetensors), or None for the ones that torchvision has in its cache.

    Attributes:
        num_features: D.

    Raises:
        ValueError: if there is no such model, it has no linear layer, or the file does not fit.
        FileNotFoundError: if the weights are not at hand; says where they are looked for.
    """

    in_channels = 3
    smallest_input = 1

    def __init__(self, name: str, weights: str | Path | None = None) -> None:
        super().__init__()
        if name not in zoo.list_models(module=zoo):
            raise ValueError(f"torchvision has no classification model '{name}'; it has {_some(name)}")
        self.body = _with_file(name, weights) if weights is not None else _from_cache(name)
        linear = [(path, part) for path, part in self.body.named_modules() if isinstance(part, nn.Linear)]
        if not linear:
            raise ValueError(f"torchvision's {name} ends in no linear layer, whose input its features would be")
        path, last = linear[-1]
        self.num_features = last.in_features
        self.body.set_submodule(path, nn.Identity())

    def features(self, x: Tensor) -> Tensor:
        """Return features of images (N, 3, H, W), normalised as ImageNet's: (N, D)."""
        return self.body(x)


def _with_file(name: str, path: str | Path) -> nn.Module:
    body: nn.Module = zoo.get_model(name, weights=None, **_heads(name))
    try:
        load_strictly(body, read_state(path))
    except CheckpointError as error:
        raise CheckpointError(f"{Path(path).name} holds no weights of torchvision's {name}: {error}") from error
    return body


def _heads(name: str) -> dict[str, Any]:
    """Inception and GoogLeNet would draw their random weights for minutes; the file's replace them."""
    return {"init_weights": False} if name in ("inception_v3", "googlenet") else {}


def _from_cache(name: str) -> nn.Module:
    wanted: Any = zoo.get_model_weights(name).DEFAULT
    file = Path(torch.hub.get_dir()) / "checkpoints" / wanted.url.rpartition("/")[2]
    if not file.is_file():
        raise FileNotFoundError(
            f"no pretrained weights of torchvision's {name} on this machine: torchvision keeps them in {file} "
            f"({wanted}), and this package downloads nothing silently. Put the file there, or name one: "
            "--model.init_args.init_from FILE"
        )
    return zoo.get_model(name, weights=wanted)


def _some(name: str) -> str:
    from difflib import get_close_matches

    known = zoo.list_models(module=zoo)
    return ", ".join(get_close_matches(name, known) or [*known[:8], "..."])
