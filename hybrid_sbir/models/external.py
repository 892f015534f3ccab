"""Classification models of torchvision and timm as backbones: ``torchvision:resnet50``, ``timm:seresnext50_32x4d``.

Built with random weights; nothing is ever fetched. Shapes: N batch, C channels, H, W image size, D features.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hybrid_sbir.models.backbone import Backbone
from hybrid_sbir.models.external_parts import Parts, agrees, as_map, group, tensors_by_name
from hybrid_sbir.models.external_sizes import Sizes
from hybrid_sbir.models.external_spec import ExternalSpec
from hybrid_sbir.models.stage import Activation
from hybrid_sbir.models.stem import StemSize
from hybrid_sbir.models.timm_backbone import build_timm, take_timm_apart
from hybrid_sbir.models.torchvision_backbone import build_torchvision, take_torchvision_apart

_BUILD = {"torchvision": build_torchvision, "timm": build_timm}
_TAKE_APART = {"torchvision": take_torchvision_apart, "timm": take_timm_apart}


class ExternalBackbone(Backbone):
    """A model of another library under this package's contract: a stem, stages, pooled features.

    The stages are cut where the library's own forward pass allows it, and only if the parts one after the other give
    the library's own features; a model for which none does is one stage, ``whole`` says why. The features are what the
    library's classifier takes: (N, D), D of VGG 4096. Maps are as the stages leave them, (N, C, h, w).

    Args:
        spec: which model.
        activation: no effect: the model has an order of its own.
        in_channels: channels of the image; a number other than 3 gives a new first convolution.
        stem: only "imagenet": the model has a stem of its own.
        width: only 1.
        widths: only None.
        stem_width: only None.

    Attributes:
        stem: what stands before the stages.
        stages: a module each.
        closing: the rest up to the library's classifier; its result stands as a map of one position, (N, D, 1, 1).
        library_names: the library's name of every tensor -> its names here; () of what no feature depends on.
        classifiers: what the names of the library's classifiers begin with, which are left out here.
        whole: why the model is one stage; empty where it is not.

    Raises:
        ValueError: if there is no such model, it does not take the options, or the library is not installed.
    """

    def __init__(
        self,
        spec: ExternalSpec,
        *,
        activation: Activation = "pre",
        in_channels: int = 3,
        stem: StemSize = "imagenet",
        width: float = 1.0,
        widths: Sequence[int] | None = None,
        stem_width: int | None = None,
    ) -> None:
        nn.Module.__init__(self)
        _check_options(spec, in_channels, stem, width, widths, stem_width)
        self.spec: Any = spec
        self.activation, self.in_channels = activation, in_channels
        skeleton_only = torch.get_default_device().type == "meta"
        with torch.device("cpu"), torch.no_grad():  # libraries read numbers off tensors while they build
            body = _BUILD[spec.library](spec.model, in_channels, spec.img_size).eval()
            image = _probe(body, in_channels, spec.img_size)
            self._parts = _set_parts(self, body, image)
            self._sizes = Sizes(self.stem, self.stages, self.closing, self._parts, in_channels)
            maps, last = self._maps(image)
            self.stage_widths = tuple(each.shape[1] for each in maps)
            self.num_features = self.closing(last).shape[1]
        self.whole, self.classifiers = self._parts.whole, self._parts.classifiers
        here = tensors_by_name(self)
        self.library_names = {
            name: tuple(own for own, value in here.items() if value == identity)
            for name, identity in self._parts.names.items()
        }
        self.train()
        if skeleton_only:
            self.to("meta")

    def options(self) -> dict[str, Any]:
        """The keywords that, with ``spec``, build this backbone again."""
        return {"in_channels": self.in_channels}

    def stage_features(self, x: Tensor) -> list[Tensor]:
        """Map an image (N, in_channels, H, W) to every stage's map (N, C, h, w), as the stages leave them.

        Raises:
            ValueError: if the image's channels or size do not fit; the message says which would.
        """
        self.check_input(x)
        return self._maps(x)[0]

    def pooled_features(self, x: Tensor) -> Tensor:
        """What the library's classifier takes: (N, in_channels, H, W) -> (N, D); errors as :meth:`stage_features`."""
        self.check_input(x)
        return self.closing(self._maps(x)[1])[:, :, 0, 0]

    def stage_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Size in positions of each stage's map for an image of ``height`` x ``width`` pixels.

        Raises:
            ValueError: if the model does not take such an image.
        """
        sizes = self._sizes.maps(height, width)
        if isinstance(sizes, str):
            raise ValueError(self._refusal(height, width, sizes))
        return sizes

    @property
    def smallest_input(self) -> int:
        """Side in pixels of the smallest square image that was found to fit."""
        return self._sizes.smallest()

    def check_input(self, x: Tensor) -> None:
        """Refuse an image that the model does not take.

        Raises:
            ValueError: says what was got, why it does not fit, and which size would do.
        """
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(f"the input is {tuple(x.shape)}; this backbone takes (N, {self.in_channels}, H, W)")
        if not torch.compiler.is_compiling():
            self.stage_sizes(*x.shape[2:])

    def _maps(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Every stage's map, and what the last stage gave."""
        (height, width), maps, x = x.shape[2:], [], self.stem(x)
        for stage in self.stages:
            x = stage(x)
            maps.append(as_map(x, self._parts, height, width))
        return maps, x

    def _refusal(self, height: int, width: int, reason: str) -> str:
        fixed = self.smallest_input == self._parts.default_size
        side = self._parts.default_size
        advice = f"use at least {self.smallest_input} x {self.smallest_input} pixels"
        if fixed:
            named = ExternalSpec(self.spec.library, self.spec.model, height)
            advice = f"use {side} x {side} pixels, or build it for yours: backbone '{named}'"
        return f"{self.spec} does not take {height} x {width} pixels ({reason}); {advice}"


class _OnePosition(nn.Module):
    """An ending whose features (N, D) stand as a map of one position, (N, D, 1, 1), for all backbones pool alike."""

    def __init__(self, ending: nn.Module) -> None:
        super().__init__()
        self.ending = ending

    def forward(self, x: Tensor) -> Tensor:
        return self.ending(x)[:, :, None, None]


def _set_parts(backbone: ExternalBackbone, body: nn.Module, image: Tensor) -> Parts:
    """Set stem, stages and closing to the finest parts that give the model's own features."""
    wanted = body(image)
    for parts in _TAKE_APART[backbone.spec.library](body, image):
        try:
            stem, stages = group(parts, image)
        except Exception:  # a chain that does not run alone is none; what a foreign model raises is not known
            continue
        if agrees(stem, stages, parts.ending, image, wanted):
            backbone.stem, backbone.stages = stem, nn.ModuleList(stages)  # type: ignore[assignment]  # another stem
            backbone.closing = _OnePosition(parts.ending)
            return parts
    raise ValueError(
        f"{backbone.spec} gives no features (N, D), but {tuple(wanted.shape)}: it is no classification model"
    )


def _probe(body: Any, in_channels: int, img_size: int | None) -> Tensor:
    """An image of the size that the library gives the model; the same whatever was drawn before."""
    about = getattr(body, "pretrained_cfg", None) or {}
    side = img_size or about.get("input_size", (3, 224, 224))[-1]
    return torch.randn(1, in_channels, side, side, generator=torch.Generator().manual_seed(0))


def _check_options(
    spec: ExternalSpec,
    in_channels: int,
    stem: str,
    width: float,
    widths: Sequence[int] | None,
    stem_width: int | None,
) -> None:
    """Refuse options that would have no effect."""
    if in_channels < 1:
        raise ValueError(f"in_channels is {in_channels}; an image has at least 1 (grey), most have 3 (colour)")
    if stem != "imagenet":
        raise ValueError(f"stem is '{stem}', but {spec} has a stem of its own; give stem: imagenet")
    if width != 1 or widths is not None or stem_width is not None:
        raise ValueError(f"{spec} has the widths it has; give width: 1, and leave widths and stem_width out")
