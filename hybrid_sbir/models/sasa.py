"""Stand-alone self-attention: dot products inside a window, in the place of a bottleneck's 3x3 convolution.

The keys of all windows, K times a map, are never gathered: the logits are taken one offset after the other, forwards
and backwards, and the values are aggregated by :func:`hybrid_sbir.ops.softmax_aggregation`.

Shapes: N batch, C channels, H, W size, P = H * W positions, K = kernel_size ** 2 neighbours, row-major, G heads,
D = C / G channels of a head. A head's channels lie G apart, as in :mod:`hybrid_sbir.ops`: channel c is head c mod G's.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hybrid_sbir import ops
from hybrid_sbir.ops.accumulation import accumulation_dtype

_OUTSIDE = -1e30  # logit of a neighbour outside the map: its exponential is 0 in every type, and nothing becomes NaN


class _WindowLogits(torch.autograd.Function):
    """logits[n, g, k, p] = sum over a head's channels of q[p] * k[k-th neighbour of p]; zeros outside the map."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, heads: int, kernel_size: int) -> Tensor:
        ctx.save_for_backward(query, key)
        ctx.heads, ctx.kernel_size = heads, kernel_size
        dtype = accumulation_dtype(query, key)
        q, views = _by_head(query.to(dtype), heads), _views(_padded(key.to(dtype), kernel_size), query, kernel_size)
        logits = q.new_empty(q.shape[0], heads, kernel_size**2, *query.shape[-2:])
        for k, view in enumerate(views):
            logits[:, :, k] = (q * _by_head(view, heads)).sum(1)
        return logits.flatten(3)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        query, key = ctx.saved_tensors
        heads, kernel_size, dtype = ctx.heads, ctx.kernel_size, grads[0].dtype
        g = grads[0].unflatten(3, query.shape[-2:])
        q, padded = _by_head(query.to(dtype), heads), _padded(key.to(dtype), kernel_size)
        grad_q, grad_padded = torch.zeros_like(q), torch.zeros_like(padded)
        targets = _views(grad_padded, query, kernel_size)
        for k, (view, target) in enumerate(zip(_views(padded, query, kernel_size), targets, strict=True)):
            column = g[:, None, :, k]
            grad_q.addcmul_(_by_head(view, heads), column)
            _by_head(target, heads).addcmul_(q, column)
        border, (height, width) = kernel_size // 2, query.shape[-2:]
        grad_key = grad_padded[..., border : border + height, border : border + width]
        return grad_q.flatten(1, 2).to(query.dtype), grad_key.to(key.dtype), None, None


def _gathered_logits(query: Tensor, key: Tensor, heads: int, kernel_size: int) -> Tensor:
    """The same in one product of all gathered keys: a graph of few nodes, for exporters."""
    near = _by_head(ops.windows(key, kernel_size=kernel_size, padding_mode="zeros"), heads)
    return (_by_head(query.flatten(2), heads).unsqueeze(3) * near).sum(1)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """(N, C, ...) -> (N, D, G, ...), a view."""
    return x.unflatten(1, (-1, heads))


def _padded(x: Tensor, kernel_size: int) -> Tensor:
    return F.pad(x, [kernel_size // 2] * 4)


def _views(padded: Tensor, like: Tensor, kernel_size: int) -> list[Tensor]:
    """The K shifted views (N, C, H, W) of a padded map."""
    height, width = like.shape[-2:]
    steps = range(kernel_size)
    return [padded[..., y : y + height, x : x + width] for y in steps for x in steps]


def _outside(height: int, width: int, kernel_size: int, device: torch.device) -> Tensor:
    """Which neighbours lie outside the map: (K, P), true there."""
    reach = torch.arange(kernel_size, device=device) - kernel_size // 2
    rows, columns = (reach[:, None] + torch.arange(n, device=device) for n in (height, width))
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[None, :, None]
    return ~inside.flatten(2).flatten(0, 1)


class LocalAttention(nn.Module):
    """y_i = sum over neighbours j of softmax_j((q_i k_j + q_i r_(j-i)) / sqrt(D)) * v_j (Ramachandran et al., eq. 3).

    Half of a head's channels of r tell the row offset, half the column offset (section 3). Neighbours outside the map,
    of which the paper says nothing, are left out of the softmax, so that a map may be smaller than the window. Its
    equation does not divide by sqrt(D), without which new weights attend to one neighbour only.

    Args:
        channels: C, a multiple of twice the heads; kept.
        heads: G; 8 in the paper.
        kernel_size: side of the window, odd; 7 in the paper.
    """

    def __init__(self, channels: int, heads: int, kernel_size: int) -> None:
        super().__init__()
        self.heads, self.kernel_size = heads, kernel_size
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(3))
        half = channels // heads // 2
        self.rows = nn.Parameter(torch.empty(half, heads, kernel_size))
        self.columns = nn.Parameter(torch.empty(half, heads, kernel_size))
        for table in (self.rows, self.columns):
            nn.init.normal_(table, std=(2 * half) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        logits = self._logits(self.query(x), self.key(x))
        y, _ = ops.softmax_aggregation(self.value(x), logits, kernel_size=self.kernel_size, padding_mode="zeros")
        return y

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """Weights of every window's neighbours, (N, G, K, P), 0 outside the map; of the projections (N, C, H, W)."""
        return self._logits(query, key).softmax(2)

    def _logits(self, query: Tensor, key: Tensor) -> Tensor:
        """(N, C, H, W) both -> (N, G, K, P)."""
        query = query * (query.shape[1] // self.heads) ** -0.5
        window_logits = _gathered_logits if ops.standard_functions_chosen() else _WindowLogits.apply
        logits = window_logits(query, key, self.heads, self.kernel_size)
        logits = logits + self._positions(query).to(logits.dtype)
        outside = _outside(query.shape[-2], query.shape[-1], self.kernel_size, query.device)
        return logits.masked_fill(outside, _OUTSIDE)

    def _positions(self, query: Tensor) -> Tensor:
        """What the offsets add to the logits: (N, G, K, P)."""
        halves = _by_head(query, self.heads).flatten(3).chunk(2, 1)
        rows, columns = (
            torch.einsum("ndgp,dgk->ngkp", half, table.to(half.dtype))
            for half, table in zip(halves, (self.rows, self.columns), strict=True)
        )
        return (rows.unsqueeze(3) + columns.unsqueeze(2)).flatten(2, 3)

    def attention_macs(self, height: int, width: int) -> int:
        """Multiply-accumulates of one sample beside the projections: offsets of rows and columns, both products."""
        return height * width * self.value.out_channels * (self.kernel_size + 2 * self.kernel_size**2)
