"""Batch norm of a relation without the relation: its statistics from the small maps, applied as a scale and a shift.

A relation has K times the positions of the maps it is made of. Its first batch norm needs only sums over windows of
those maps, and is then a rescaling of the maps (pairwise) or of each channel and offset (patchwise). The modules stay
what they are: parameters, running statistics, frozen and synchronised modes.

Shapes: N batch, R relation channels, H, W size, K = kernel_size ** 2 neighbours, P = H * W positions.
"""

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

BatchNorm = nn.BatchNorm2d | nn.SyncBatchNorm


class Parts(NamedTuple):
    """The layers of a relation that have something to learn."""

    norm1: BatchNorm
    linear1: nn.Conv2d
    norm2: BatchNorm
    linear2: nn.Conv2d


def parts_to_fold(relation: nn.Sequential) -> Parts | None:
    """The layers of a relation if it is bn - relu - linear twice, and no hook waits for a layer's whole output."""
    layers = list(relation)
    if len(layers) != 6 or any(map(_hooked, (relation, *layers))):
        return None
    norm1, relu1, linear1, norm2, relu2, linear2 = layers
    known = all(_runs_as(norm, nn.BatchNorm2d) or _runs_as(norm, nn.SyncBatchNorm) for norm in (norm1, norm2))
    known = known and _runs_as(relu1, nn.ReLU) and _runs_as(relu2, nn.ReLU)
    known = known and _is_linear(linear1, bias=False) and _is_linear(linear2, bias=True)
    return Parts(norm1, linear1, norm2, linear2) if known else None  # type: ignore[arg-type]


def _is_linear(layer: nn.Module, bias: bool) -> bool:
    if not isinstance(layer, nn.Conv2d) or not _runs_as(layer, nn.Conv2d):
        return False
    pointwise = layer.kernel_size == (1, 1) and layer.groups == 1 and layer.stride == (1, 1) and layer.padding == (0, 0)
    return pointwise and (layer.bias is not None) == bias


def _runs_as(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a layer is of the kind and computes as it, without a forward of a subclass (as fake quantisation)."""
    return isinstance(layer, kind) and type(layer).forward is kind.forward and "forward" not in vars(layer)


def _hooked(module: nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks)


def uses_batch(norm: BatchNorm) -> bool:
    """Whether a batch norm normalises by the batch, and not by its running statistics."""
    return norm.training or norm.running_mean is None


def scale_and_shift(norm: BatchNorm, moments: tuple[Tensor, Tensor] | None, count: int) -> tuple[Tensor, Tensor]:
    """A batch norm as y = scale * x + shift, its running statistics updated as the module would.

    Args:
        norm: the module.
        moments: mean and biased variance of what it normalises, per channel; None where it uses its running statistics.
        count: numbers per channel behind the moments, in this process.

    Raises:
        ValueError: if a batch statistic is asked of a single number per channel.
    """
    if moments is None:
        mean, variance = _running(norm)
    else:
        mean, variance = _gathered(norm, *moments, count)
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias


def _gathered(norm: BatchNorm, mean: Tensor, variance: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Statistics of the whole batch, over all processes where the norm is synchronised; running ones updated."""
    total: Tensor | int = count
    if not count:  # the moments of nothing are NaN; as part of the graph, so that backward's collectives meet
        mean, variance = mean.nan_to_num(0), variance.nan_to_num(0)
    if isinstance(norm, nn.SyncBatchNorm) and norm.training and _world_size(norm) > 1:
        group = norm.process_group or dist.group.WORLD
        mine = torch.tensor(float(count), dtype=mean.dtype, device=mean.device)
        total = _Sum.apply(mine, group)
        average = _Sum.apply(mean * mine, group) / total
        variance = _Sum.apply((variance + (mean - average).square()) * mine, group) / total
        mean = average
    elif count == 1:
        raise ValueError("batch norm in training needs more than 1 value per channel; got one sample of one position")
    if norm.training and norm.track_running_stats and norm.running_mean is not None:
        _update(norm, mean.detach(), variance.detach(), total)
    return mean, variance


class _Sum(torch.autograd.Function):
    """A tensor added over all processes; its gradient is the sum of theirs. PyTorch's own is deprecated since 2.14."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        total = mine.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        total = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None


def _world_size(norm: nn.SyncBatchNorm) -> int:
    return dist.get_world_size(norm.process_group) if dist.is_available() and dist.is_initialized() else 1


@torch.no_grad()
def _update(norm: BatchNorm, mean: Tensor, variance: Tensor, total: Tensor | int) -> None:
    """Move the running statistics as torch.nn.BatchNorm2d does: by the unbiased variance; an empty batch moves none."""
    step: float | Tensor = 0.0 if norm.momentum is None else norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        step = step if norm.momentum is not None else 1.0 / norm.num_batches_tracked
    if isinstance(total, int) and not total:
        return
    unbiased = variance * (total / (total - 1))
    for running, now in zip(_running(norm), (mean, unbiased), strict=True):
        running.mul_(1 - step).add_(now * step)


def _running(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


def _single(t: Tensor) -> Tensor:
    """Half precision in float32: statistics must not be rounded to it."""
    return t.float() if t.dtype in (torch.float16, torch.bfloat16) else t


def _centred(t: Tensor) -> tuple[Tensor, Tensor]:
    """``t`` without its channels' means, and those means, (1, R, 1, 1), as constants.

    A variance does not depend on them, and squares of what is left cancel little.
    """
    t = _single(t)
    mean = t.detach().mean((0, 2, 3), keepdim=True)
    return t - mean, mean


def _padded(t: Tensor, kernel_size: int) -> Tensor:
    border = kernel_size // 2
    return F.pad(t, [border] * 4, mode="reflect") if border else t


def difference_moments(phi: Tensor, psi: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of phi_i - psi_j over samples, positions i and their neighbours j: (R,) each.

    With box the mean over a window: mean = mean(phi - box psi), E[d ** 2] = mean(phi ** 2 - 2 phi box(psi) +
    box(psi ** 2)). The box is taken along one axis after the other.
    """
    sample = _single(psi).detach().mean((2, 3), keepdim=True)  # what both maps of a sample share cancels in phi - psi
    (phi, mean_phi), (psi, mean_psi) = _centred(_single(phi) - sample), _centred(_single(psi) - sample)
    pad = _padded(torch.cat([psi, psi.square()], 1), kernel_size)
    box, box_square = F.avg_pool2d(F.avg_pool2d(pad, (1, kernel_size), 1), (kernel_size, 1), 1).chunk(2, 1)
    axes = (0, 2, 3)
    rest = (phi - box).mean(axes)
    square = (phi.square() - 2 * phi * box + box_square).mean(axes)
    return rest + (mean_phi - mean_psi).flatten(), (square - rest.square()).clamp_min(0)


def patch_moments(phi: Tensor, psi: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over samples and positions of the centre and of each neighbour: (R, K + 1) each.

    A neighbour's are window means of psi's padded map, which the batch is summed into first.
    """
    (phi, mean_phi), (psi, mean_psi) = _centred(phi), _centred(psi)
    powers = torch.stack([psi.mean(0), psi.square().mean(0)])
    near = F.avg_pool2d(_padded(powers, kernel_size), (psi.shape[2], psi.shape[3]), 1).flatten(2)
    first, second = (
        torch.cat([centre.mean((0, 2, 3))[:, None], neighbours], 1)
        for centre, neighbours in zip((phi, phi.square()), near, strict=True)
    )
    offset = torch.cat([mean_phi.view(-1, 1), mean_psi.view(-1, 1).expand(-1, kernel_size**2)], 1)
    return first + offset, (second - first.square()).clamp_min(0)
