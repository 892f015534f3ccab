"""How an image becomes the first map, and how one stage's map becomes the next stage's.

Shapes: N batch, C channels, H, W size.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Entry = Literal["convolution", "linear", "patches"]
StemSize = Literal["imagenet", "small", "tiny"]

_CONVOLUTION_STRIDE: dict[StemSize, int] = {"imagenet": 2, "small": 2, "tiny": 1}
_PATCH: dict[StemSize, int] = {"imagenet": 16, "small": 8, "tiny": 4}


class ConvolutionStem(nn.Module):
    """ResNet's entry: 7x7/2 convolution and 3x3/2 max pool; for small images a 3x3 convolution without a pool.

    The batch norm and ReLU between the two are there in the post-activation order only: in the other, the first block
    brings its own.

    Args:
        in_channels: channels of the image.
        channels: channels of the first map.
        size: ``"imagenet"`` shrinks 4 times, ``"small"`` 2 times, ``"tiny"`` not at all.
        preactivate: whether the blocks are in the pre-activation order.
    """

    def __init__(self, in_channels: int, channels: int, size: StemSize, preactivate: bool) -> None:
        super().__init__()
        self.pooled = size == "imagenet"
        kernel = 7 if self.pooled else 3
        stride = _CONVOLUTION_STRIDE[size]
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.Identity() if preactivate else nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, padding=1) if self.pooled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map an image (N, in_channels, H, W) to the first map."""
        return self.pool(self.norm(self.conv(x)))

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Size of the first map."""
        halvings = (self.conv.stride[0] == 2) + self.pooled
        for _ in range(halvings):
            height, width = (height + 1) // 2, (width + 1) // 2
        return height, width


class LinearStem(nn.Module):
    """SAN's entry: a 1x1 convolution at full resolution; the stages' transitions do the shrinking.

    Args:
        in_channels: channels of the image.
        channels: channels of the first map.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map an image (N, in_channels, H, W) to (N, C, H, W)."""
        return self.conv(x)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Size of the first map: the image's."""
        return height, width


class PatchStem(nn.Module):
    """ViT's entry: the image cut into squares, each a linear map of its pixels (Dosovitskiy et al., ICLR 2021, eq. 1).

    Args:
        in_channels: channels of the image.
        channels: channels of the first map.
        size: ``"imagenet"`` shrinks 16 times, ``"small"`` 8, ``"tiny"`` 4 times.
    """

    def __init__(self, in_channels: int, channels: int, size: StemSize) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, _PATCH[size], _PATCH[size])

    def forward(self, x: Tensor) -> Tensor:
        """Map an image (N, in_channels, H, W) to (N, C, H // patch, W // patch)."""
        return self.conv(x)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Size of the first map: the whole patches."""
        return height // self.conv.stride[0], width // self.conv.stride[1]


class Transition(nn.Module):
    """Between stages: bn - relu - 2x2 max pool - linear (Zhao et al., CVPR 2020, section 4.1).

    Args:
        in_channels: channels of the last stage.
        channels: channels of the next.
        stride: 2 halves the map (odd sizes lose the last row); 1 leaves it.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, C, H // stride, W // stride)."""
        y = F.relu(self.norm(x))
        return self.conv(F.max_pool2d(y, 2) if self.stride == 2 else y)
