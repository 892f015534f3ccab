"""The residual blocks of ResNet, bottleneck and basic, in the original order and in the pre-activation one.

Attention may take the place of a bottleneck's 3x3 convolution; average pooling then carries the stride.

Shapes: N batch, C input channels, D output channels, H, W size, OH, OW = H, W divided by the stride, rounded up.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir.models.squeeze_excitation import recalibration

REDUCTION = 4


def _projection(in_channels: int, channels: int, stride: int) -> nn.Module:
    """The shortcut: identity, or a 1x1 convolution where width or size change (He et al., CVPR 2016, section 3.3)."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


def _pooled(attention: nn.Module, stride: int) -> nn.Module:
    """Attention, then 2x2 average pooling where the map shrinks, an odd border averaged over what there is."""
    return attention if stride == 1 else nn.Sequential(attention, nn.AvgPool2d(stride, ceil_mode=True))


class _Convolutions(nn.Module):
    """The three convolutions and the shortcut; the orders differ in what is normalised, and when."""

    def __init__(self, in_channels: int, channels: int, stride: int, attention: nn.Module | None, squeeze: int) -> None:
        super().__init__()
        self.inner = channels // REDUCTION
        self.conv1 = nn.Conv2d(in_channels, self.inner, 1, bias=False)
        self.conv2: nn.Module
        if attention is None:
            self.conv2 = nn.Conv2d(self.inner, self.inner, 3, stride, padding=1, bias=False)
        else:
            self.conv2 = _pooled(attention, stride)
        self.conv3 = nn.Conv2d(self.inner, channels, 1, bias=False)
        self.shortcut = _projection(in_channels, channels, stride)
        self.squeeze = recalibration(channels, squeeze)


class Bottleneck(_Convolutions):
    """1x1, 3x3, 1x1 convolutions around a shortcut (He et al., CVPR 2016, fig. 5), conv-bn-relu.

    The 3x3 convolution carries the stride, as in PyTorch's models ("ResNet 1.5").

    Args:
        in_channels: C.
        channels: D, a multiple of 4; the inner width is D / 4.
        stride: step of the 3x3 convolution and of the shortcut.
        attention: a module on the inner width in the place of the 3x3 convolution.
        squeeze: reduction of a Squeeze-and-Excitation before the sum, 0 for none.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, attention: nn.Module | None = None, squeeze: int = 0
    ) -> None:
        super().__init__(in_channels, channels, stride, attention, squeeze)
        self.norm1 = nn.BatchNorm2d(self.inner)
        self.norm2 = nn.BatchNorm2d(self.inner)
        self.norm3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, D, OH, OW)."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)))
        return F.relu(self.squeeze(self.norm3(self.conv3(y))) + self.shortcut(x))


class PreActivationBottleneck(_Convolutions):
    """The bottleneck with bn-relu-conv inside the branch and nothing after the sum (He et al., ECCV 2016, fig. 1b).

    The shortcut projects the raw input and keeps its batch norm, as the thesis's models do.

    Args:
        in_channels: C.
        channels: D, a multiple of 4; the inner width is D / 4.
        stride: step of the 3x3 convolution and of the shortcut.
        attention: a module on the inner width in the place of the 3x3 convolution.
        squeeze: reduction of a Squeeze-and-Excitation before the sum, 0 for none.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, attention: nn.Module | None = None, squeeze: int = 0
    ) -> None:
        super().__init__(in_channels, channels, stride, attention, squeeze)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.norm2 = nn.BatchNorm2d(self.inner)
        self.norm3 = nn.BatchNorm2d(self.inner)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, D, OH, OW)."""
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return self.squeeze(self.conv3(F.relu(self.norm3(y)))) + self.shortcut(x)


class _TwoConvolutions(nn.Module):
    """The two convolutions of a basic block and the shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int, squeeze: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut = _projection(in_channels, channels, stride)
        self.squeeze = recalibration(channels, squeeze)


class BasicBlock(_TwoConvolutions):
    """Two 3x3 convolutions around a shortcut (He et al., CVPR 2016, fig. 5 left), conv-bn-relu.

    Args:
        in_channels: C.
        channels: D.
        stride: step of the first convolution and of the shortcut.
        squeeze: reduction of a Squeeze-and-Excitation before the sum, 0 for none.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, squeeze: int = 0) -> None:
        super().__init__(in_channels, channels, stride, squeeze)
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, D, OH, OW)."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.squeeze(self.norm2(self.conv2(y))) + self.shortcut(x))


class PreActivationBasicBlock(_TwoConvolutions):
    """The basic block with bn-relu-conv inside the branch and nothing after the sum (He et al., ECCV 2016, fig. 1b).

    Args:
        in_channels: C.
        channels: D.
        stride: step of the first convolution and of the shortcut.
        squeeze: reduction of a Squeeze-and-Excitation before the sum, 0 for none.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, squeeze: int = 0) -> None:
        super().__init__(in_channels, channels, stride, squeeze)
        self.norm1, self.norm2 = nn.BatchNorm2d(in_channels), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, D, OH, OW)."""
        y = self.conv1(F.relu(self.norm1(x)))
        return self.squeeze(self.conv2(F.relu(self.norm2(y)))) + self.shortcut(x)
