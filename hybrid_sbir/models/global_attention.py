"""The transformer block of ViT on the positions of a map.

Shapes: N batch, C channels, H, W size, P = H * W positions, G heads, D = C / G channels of a head.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir.models.squeeze_excitation import recalibration

MLP_FACTOR = 4
NORM_EPSILON = 1e-6  # ViT's; PyTorch's own is ten times as large


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that starts as ViT's: Xavier uniform, bias zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position of a map.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GlobalAttention(nn.Module):
    """Multi-head self-attention among all positions, softmax(q k' / sqrt(D)) v, and a projection.

    Args:
        channels: C, a multiple of the heads; kept.
        heads: G.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = _linear(channels, 3 * channels), _linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, P, C) to the same shape."""
        query, key, value = self._split(self.qkv(x)).unbind(0)
        y = F.scaled_dot_product_attention(query, key, value)
        return self.out(y.transpose(1, 2).flatten(2))

    def weights(self, qkv: Tensor) -> Tensor:
        """Weights of every position for every query, (N, G, P, P), query first; of the projection (N, P, 3 C)."""
        query, key, _ = self._split(qkv).unbind(0)
        return (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(3)

    def _split(self, qkv: Tensor) -> Tensor:
        """(N, P, 3 C) -> (3, N, G, P, D)."""
        return qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)

    def attention_macs(self, positions: int, channels: int) -> int:
        """Multiply-accumulates of one sample of (positions, channels) beside the projections: both products."""
        return 2 * positions**2 * channels


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then + mlp(norm) (Dosovitskiy et al., ICLR 2021, eq. 2-3): pre-activation by nature.

    Where the block stands tells it nothing about positions: its stage adds them before the first block (eq. 1).

    Args:
        channels: C; kept.
        heads: G.
        squeeze: reduction of a Squeeze-and-Excitation on the second branch, 0 for none.
    """

    def __init__(self, channels: int, heads: int, squeeze: int = 0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=NORM_EPSILON)
        self.attention = GlobalAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels, eps=NORM_EPSILON)
        hidden = MLP_FACTOR * channels
        self.mlp = nn.Sequential(_linear(channels, hidden), nn.GELU(), _linear(hidden, channels))
        self.squeeze = recalibration(channels, squeeze)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(self.norm1(tokens))
        branch = self._as_map(self.mlp(self.norm2(tokens)), x)
        return self._as_map(tokens, x) + self.squeeze(branch)

    @staticmethod
    def _as_map(tokens: Tensor, like: Tensor) -> Tensor:
        """(N, P, C) -> (N, C, H, W)."""
        return tokens.transpose(1, 2).unflatten(2, like.shape[-2:])
