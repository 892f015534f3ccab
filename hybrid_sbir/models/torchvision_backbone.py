"""Any classification model of torchvision, taken apart by the names that its families give their parts.

Shapes: N batch, C channels, H, W image size, L tokens, D features.
"""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from hybrid_sbir.models.external_parts import Parts, Whole, tensors_by_name

# A family's last layer, and its auxiliary classifiers.
_CLASSIFIERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ResNet", "RegNet", "ShuffleNetV2"), ("fc",)),
    **dict.fromkeys(("AlexNet", "VGG"), ("classifier.6",)),
    **dict.fromkeys(("EfficientNet", "MNASNet", "MobileNetV2"), ("classifier.1",)),
    "ConvNeXt": ("classifier.2",),
    "DenseNet": ("classifier",),
    "GoogLeNet": ("fc", "aux1", "aux2"),
    "Inception3": ("fc", "AuxLogits"),
    "MaxVit": ("classifier.5",),
    "MobileNetV3": ("classifier.3",),
    "SqueezeNet": ("classifier",),
    "SwinTransformer": ("head",),
    "VisionTransformer": ("heads.head",),
}
_CONTAINERS = ("features", "layers", "trunk_output", "blocks")
_SIZED = {"vit": "image_size", "maxvit": "input_size"}  # the others take images of any size


def _zoo() -> Any:
    """Torchvision's models; importing them takes seconds, which a backbone of this package does not need."""
    from torchvision import models

    return models


def torchvision_models() -> list[str]:
    """Return the names of torchvision's classification models."""
    zoo = _zoo()
    return zoo.list_models(module=zoo)


def build_torchvision(name: str, in_channels: int, img_size: int | None) -> nn.Module:
    """Build a classification model of torchvision with random weights; nothing is fetched.

    Auxiliary classifiers and the inner change of the input's scale (``transform_input``) are off.

    Args:
        name: of :func:`torchvision_models`.
        in_channels: channels of the image; a model has 3, another number gives it a new first convolution.
        img_size: side in pixels of the images, for models that take one size only.

    Raises:
        ValueError: if there is no such model, or the size does not fit it.
    """
    known = torchvision_models()
    if name not in known:
        near = get_close_matches(name, known, n=5) or [*known[:5], "..."]
        raise ValueError(
            f"torchvision has no classification model '{name}'; it has {', '.join(f'torchvision:{n}' for n in near)}"
        )
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "transform_input": False, "init_weights": True}
    if img_size is not None:
        key = _SIZED.get(name.partition("_")[0])
        if key is None:
            raise ValueError(f"torchvision's {name} takes images of any size: leave out '@{img_size}' (img_size)")
        options[key] = img_size if key == "image_size" else (img_size, img_size)
    try:
        body: nn.Module = _zoo().get_model(name, weights=None, **options)
    except (AssertionError, ValueError, RuntimeError) as error:
        raise ValueError(f"torchvision's {name} cannot be built for {img_size} x {img_size} pixels: {error}") from error
    if in_channels != 3:
        _replace_first(body, in_channels)
    last = _CLASSIFIERS[type(body).__name__][0]
    # SqueezeNet's last layer is a convolution: what is averaged before it are its features.
    body.set_submodule(last, nn.AdaptiveAvgPool2d(1) if type(body).__name__ == "SqueezeNet" else nn.Identity())
    return body


def take_torchvision_apart(body: Any, image: Tensor) -> Iterator[Parts]:
    """Yield ways to take a model of torchvision apart, the finest first; the last keeps it whole.

    Args:
        body: in evaluation mode, of :func:`build_torchvision`.
        image: a small batch that the model takes, (N, C, H, W).
    """
    family = type(body).__name__
    common: dict[str, Any] = {
        "classifiers": _CLASSIFIERS[family],
        "names": tensors_by_name(body),
        "channels_last": family == "SwinTransformer",
        "default_size": image.shape[-1],
    }
    if family == "VisionTransformer":
        chain = [*_held("encoder.layers", body.encoder.layers), ("encoder.ln", body.encoder.ln)]
        yield Parts(_Tokens(body), chain, _ClassToken(), prefix=1, **common)
    else:
        yield Parts(nn.Identity(), _chain(body), _ENDINGS.get(family, _usual)(body), **common)
    yield Parts(nn.Identity(), [("", Whole(body))], nn.Flatten(), whole="its parts have other names here", **common)


class _Tokens(nn.Module):
    """What torchvision's ViT does before its blocks: patches, class token, positions."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.conv_proj, self.class_token = body.conv_proj, body.class_token
        self.pos_embedding, self.dropout = body.encoder.pos_embedding, body.encoder.dropout
        self.image_size = body.image_size

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[2:]) != (self.image_size, self.image_size):
            raise ValueError(f"it takes {self.image_size} x {self.image_size} pixels")
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)
        return self.dropout(x + self.pos_embedding)


class _ClassToken(nn.Module):
    """The first token, (N, L, D) -> (N, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


def _held(name: str, container: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(f"{name}.{key}", part) for key, part in container.named_children()]


def _chain(body: nn.Module) -> list[tuple[str, nn.Module]]:
    """The parts that are a map's way through the model, in their order."""
    chain: list[tuple[str, nn.Module]] = []
    for name, child in body.named_children():
        if name in ("avgpool", "fc", "classifier", "head", "heads", "dropout", "norm", "permute", "flatten"):
            continue
        chain += _held(name, child) if name in _CONTAINERS else [(name, child)]
    return chain


def _pooled(*after: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *after)


def _usual(body: Any) -> nn.Module:
    """Pooling, and what the classifier does before its last layer, which is an identity by now."""
    classifier = getattr(body, "classifier", None)
    layers = list(classifier.children()) if classifier is not None else [getattr(body, "dropout", nn.Identity())]
    pool = getattr(body, "avgpool", nn.AdaptiveAvgPool2d(1))
    flattens = any(isinstance(layer, nn.Flatten) for layer in layers)
    return nn.Sequential(pool, *([] if flattens else [nn.Flatten()]), *layers)


_ENDINGS: dict[str, Callable[[Any], nn.Module]] = {
    "DenseNet": lambda body: nn.Sequential(nn.ReLU(), *_pooled()),
    "MaxVit": lambda body: body.classifier,
    "SqueezeNet": lambda body: _pooled(),
    "SwinTransformer": lambda body: nn.Sequential(body.norm, body.permute, *_pooled()),
}


def _replace_first(body: nn.Module, in_channels: int) -> None:
    """Give a model a first convolution for another number of channels, drawn as widely as the old one."""
    name, old = next((name, part) for name, part in body.named_modules() if isinstance(part, nn.Conv2d))
    new = nn.Conv2d(in_channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=old.bias is not None)  # type: ignore[arg-type]  # they are pairs already
    with torch.no_grad():
        new.weight.normal_(std=float(old.weight.std()))
        if new.bias is not None and old.bias is not None:
            new.bias.copy_(old.bias)
    body.set_submodule(name, new)
