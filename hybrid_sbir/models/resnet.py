"""The residual bottleneck, in the original order and in the pre-activation one.

Shapes: N batch, C input channels, D output channels, H, W size, OH, OW = H, W divided by the stride, rounded up.
"""

import torch.nn.functional as F
from torch import Tensor, nn

_REDUCTION = 4


def _projection(in_channels: int, channels: int, stride: int) -> nn.Module:
    """The shortcut: identity, or a 1x1 convolution where width or size change (He et al., CVPR 2016, section 3.3)."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


class _Convolutions(nn.Module):
    """The three convolutions and the shortcut; the orders differ in what is normalised, and when."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.inner = channels // _REDUCTION
        self.conv1 = nn.Conv2d(in_channels, self.inner, 1, bias=False)
        self.conv2 = nn.Conv2d(self.inner, self.inner, 3, stride, padding=1, bias=False)
        self.conv3 = nn.Conv2d(self.inner, channels, 1, bias=False)
        self.shortcut = _projection(in_channels, channels, stride)


class Bottleneck(_Convolutions):
    """1x1, 3x3, 1x1 convolutions around a shortcut (He et al., CVPR 2016, fig. 5), conv-bn-relu.

    The 3x3 convolution carries the stride, as in PyTorch's models ("ResNet 1.5").

    Args:
        in_channels: C.
        channels: D, a multiple of 4; the inner width is D / 4.
        stride: step of the 3x3 convolution and of the shortcut.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, channels, stride)
        self.norm1 = nn.BatchNorm2d(self.inner)
        self.norm2 = nn.BatchNorm2d(self.inner)
        self.norm3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, D, OH, OW)."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)))
        return F.relu(self.norm3(self.conv3(y)) + self.shortcut(x))


class PreActivationBottleneck(_Convolutions):
    """The bottleneck with bn-relu-conv inside the branch and nothing after the sum (He et al., ECCV 2016, fig. 1b).

    The shortcut projects the raw input and keeps its batch norm, as the thesis's models do.

    Args:
        in_channels: C.
        channels: D, a multiple of 4; the inner width is D / 4.
        stride: step of the 3x3 convolution and of the shortcut.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, channels, stride)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.norm2 = nn.BatchNorm2d(self.inner)
        self.norm3 = nn.BatchNorm2d(self.inner)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, D, OH, OW)."""
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return self.conv3(F.relu(self.norm3(y))) + self.shortcut(x)
