"""The published layout of vector attention: unfold, subtraction and aggregation as steps whose results are all stored.

The reference code of Zhao et al. stores every relation, its normalisations and the weights, and aggregates at last;
where it had kernels, here stand ``F.unfold`` and ``einsum``, as its kernels no longer run. This is what the operators
and blocks of the package are measured beside; nothing else uses it.

Shapes: N batch, C channels, H, W size, P = H * W positions, K = kernel_size ** 2 neighbours, M = C / 4 aggregated
channels, G = M / 8 weight channels (channel m uses weight m mod G).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir.models.san import PairwiseAttention, PatchwiseAttention


def unfold(x: Tensor, kernel_size: int) -> Tensor:
    """Copy the K neighbours of every position, with reflected borders: (N, C, H, W) -> (N, C, K, P)."""
    padded = F.pad(x, [kernel_size // 2] * 4, mode="reflect")
    return F.unfold(padded, kernel_size).unflatten(1, (x.shape[1], kernel_size**2))


def subtract(phi: Tensor, psi: Tensor, kernel_size: int) -> Tensor:
    """phi_i - psi_j for every neighbour j of i, (N, C, H, W) twice -> (N, C, K, P)."""
    return phi.flatten(2).unsqueeze(2) - unfold(psi, kernel_size)


def aggregate(x: Tensor, weight: Tensor, kernel_size: int) -> Tensor:
    """Sum the weighted neighbours, x (N, M, H, W), weight (N, G, K, P) -> (N, M, H, W)."""
    groups = weight.shape[1]
    neighbours = unfold(x, kernel_size).unflatten(1, (x.shape[1] // groups, groups))
    return torch.einsum("nqgkp,ngkp->nqgp", neighbours, weight).flatten(1, 2).unflatten(2, x.shape[-2:])


class _Published(nn.Module):
    """The layers of one of the package's attention modules, the same tensors under the same names."""

    def __init__(self, ours: PairwiseAttention | PatchwiseAttention) -> None:
        super().__init__()
        self.kernel_size = ours.kernel_size
        for name, layer in ours.named_children():
            self.add_module(name, layer)

    def _steps(self, x: Tensor) -> Tensor:
        """gamma, layer by layer, each result stored."""
        relation = self.get_submodule("relation")
        assert isinstance(relation, nn.Sequential)
        norm1, _, hidden, norm2, _, output = relation
        return output(F.relu(norm2(hidden(F.relu(norm1(x))))))


class PublishedPairwise(_Published):
    """:class:`PairwiseAttention` in the published layout.

    Args:
        ours: the module whose layers are taken over; they are shared, not copied.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, M, H, W)."""
        phi, psi, beta = (self.get_submodule(name)(x) for name in ("phi", "psi", "beta"))
        position = self.get_submodule("position")(_coordinates(x))
        near = subtract(position, position, self.kernel_size).repeat(x.shape[0], 1, 1, 1)
        logits = self._steps(torch.cat([subtract(phi, psi, self.kernel_size), near], 1))
        return aggregate(beta, logits.softmax(2), self.kernel_size)


class PublishedPatchwise(_Published):
    """:class:`PatchwiseAttention` in the published layout.

    Args:
        ours: the module whose layers are taken over; they are shared, not copied.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, M, H, W)."""
        phi, psi, beta = (self.get_submodule(name)(x) for name in ("phi", "psi", "beta"))
        patch = torch.cat([phi.flatten(2), unfold(psi, self.kernel_size).flatten(1, 2)], 1)
        weight = self._steps(patch.unsqueeze(2)).squeeze(2).unflatten(1, (-1, self.kernel_size**2))
        return aggregate(beta, weight, self.kernel_size)


def publish(model: nn.Module) -> int:
    """Put every attention module of ``model`` into the published layout, in place.

    Returns:
        How many there were.
    """
    kinds = {PairwiseAttention: PublishedPairwise, PatchwiseAttention: PublishedPatchwise}
    found = [(name, module) for name, module in model.named_modules() if type(module) in kinds]
    for name, module in found:
        model.set_submodule(name, kinds[type(module)](module))
    return len(found)


def _coordinates(x: Tensor) -> Tensor:
    """Column and row of each position, from -1 to 1: (1, 2, H, W)."""
    rows, columns = (torch.linspace(-1, 1, n, device=x.device, dtype=x.dtype) for n in x.shape[-2:])
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy")).unsqueeze(0)
