"""A stage: blocks of one kind at one resolution, with non-local blocks among them where wanted.

Shapes: N batch, C channels, H, W size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from hybrid_sbir.models.nonlocal_net import NonLocalBlock
from hybrid_sbir.models.resnet import Bottleneck, PreActivationBottleneck
from hybrid_sbir.models.san import Attention, SANBlock
from hybrid_sbir.models.stem import Transition

Kind = Literal["resnet", "san", "nonlocal"]
Activation = Literal["pre", "post"]

# Widths that divide into each kind's inner channels: C/16 and C/4/8 for SAN, C/8 for non-local, C/4 for the bottleneck.
_WIDTH_STEP: dict[str, int] = {"resnet": 4, "san": 32, "nonlocal": 8}


@dataclass
class StageSpec:
    """One stage in numbers.

    Attributes:
        kind: ``"resnet"`` (bottlenecks), ``"san"`` (local vector attention) or ``"nonlocal"``.
        width: channels of the stage's map.
        depth: number of blocks; 0 leaves only the transition.
        attention: the attention of a ``"san"`` stage, ``"pairwise"`` or ``"patchwise"``.
        kernel_size: side of the attention's footprint in a ``"san"`` stage.
        nonlocal_at: which of the blocks, counted from 0, are non-local instead.
    """

    kind: Kind
    width: int
    depth: int
    attention: Attention = "pairwise"
    kernel_size: int = 7
    nonlocal_at: Sequence[int] = field(default_factory=tuple)

    def check(self) -> None:
        """Refuse numbers that no stage can have.

        Raises:
            ValueError: names the number, what is allowed and the nearest choice.
        """
        if self.kind not in _WIDTH_STEP:
            raise ValueError(f"no stage kind '{self.kind}'; there are {', '.join(_WIDTH_STEP)}")
        step = max(_WIDTH_STEP[self.kind], _WIDTH_STEP["nonlocal"] if self.nonlocal_at else 1)
        if self.width < step or self.width % step:
            near = max(step, round(self.width / step) * step)
            raise ValueError(
                f"a {self.kind} stage of width {self.width}: the width must be a multiple of {step}; try {near}"
            )
        if self.depth < 0 or (self.depth == 0 and self.kind == "resnet"):
            raise ValueError(f"a {self.kind} stage of {self.depth} blocks; a resnet stage needs at least 1, others 0")
        if self.kind == "san" and self.attention not in ("pairwise", "patchwise"):
            raise ValueError(f"no attention '{self.attention}'; there are pairwise and patchwise")
        if self.kind == "san" and (self.kernel_size < 1 or self.kernel_size % 2 == 0):
            raise ValueError(f"kernel_size is {self.kernel_size}; a footprint has a centre: use an odd number")
        outside = [i for i in self.nonlocal_at if not 0 <= i < self.depth]
        if outside:
            raise ValueError(f"nonlocal_at names blocks {outside}, but the stage has blocks 0 to {self.depth - 1}")

    @property
    def has_transition(self) -> bool:
        """Whether a transition precedes the blocks: always, unless a bottleneck comes first and shrinks by itself."""
        return self.kind != "resnet" or 0 in self.nonlocal_at

    @property
    def smallest_map(self) -> int:
        """Side in positions of the smallest map that the blocks can work on."""
        needs = [1]
        if self.kind == "san" and len(set(self.nonlocal_at)) < self.depth:
            needs.append(self.kernel_size // 2 + 1)
        if self.depth and (self.kind == "nonlocal" or self.nonlocal_at):
            needs.append(2)
        return max(needs)


class Stage(nn.Module):
    """The blocks of one :class:`StageSpec`, preceded by a transition where the kind needs one.

    Args:
        spec: the stage in numbers.
        in_channels: channels of the previous map.
        stride: 1 keeps the previous map's size, 2 halves it.
        activation: order of bottlenecks and non-local blocks.

    Raises:
        ValueError: if the numbers fit no stage.
    """

    def __init__(self, spec: StageSpec, in_channels: int, stride: int, activation: Activation) -> None:
        super().__init__()
        spec.check()
        self.spec, self.stride = spec, stride
        self.transition: nn.Module = nn.Identity()
        if spec.has_transition:
            self.transition = Transition(in_channels, spec.width, stride)
            in_channels, stride = spec.width, 1
        self.blocks = nn.Sequential()
        for i in range(spec.depth):
            self.blocks.append(_block(spec, i, in_channels, stride, activation == "pre"))
            in_channels, stride = spec.width, 1

    def forward(self, x: Tensor) -> Tensor:
        """Map the previous stage's (N, in_channels, H, W) to this stage's map."""
        return self.blocks(self.transition(x))

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Size of the map: pooling rounds down, a strided convolution up."""
        if self.stride == 1:
            return height, width
        return (height // 2, width // 2) if self.spec.has_transition else ((height + 1) // 2, (width + 1) // 2)


def _block(spec: StageSpec, index: int, in_channels: int, stride: int, preactivate: bool) -> nn.Module:
    """The stage's block number ``index``."""
    if spec.kind == "nonlocal" and not preactivate:
        # The block has no ReLU of its own in this order; a whole stage of them needs one (thesis, section 3.4.1).
        return nn.Sequential(nn.BatchNorm2d(spec.width), nn.ReLU(), NonLocalBlock(spec.width, preactivate=False))
    if spec.kind == "nonlocal" or index in spec.nonlocal_at:
        return NonLocalBlock(spec.width, preactivate)
    if spec.kind == "san":
        return SANBlock(spec.width, spec.attention, spec.kernel_size)
    return (PreActivationBottleneck if preactivate else Bottleneck)(in_channels, spec.width, stride)
