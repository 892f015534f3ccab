"""Sparse rows for re-ranking: a few numbers at places of the catalogue. On the CPU, where their sums have an order.

Shapes: M rows, N places of the catalogue, Z numbers that are stored.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sparse:
    """Numbers by row and place, rows ascending and places ascending in each.

    Attributes:
        start: where each row begins in the others, and the last one's end; (M + 1,), int64.
        place: (Z,), int64.
        value: (Z,), float64.
        width: N.
    """

    start: Tensor
    place: Tensor
    value: Tensor
    width: int

    @classmethod
    def of(cls, row: Tensor, place: Tensor, value: Tensor, shape: tuple[int, int]) -> "Sparse":
        """Sort numbers (each argument (Z,)) into rows of ``shape`` (M, N); those of one row and place are added up."""
        key, group = (row * shape[1] + place).unique(return_inverse=True)
        rows = key // shape[1]
        start = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=shape[0]).cumsum(0)])
        return cls(start, key % shape[1], torch.bincount(group, value, minlength=len(key)), shape[1])

    @classmethod
    def stacked(cls, parts: list["Sparse"]) -> "Sparse":
        """Put blocks of rows one under the other."""
        sizes = torch.cat([part.start.diff() for part in parts])
        start = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
        return cls(
            start, torch.cat([p.place for p in parts]), torch.cat([p.value for p in parts]), max(p.width for p in parts)
        )

    def __len__(self) -> int:
        return len(self.start) - 1

    def rows(self) -> Tensor:
        """Return each stored number's row, (Z,)."""
        return torch.arange(len(self)).repeat_interleave(self.start.diff())

    def sums(self) -> Tensor:
        """Return each row's sum, (M,)."""
        return torch.bincount(self.rows(), self.value, minlength=len(self))

    def taken(self, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the numbers of the rows ``which`` (W,): from which of the W each comes, its place, its value."""
        sizes = self.start.diff()[which]
        source = torch.arange(len(which)).repeat_interleave(sizes)
        offset = torch.arange(len(source)) - (sizes.cumsum(0) - sizes)[source]
        position = self.start[which][source] + offset
        return source, self.place[position], self.value[position]

    def transposed(self) -> "Sparse":
        """Return places as rows and rows as places."""
        return Sparse.of(self.place, self.rows(), self.value, (self.width, len(self)))
