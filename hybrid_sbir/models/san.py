"""The self-attention block of SAN, pairwise and patchwise (Zhao et al., CVPR 2020, sections 3.1-3.3).

The relations gamma([...]) are what the blocks cost: K times the positions of a map. They are never stored: batch norm
is folded into the maps they are made of (:mod:`hybrid_sbir.models.folding`), and :mod:`hybrid_sbir.ops` computes them
again in the backward pass. ``folded = False`` runs the plain modules, one after the other.

Shapes: N batch, C channels, H, W size, P = H * W positions, K = kernel_size ** 2 neighbours, R = C / 16 relation
channels, M = C / 4 aggregated channels, G = M / 8 weight channels (8 channels share a weight).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir import ops
from hybrid_sbir.models.folding import (
    Parts,
    difference_moments,
    parts_to_fold,
    patch_moments,
    scale_and_shift,
    uses_batch,
)
from hybrid_sbir.models.squeeze_excitation import recalibration

Attention = Literal["pairwise", "patchwise"]

RELATION_REDUCTION = 16
FEATURE_REDUCTION = 4
SHARE = 8


class _VectorAttention(nn.Module):
    """What both kinds share: the maps phi, psi and beta. The relation is theirs.

    Attributes:
        folded: whether to use the folded form where the relation's modules allow it; the same function of the input.
    """

    relation: nn.Sequential

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.folded = True
        self.phi = nn.Conv2d(channels, channels // RELATION_REDUCTION, 1)
        self.psi = nn.Conv2d(channels, channels // RELATION_REDUCTION, 1)
        self.beta = nn.Conv2d(channels, channels // FEATURE_REDUCTION, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, M, H, W)."""
        maps = (self.phi(x), self.psi(x), self.beta(x))
        parts = parts_to_fold(self.relation) if self.folded else None
        return self._plain(*maps) if parts is None else self._fold(parts, *maps)

    def _fold(self, parts: Parts, phi: Tensor, psi: Tensor, beta: Tensor) -> Tensor:
        raise NotImplementedError

    def _plain(self, phi: Tensor, psi: Tensor, beta: Tensor) -> Tensor:
        raise NotImplementedError


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

    def _near(self, like: Tensor) -> Tensor:
        """The position channels of the relation, the same for every sample: (1, 2, K, P)."""
        position = self.position(coordinates(like.shape[-2], like.shape[-1], like=like))
        return ops.subtraction(position, position, kernel_size=self.kernel_size)

    def _plain(self, phi: Tensor, psi: Tensor, beta: Tensor) -> Tensor:
        near = self._near(phi).expand(phi.shape[0], -1, -1, -1)
        difference = ops.subtraction(phi, psi, kernel_size=self.kernel_size)
        logits = self.relation(torch.cat([difference, near], 1))
        return ops.softmax_aggregation(beta, logits, kernel_size=self.kernel_size)[0]

    def _fold(self, parts: Parts, phi: Tensor, psi: Tensor, beta: Tensor) -> Tensor:
        norm1, linear1, norm2, linear2 = parts
        near, channels = self._near(phi), phi.shape[1]
        count = phi.shape[0] * near[0, 0].numel()
        scale, shift = scale_and_shift(norm1, self._moments(phi, psi, near) if uses_batch(norm1) else None, count)
        column = (-1, 1, 1)
        maps = (
            (phi * scale[:channels].view(column) + shift[:channels].view(column)).to(phi.dtype),
            (psi * scale[:channels].view(column)).to(psi.dtype),
        )
        hidden = linear1.weight.flatten(1)
        places = F.relu(near * scale[channels:].view(column) + shift[channels:].view(column)).flatten(2)
        relation = (
            *maps,
            (hidden[:, channels:] @ places.to(hidden.dtype)).unflatten(2, near.shape[2:]),
            hidden[:, :channels],
        )
        moments = ops.pair_moments(*relation, kernel_size=self.kernel_size) if uses_batch(norm2) else None
        affine = scale_and_shift(norm2, moments, count)
        assert linear2.bias is not None
        final = (linear2.weight.flatten(1), linear2.bias)
        return ops.pair_attention(beta, *relation, *affine, *final, kernel_size=self.kernel_size)[0]

    def _moments(self, phi: Tensor, psi: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the relation's channels: the differences', then the positions'."""
        variance, mean = torch.var_mean(near, (0, 2, 3), correction=0)
        differences = difference_moments(phi, psi, self.kernel_size)
        return torch.cat([differences[0], mean]), torch.cat([differences[1], variance])


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

    def _plain(self, phi: Tensor, psi: Tensor, beta: Tensor) -> Tensor:
        near = ops.windows(psi, kernel_size=self.kernel_size).flatten(1, 2)
        patch = torch.cat([phi, near.unflatten(2, phi.shape[-2:])], 1)
        weight = self.relation(patch).flatten(2).unflatten(1, (-1, self.kernel_size**2))
        return ops.aggregation(beta, weight, kernel_size=self.kernel_size)

    def _fold(self, parts: Parts, phi: Tensor, psi: Tensor, beta: Tensor) -> Tensor:
        norm1, linear1, norm2, linear2 = parts
        moments = None
        if uses_batch(norm1):
            mean, variance = patch_moments(phi, psi, self.kernel_size)
            moments = (self._as_channels(mean), self._as_channels(variance))
        affine = scale_and_shift(norm1, moments, phi.numel() // phi.shape[1])
        scale, shift, hidden = (self._as_columns(t, phi.shape[1]) for t in (*affine, linear1.weight.flatten(1)))
        h = ops.patch_relation(phi, psi, scale, shift, hidden, kernel_size=self.kernel_size)
        h = F.relu(norm2(h.unflatten(2, phi.shape[-2:]))).flatten(2)
        assert linear2.bias is not None
        weight, bias = (t.unflatten(0, (-1, self.kernel_size**2)) for t in (linear2.weight.flatten(1), linear2.bias))
        return ops.patch_attention(beta, h, weight, bias, kernel_size=self.kernel_size)

    @staticmethod
    def _as_channels(columns: Tensor) -> Tensor:
        """(R, K + 1), centre first -> the relation's channels: R centres, then R * K neighbours."""
        return torch.cat([columns[:, 0], columns[:, 1:].flatten()])

    @staticmethod
    def _as_columns(channels: Tensor, relation: int) -> Tensor:
        """The relation's channels in the last axis -> (..., R, K + 1), centre first."""
        near = channels[..., relation:].unflatten(-1, (relation, -1))
        return torch.cat([channels[..., :relation, None], near], -1)


ATTENTION: dict[Attention, type[_VectorAttention]] = {"pairwise": PairwiseAttention, "patchwise": PatchwiseAttention}


class SANBlock(nn.Module):
    """Residual attention: bn - relu - attention - bn - relu - linear, plus the input (fig. 2).

    Args:
        channels: C, a multiple of 32; kept.
        attention: ``"pairwise"`` or ``"patchwise"``.
        kernel_size: side of the footprint.
        squeeze: reduction of a Squeeze-and-Excitation before the sum, 0 for none.
    """

    def __init__(self, channels: int, attention: Attention, kernel_size: int, squeeze: int = 0) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attention = ATTENTION[attention](channels, kernel_size)
        self.norm2 = nn.BatchNorm2d(channels // FEATURE_REDUCTION)
        self.conv = nn.Conv2d(channels // FEATURE_REDUCTION, channels, 1)
        self.squeeze = recalibration(channels, squeeze)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        y = self.attention(F.relu(self.norm1(x)))
        return self.squeeze(self.conv(F.relu(self.norm2(y)))) + x
