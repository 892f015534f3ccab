"""The contract that every backbone keeps: stages from an image to a map, and the map's average.

Shapes: N batch, H, W image size, D channels of the last stage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from torch import Tensor, nn

from hybrid_sbir.models.global_attention import ChannelNorm
from hybrid_sbir.models.nonlocal_net import NonLocalBlock
from hybrid_sbir.models.stage import Activation, Stage, StageSpec
from hybrid_sbir.models.stem import ConvolutionStem, Entry, LinearStem, PatchStem, StemSize

_STEM_WIDTH = 64
_LARGEST_NEED = 4096  # pixels; where the search for the smallest input ends


@dataclass
class BackboneSpec:
    """A backbone in numbers.

    Attributes:
        stages: the stages, from the image on.
        entry: ``"convolution"`` is ResNet's stem, ``"linear"`` SAN's, ``"patches"`` ViT's.
    """

    stages: list[StageSpec]
    entry: Entry = "convolution"

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "BackboneSpec":
        """Undo :meth:`plain`."""
        return cls(**{**plain, "stages": [StageSpec(**stage) for stage in plain["stages"]]})

    def plain(self) -> dict[str, Any]:
        """As plain values, to be stored beside weights."""
        return {"stages": [stage.plain() for stage in self.stages], "entry": self.entry}


def scale_width(width: int, factor: float, step: int = 32) -> int:
    """``width * factor`` rounded to a multiple of ``step`` (every kind of block accepts 32), at least one step."""
    return max(step, round(width * factor / step) * step)


class Backbone(nn.Module):
    """Stem, stages and, where the last block leaves its sum bare, a closing bn - relu (layer norm after ViT's blocks).

    Args:
        spec: the backbone in numbers.
        activation: ``"post"``: bottlenecks (conv-bn-relu) and non-local blocks as first published; ``"pre"``:
            bn-relu-conv. SAN and ViT blocks are pre-activation in both.
        in_channels: channels of the image: 1 (grey), 3 (colour), or any other number.
        stem: how far the image is shrunk in all: ``"imagenet"`` 32 times, ``"small"`` 16, ``"tiny"`` 8 times (of four
            stages after a convolution stem, or five after a linear one); a single stage of patches 16, 8, 4 times.
        width: factor on all widths, rounded to multiples of 32 (stem: 8).
        widths: the stages' widths instead of the spec's, one a stage.
        stem_width: channels of the first map; 64 times ``width`` where not given, of patches the first stage's width.

    Attributes:
        stage_widths: channels of each stage's map.
        num_features: channels of the last map, D.

    Raises:
        ValueError: if an option or a stage's numbers do not fit; the message says what does.
    """

    def __init__(
        self,
        spec: BackboneSpec,
        *,
        activation: Activation = "pre",
        in_channels: int = 3,
        stem: StemSize = "imagenet",
        width: float = 1.0,
        widths: Sequence[int] | None = None,
        stem_width: int | None = None,
    ) -> None:
        super().__init__()
        _check_options(spec, activation, in_channels, stem, width, widths, stem_width)
        stages = [replace(s, width=scale_width(s.width, width)) if width != 1 else s for s in spec.stages]
        if widths is not None:
            stages = [replace(s, width=w) for s, w in zip(stages, widths, strict=True)]
        if stem_width is None:
            stem_width = scale_width(_STEM_WIDTH, width, step=8) if spec.entry != "patches" else stages[0].width
        self.spec, self.activation, self.in_channels = BackboneSpec(stages, spec.entry), activation, in_channels
        self._options = {"activation": activation, "in_channels": in_channels, "stem": stem, "stem_width": stem_width}
        self.stem = _stem(spec.entry, in_channels, stem_width, stem, activation)
        before = [stem_width, *(s.width for s in stages)]
        steps = _strides(spec.entry, stem, len(stages))
        self.stages = nn.ModuleList(
            Stage(s, channels, step, activation) for s, channels, step in zip(stages, before, steps, strict=False)
        )
        self.closing = _closing(stages[-1], activation)
        self.stage_widths, self.num_features = tuple(before[1:]), before[-1]
        self._initialise()

    def _initialise(self) -> None:
        """Kaiming normal convolutions (fan out, ReLU), as the published models."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for module in self.modules():
            if isinstance(module, NonLocalBlock):
                module.reset_residual()

    def options(self) -> dict[str, Any]:
        """The keywords that, with ``spec``, build this backbone again."""
        return dict(self._options)

    def stage_features(self, x: Tensor) -> list[Tensor]:
        """Map an image (N, in_channels, H, W) to every stage's map, the last with its closing.

        Raises:
            ValueError: if the image's channels or size do not fit; the message says which would.
        """
        self.check_input(x)
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        maps[-1] = self.closing(maps[-1])
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Map an image (N, in_channels, H, W) to the last map (N, D, h, w); errors as :meth:`stage_features`."""
        return self.stage_features(x)[-1]

    def pooled_features(self, x: Tensor) -> Tensor:
        """Average the last map over its positions: (N, in_channels, H, W) -> (N, D)."""
        return self(x).mean((2, 3))

    def stage_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Size in positions of each stage's map for an image of ``height`` x ``width`` pixels."""
        size = self.stem.output_size(height, width)
        sizes = []
        for stage in self.stages:
            size = cast(Stage, stage).output_size(*size)
            sizes.append(size)
        return sizes

    def _stage_too_small(self, height: int, width: int) -> int | None:
        """Number, from 0, of the first stage whose map would be too small for its blocks."""
        for i, (size, stage) in enumerate(zip(self.stage_sizes(height, width), self.spec.stages, strict=True)):
            if min(size) < stage.smallest_map:
                return i
        return None

    @property
    def smallest_input(self) -> int:
        """Side in pixels of the smallest square image that the geometry allows.

        Raises:
            ValueError: if no image of a sensible size would do.
        """
        for side in range(1, _LARGEST_NEED + 1):
            if self._stage_too_small(side, side) is None:
                return side
        raise ValueError(
            f"even {_LARGEST_NEED} x {_LARGEST_NEED} pixels are too few for these stages: they halve the map too "
            f"often, or a footprint is too large"
        )

    def check_input(self, x: Tensor) -> None:
        """Refuse an image that the geometry does not allow.

        Raises:
            ValueError: says what was got, which stage it is too small for, and which size would do.
        """
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(f"the input is {tuple(x.shape)}; this backbone takes (N, {self.in_channels}, H, W)")
        height, width = x.shape[-2:]
        stage = self._stage_too_small(height, width)
        if stage is not None:
            need, side = self.spec.stages[stage].smallest_map, self.smallest_input
            got = " x ".join(map(str, self.stage_sizes(height, width)[stage]))
            raise ValueError(
                f"an input of {height} x {width} pixels is {got} at stage {stage + 1}, whose blocks need at least "
                f"{need} x {need}; use at least {side} x {side} pixels, or a stem that shrinks less (small, tiny)"
            )


def _stem(
    entry: Entry, in_channels: int, channels: int, size: StemSize, activation: Activation
) -> ConvolutionStem | LinearStem | PatchStem:
    if entry == "convolution":
        return ConvolutionStem(in_channels, channels, size, activation == "pre")
    return PatchStem(in_channels, channels, size) if entry == "patches" else LinearStem(in_channels, channels)


def _closing(last: StageSpec, activation: Activation) -> nn.Module:
    """What the last block leaves to do: nothing, bn - relu, or the norm that ends a pre-norm transformer."""
    if last.kind == "vit":
        return ChannelNorm(last.width)
    bare = last.ends_bare(activation)
    return nn.Sequential(nn.BatchNorm2d(last.width), nn.ReLU()) if bare else nn.Identity()


def _strides(entry: Entry, stem: StemSize, stages: int) -> list[int]:
    """Each stage's stride: stems of convolutions and patches shrink by themselves, after a linear one stages do."""
    kept = 1 if entry != "linear" else {"imagenet": 0, "small": 1, "tiny": 2}[stem]
    return [1] * min(kept, stages) + [2] * max(0, stages - kept)


def _check_options(
    spec: BackboneSpec,
    activation: str,
    in_channels: int,
    stem: str,
    width: float,
    widths: Sequence[int] | None,
    stem_width: int | None,
) -> None:
    """Refuse options that fit no backbone."""
    for name, value, allowed in (
        ("activation", activation, ("pre", "post")),
        ("stem", stem, ("imagenet", "small", "tiny")),
        ("entry", spec.entry, ("convolution", "linear", "patches")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")
    if in_channels < 1:
        raise ValueError(f"in_channels is {in_channels}; an image has at least 1 (grey), most have 3 (colour)")
    if not spec.stages:
        raise ValueError("a backbone needs at least one stage; got none")
    if not 0 < width < 64:
        raise ValueError(f"width is {width}; it is a factor on the widths, above 0 and below 64")
    if stem_width is not None and stem_width < 1:
        raise ValueError(f"stem_width is {stem_width}; it must be at least 1")
    if widths is not None and len(widths) != len(spec.stages):
        raise ValueError(f"widths has {len(widths)} numbers for {len(spec.stages)} stages; give one a stage")
