"""Squeeze-and-Excitation: a gate for each channel of a residual branch, from the channels' averages.

Shapes: N batch, C channels, H, W size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEAST_BETWEEN = 8  # of one or two channels a narrow block's ReLU may shut all from the start, and its gate never moves


class SqueezeExcitation(nn.Module):
    """x * sigmoid(expand(relu(reduce(average of x)))) (Hu et al., CVPR 2018, eq. 2-4).

    Args:
        channels: C; kept.
        reduction: how many times fewer channels lie between the two layers, 16 in the paper; but 8 at least, or C.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        between = min(channels, max(_LEAST_BETWEEN, channels // reduction))
        self.reduce, self.expand = nn.Linear(channels, between), nn.Linear(between, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        gate = torch.sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3))))))
        return x * gate[:, :, None, None].to(x.dtype)


def recalibration(channels: int, reduction: int) -> nn.Module:
    """A branch's last layer: Squeeze-and-Excitation, or nothing for a reduction of 0."""
    return SqueezeExcitation(channels, reduction) if reduction else nn.Identity()
