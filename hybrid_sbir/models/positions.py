"""Learned positions that one table serves for maps of any size.

A table is made for a stated side in positions; for another it is resampled along each axis, linearly, as fine-tuning at
another resolution does (Dosovitskiy et al., ICLR 2021, section 3.2): a place is a share of the map, not a number of
pixels. Where the map is smaller, the filter widens, so that every entry takes part and learns. As a product of
matrices it gives the same bits on every run, forwards and backwards, which interpolation on a GPU does not.

Shapes: N batch, C channels, H, W size of the map, S side that a table is made for, P = H * W positions, G heads,
D = C / G channels of a head.
"""

import torch
from torch import Tensor, nn


def resampling(size: int, made_for: int, like: Tensor) -> Tensor:
    """The matrix (size, made_for) that resamples a line of numbers: linear, widened where it shrinks; rows sum to 1."""
    places = torch.arange(made_for, device=like.device, dtype=like.dtype)
    centres = (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) * (made_for / size) - 0.5
    reach = max(1.0, made_for / size)
    weight = (1 - (centres[:, None] - places).abs() / reach).clamp(min=0)
    return weight / weight.sum(1, keepdim=True)


class AbsolutePositions(nn.Module):
    """A learned vector for each position, added to the map.

    Args:
        channels: C.
        size: S.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(1, channels, size, size))
        nn.init.trunc_normal_(self.table, std=0.02)  # as BERT's, and ViT's first ones

    def forward(self, x: Tensor) -> Tensor:
        """Add the positions to (N, C, H, W)."""
        table: Tensor = self.table
        side = table.shape[-1]
        if x.shape[-2:] != (side, side):
            rows, columns = (resampling(n, side, like=table) for n in x.shape[-2:])
            table = torch.einsum("hs,ncst,wt->nchw", rows, table, columns)
        return x + table.to(x.dtype)


class RelativePositions(nn.Module):
    """How a query agrees with the offset to each position: its row's vector plus its column's (Shaw et al., 2018).

    All heads share the two tables, as in BoTNet (Srinivas et al., CVPR 2021, fig. 4).

    Args:
        channels: D.
        size: S; the tables hold the 2 S - 1 offsets of a map of that side.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.empty(2 * size - 1, channels))
        self.columns = nn.Parameter(torch.empty(2 * size - 1, channels))
        for table in (self.rows, self.columns):
            nn.init.normal_(table, std=channels**-0.5)

    def forward(self, query: Tensor, height: int, width: int) -> Tensor:
        """Logits of queries (N, G, P, D) for every pair of positions, query first: (N, G, P, P)."""
        grid = query.unflatten(2, (height, width))
        rows = torch.einsum("nghwd,hkd->nghwk", grid, self._vectors(self.rows, height).to(grid.dtype))
        columns = torch.einsum("nghwd,wkd->nghwk", grid, self._vectors(self.columns, width).to(grid.dtype))
        return (rows.unsqueeze(-1) + columns.unsqueeze(-2)).flatten(4).flatten(2, 3)

    @staticmethod
    def _vectors(table: Tensor, size: int) -> Tensor:
        """The vector of the offset from each of ``size`` places to each other: (size, size, D)."""
        if table.shape[0] != 2 * size - 1:
            table = torch.einsum("ij,jd->id", resampling(2 * size - 1, table.shape[0], like=table), table)
        steps = torch.arange(size, device=table.device)
        return table[steps - steps[:, None] + size - 1]
