"""What processes tell one another when each holds a share of the catalogue. Without a group there is one process."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class Group:
    """Processes that compute one result together.

    Args:
        group: a process group whose backend takes tensors of the embeddings' device, or None for this process alone.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self.group = group
        self.size = 1 if group is None else dist.get_world_size(group)
        self.rank = 0 if group is None else dist.get_rank(group)

    def tell(self, what: Any) -> list[Any]:
        """Return what each process told, by rank."""
        if self.group is None:
            return [what]
        told: list[Any] = [None] * self.size
        dist.all_gather_object(told, what, group=self.group)
        return told

    def add(self, counts: Tensor) -> Tensor:
        """Sum whole numbers over the processes, in place."""
        if self.group is not None:
            dist.all_reduce(counts, group=self.group)
        return counts

    def join(self, rows: Tensor) -> Tensor:
        """Put the processes' columns side by side: (B, R), of one width in all processes, to (B, size * R)."""
        if self.group is None:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        dist.all_gather(parts, rows.contiguous(), group=self.group)
        return torch.cat(parts, dim=1)
