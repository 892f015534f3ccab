"""A stage: blocks of one kind at one resolution, with non-local blocks among them where wanted.

Shapes: N batch, C channels, H, W size.
"""

from torch import Tensor, nn

from hybrid_sbir.models.botnet import RelativeAttention
from hybrid_sbir.models.global_attention import TransformerBlock
from hybrid_sbir.models.nonlocal_net import NonLocalBlock
from hybrid_sbir.models.positions import AbsolutePositions
from hybrid_sbir.models.resnet import BasicBlock, Bottleneck, PreActivationBasicBlock, PreActivationBottleneck
from hybrid_sbir.models.san import SANBlock
from hybrid_sbir.models.sasa import LocalAttention
from hybrid_sbir.models.stage_spec import Activation, Kind, StageSpec
from hybrid_sbir.models.stem import Transition

__all__ = ["Activation", "Kind", "Stage", "StageSpec"]


class Stage(nn.Module):
    """The blocks of one :class:`StageSpec`, preceded by a transition where the kind needs one.

    A ``"vit"`` stage adds its positions before the first block, and has no transition where nothing changes in it.

    Args:
        spec: the stage in numbers.
        in_channels: channels of the previous map.
        stride: 1 keeps the previous map's size, 2 halves it.
        activation: order of bottlenecks, basic blocks and non-local blocks; SAN and ViT blocks are pre-activation in
            both.

    Raises:
        ValueError: if the numbers fit no stage.
    """

    def __init__(self, spec: StageSpec, in_channels: int, stride: int, activation: Activation) -> None:
        super().__init__()
        spec.check()
        self.spec, self.stride = spec, stride
        self.transition: nn.Module = nn.Identity()
        embedded = spec.kind == "vit" and stride == 1 and in_channels == spec.width  # patches are linear already
        if spec.has_transition and not embedded:
            self.transition = Transition(in_channels, spec.width, stride)
        if spec.has_transition:
            in_channels, stride = spec.width, 1
        self.positions: nn.Module = nn.Identity()
        if spec.kind == "vit" and spec.depth:
            self.positions = AbsolutePositions(spec.width, spec.position_size)
        self.blocks = nn.Sequential()
        for i in range(spec.depth):
            self.blocks.append(_block(spec, i, in_channels, stride, activation == "pre"))
            in_channels, stride = spec.width, 1

    def forward(self, x: Tensor) -> Tensor:
        """Map the previous stage's (N, in_channels, H, W) to this stage's map."""
        return self.blocks(self.positions(self.transition(x)))

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Size of the map: a transition's pooling rounds down, a block's stride up."""
        if self.stride == 1:
            return height, width
        return (height // 2, width // 2) if self.spec.has_transition else ((height + 1) // 2, (width + 1) // 2)


def _block(spec: StageSpec, index: int, in_channels: int, stride: int, preactivate: bool) -> nn.Module:
    """The stage's block number ``index``."""
    if spec.kind == "nonlocal" and not preactivate:
        # The block has no ReLU of its own in this order; a whole stage of them needs one (thesis, section 3.4.1).
        block = NonLocalBlock(spec.width, preactivate, spec.form, spec.squeeze)
        return nn.Sequential(nn.BatchNorm2d(spec.width), nn.ReLU(), block)
    if spec.kind == "nonlocal" or index in spec.nonlocal_at:
        return NonLocalBlock(spec.width, preactivate, spec.form, spec.squeeze)
    if spec.kind == "san":
        return SANBlock(spec.width, spec.attention, spec.kernel_size, spec.squeeze)
    if spec.kind == "vit":
        return TransformerBlock(spec.width, spec.head_count, spec.squeeze)
    if spec.kind == "basic":
        return (PreActivationBasicBlock if preactivate else BasicBlock)(in_channels, spec.width, stride, spec.squeeze)
    kind = PreActivationBottleneck if preactivate else Bottleneck
    return kind(in_channels, spec.width, stride, _mixing(spec, stride), spec.squeeze)


def _mixing(spec: StageSpec, stride: int) -> nn.Module | None:
    """What takes the place of a bottleneck's 3x3 convolution; None for the convolution.

    Attention comes before the pooling that carries the stride: its positions are those of the larger map.
    """
    inner = spec.width // 4
    if spec.kind == "bot":
        return RelativeAttention(inner, spec.head_count, spec.position_size * stride)
    if spec.kind == "sasa":
        return LocalAttention(inner, spec.head_count, spec.kernel_size)
    return None
