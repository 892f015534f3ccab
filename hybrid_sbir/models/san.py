"""The self-attention block of SAN, pairwise and patchwise (Zhao et al., CVPR 2020, sections 3.1-3.3).

Shapes: N batch, C channels, H, W size, P = H * W positions, K = kernel_size ** 2 neighbours, R = C / 16 relation
channels, M = C / 4 aggregated channels, G = M / 8 weight channels (8 channels share a weight).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir import ops

Attention = Literal["pairwise", "patchwise"]

RELATION_REDUCTION = 16
FEATURE_REDUCTION = 4
SHARE = 8


class _VectorAttention(nn.Module):
    """What both kinds share: the maps phi, psi and beta. The relation is theirs."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.phi = nn.Conv2d(channels, channels // RELATION_REDUCTION, 1)
        self.psi = nn.Conv2d(channels, channels // RELATION_REDUCTION, 1)
        self.beta = nn.Conv2d(channels, channels // FEATURE_REDUCTION, 1)


def _relation(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """The map gamma: bn - relu - linear - bn - relu - linear."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, hidden, 1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(),
        nn.Conv2d(hidden, outputs, 1),
    )


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """Column and row of each position, from -1 to 1: (1, 2, H, W), as ``like``'s type."""
    rows, columns = (torch.linspace(-1, 1, n, device=like.device, dtype=like.dtype) for n in (height, width))
    return torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)]).unsqueeze(0)


class PairwiseAttention(_VectorAttention):
    """y_i = sum over j of softmax_j(gamma([phi_i - psi_j, p_i - p_j])) * beta_j (eq. 2-3, subtraction).

    Args:
        channels: C, a multiple of 32.
        kernel_size: side of the footprint.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__(channels, kernel_size)
        relation, weights = channels // RELATION_REDUCTION, channels // FEATURE_REDUCTION // SHARE
        self.position = nn.Conv2d(2, 2, 1)
        self.relation = _relation(relation + 2, relation, weights)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, M, H, W)."""
        position = self.position(coordinates(x.shape[-2], x.shape[-1], like=x))
        near = ops.subtraction(position, position, kernel_size=self.kernel_size).expand(x.shape[0], -1, -1, -1)
        difference = ops.subtraction(self.phi(x), self.psi(x), kernel_size=self.kernel_size)
        logits = self.relation(torch.cat([difference, near], 1))
        return ops.softmax_aggregation(self.beta(x), logits, kernel_size=self.kernel_size)[0]


class PatchwiseAttention(_VectorAttention):
    """y_i = sum over j of gamma([phi_i, psi_j for all j])_j * beta_j (eq. 4-5, concatenation); no softmax.

    Args:
        channels: C, a multiple of 32.
        kernel_size: side of the footprint.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__(channels, kernel_size)
        positions, weights = kernel_size**2, channels // FEATURE_REDUCTION // SHARE
        self.relation = _relation(channels // RELATION_REDUCTION * (positions + 1), weights, positions * weights)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, M, H, W)."""
        near = ops.windows(self.psi(x), kernel_size=self.kernel_size).flatten(1, 2)
        patch = torch.cat([self.phi(x), near.unflatten(2, x.shape[-2:])], 1)
        weight = self.relation(patch).flatten(2).unflatten(1, (-1, self.kernel_size**2))
        return ops.aggregation(self.beta(x), weight, kernel_size=self.kernel_size)


ATTENTION: dict[Attention, type[_VectorAttention]] = {"pairwise": PairwiseAttention, "patchwise": PatchwiseAttention}


class SANBlock(nn.Module):
    """Residual attention: bn - relu - attention - bn - relu - linear, plus the input (fig. 2).

    Args:
        channels: C, a multiple of 32; kept.
        attention: ``"pairwise"`` or ``"patchwise"``.
        kernel_size: side of the footprint.
    """

    def __init__(self, channels: int, attention: Attention, kernel_size: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attention = ATTENTION[attention](channels, kernel_size)
        self.norm2 = nn.BatchNorm2d(channels // FEATURE_REDUCTION)
        self.conv = nn.Conv2d(channels // FEATURE_REDUCTION, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        y = self.attention(F.relu(self.norm1(x)))
        return self.conv(F.relu(self.norm2(y))) + x
