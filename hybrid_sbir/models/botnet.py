"""BoTNet's attention among all positions of a map, in the place of a bottleneck's 3x3 convolution.

Shapes: N batch, C channels, H, W size, P = H * W positions, G heads, D = C / G channels of a head.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir.models.positions import RelativePositions


class RelativeAttention(nn.Module):
    """Multi-head self-attention with 2-d relative positions (Srinivas et al., CVPR 2021, fig. 4).

    softmax((q k' + q r') / sqrt(D)) v, where r is the vector of the row offset plus that of the column offset. There is
    no projection after it: the bottleneck's last 1x1 convolution is one.

    Args:
        channels: C, a multiple of the heads; kept.
        heads: G.
        position_size: side in positions of the map that the position tables are made for; they are resampled for
            maps of another.
    """

    def __init__(self, channels: int, heads: int, position_size: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(3))
        self.positions = RelativePositions(channels // heads, position_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        query, key, value = (self._split(project(x)) for project in (self.query, self.key, self.value))
        scaled = query * query.shape[-1] ** -0.5
        relative = self.positions(scaled, x.shape[-2], x.shape[-1])
        y = F.scaled_dot_product_attention(scaled, key, value, attn_mask=relative, scale=1.0)
        return y.transpose(2, 3).reshape(x.shape[0], -1, *x.shape[-2:])

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """Weights of every position for every query, (N, G, P, P), query first; of the projections (N, C, H, W)."""
        scaled = self._split(query) * (query.shape[1] // self.heads) ** -0.5
        relative = self.positions(scaled, query.shape[-2], query.shape[-1])
        return (scaled @ self._split(key).transpose(2, 3) + relative).softmax(3)

    def attention_macs(self, height: int, width: int) -> int:
        """Multiply-accumulates of one sample beside the projections: offsets of rows and columns, both products."""
        positions, channels = height * width, self.value.out_channels
        return positions * channels * (height + width + 2 * positions)

    def _split(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, G, P, D)."""
        return x.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)
