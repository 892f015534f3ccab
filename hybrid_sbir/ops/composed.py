"""Whole attentions composed of an implementation's own operators, a few samples at a time.

What is as large as a relation (N * S * K * P) lives for one chunk of samples; the backward pass computes it again.
``primitives`` is an implementation (a module with the functions of :mod:`hybrid_sbir.ops.shifted` and
:mod:`hybrid_sbir.ops.shifted_relations`).

Shapes: N batch, C aggregated channels, G weight channels, R relation channels, S hidden channels, H, W input size,
OH, OW output size, P = OH * OW output positions, K window positions.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from hybrid_sbir.ops.accumulation import accumulation_dtype
from hybrid_sbir.ops.shifted import Gradients
from hybrid_sbir.ops.shifted_relations import chunks
from hybrid_sbir.ops.window import Window


def _parts(like: Tensor, channels: int, columns: int) -> Iterator[slice]:
    """Chunks of samples for temporaries of ``channels`` times ``columns`` numbers a sample."""
    return chunks(len(like), channels * columns * accumulation_dtype(like).itemsize, like.device)


def _empty_maps(x: Tensor, window: Window) -> Tensor:
    return x.new_empty(*x.shape[:2], *window.output_size(*x.shape[-2:]))


def pair_moments(
    primitives: Any, phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window
) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the relation; chunks are joined as Chan et al. (1979) join them, in float64."""
    dtype = accumulation_dtype(phi, psi, position, hidden)
    mean, square = (torch.zeros(len(hidden), dtype=torch.float64, device=phi.device) for _ in range(2))
    count = 0
    for part in _parts(phi, 2 * len(hidden), position[0, 0].numel()):
        z = primitives.pair_relation(phi[part], psi[part], position, hidden, window).to(dtype)
        added = z[:, 0].numel()
        variance, here = (t.double() for t in torch.var_mean(z, (0, 2, 3), correction=0))
        step = here - mean
        square += variance * added + step.square() * (count * added / (count + added))
        count += added
        mean += step * (added / count)
    empty = float("nan") if not count else 1.0  # as the mean of nothing
    return (mean * empty).to(dtype), (square * empty / max(count, 1)).to(dtype)


def pair_moments_backward(
    primitives: Any,
    grad_mean: Tensor,
    grad_variance: Tensor,
    mean: Tensor,
    phi: Tensor,
    psi: Tensor,
    position: Tensor,
    hidden: Tensor,
    window: Window,
    needed: Sequence[bool],
) -> Gradients:
    """Gradients of :func:`pair_moments`: dz = (grad_mean + 2 * grad_variance * (z - mean)) / count."""
    count = max(1, len(phi) * position[0, 0].numel())
    slope = (2 * grad_variance / count)[:, None, None]
    start = (grad_mean / count)[:, None, None] - slope * mean[:, None, None]
    sums = _Sums(position, hidden, dtype=mean.dtype)
    grad_phi, grad_psi = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (phi, psi))
    for part in _parts(phi, 3 * len(hidden), position[0, 0].numel()):
        z = primitives.pair_relation(phi[part], psi[part], position, hidden, window)
        grad = torch.addcmul(start, z.to(mean.dtype), slope)  # divided by the count it would vanish in half precision
        found = primitives.pair_relation_backward(grad, phi[part], psi[part], hidden, window, (True,) * 4)
        grad_phi[part], grad_psi[part] = found[0], found[1]
        sums.add(*found[2:])
    return grad_phi, grad_psi, *sums.results()


class _Sums:
    """Gradients of what all samples share, added over chunks in the accumulation type."""

    def __init__(self, *parameters: Tensor, dtype: torch.dtype) -> None:
        self._parameters = parameters
        self._totals = [torch.zeros(p.shape, dtype=dtype, device=p.device) for p in parameters]

    def add(self, *parts: Tensor) -> None:
        for total, part in zip(self._totals, parts, strict=True):
            total += part

    def results(self) -> list[Tensor]:
        return [total.to(p.dtype) for total, p in zip(self._totals, self._parameters, strict=True)]


def _activated(
    primitives: Any,
    phi: Tensor,
    psi: Tensor,
    position: Tensor,
    hidden: Tensor,
    scale: Tensor,
    shift: Tensor,
    window: Window,
) -> Tensor:
    """relu(scale * z + shift), in one go where the implementation can."""
    if hasattr(primitives, "pair_relation_activated"):
        return primitives.pair_relation_activated(phi, psi, position, hidden, scale, shift, window)
    z = primitives.pair_relation(phi, psi, position, hidden, window)
    return z.mul_(scale[:, None, None]).add_(shift[:, None, None]).relu_()


def _logits(hidden: Tensor, output: Tensor, bias: Tensor) -> Tensor:
    """Output @ hidden + bias: (n, S, K, P) -> (n, G, K, P)."""
    logits = (output.to(hidden.dtype) @ hidden.flatten(2)).unflatten(2, hidden.shape[2:])
    return logits.add_(bias[:, None, None])


def pair_attention(
    primitives: Any,
    x: Tensor,
    phi: Tensor,
    psi: Tensor,
    position: Tensor,
    hidden: Tensor,
    scale: Tensor,
    shift: Tensor,
    output: Tensor,
    bias: Tensor,
    window: Window,
) -> tuple[Tensor, Tensor]:
    """As :func:`reference.pair_attention`."""
    y = _empty_maps(x, window)
    dtype = accumulation_dtype(x, phi, psi, position, hidden, scale, shift, output, bias)
    lse = torch.empty(len(x), len(output), y.shape[2] * y.shape[3], dtype=dtype, device=x.device)
    for part in _parts(phi, 2 * len(hidden) + 2 * len(output), position[0, 0].numel()):
        relation = (phi[part], psi[part], position, hidden)
        logits = _logits(_activated(primitives, *relation, scale, shift, window), output, bias)
        y[part], lse[part] = primitives.softmax_aggregation(x[part], logits, window)
    return y, lse


def pair_attention_backward(
    primitives: Any,
    grad: Tensor,
    x: Tensor,
    phi: Tensor,
    psi: Tensor,
    position: Tensor,
    hidden: Tensor,
    scale: Tensor,
    shift: Tensor,
    output: Tensor,
    bias: Tensor,
    y: Tensor,
    lse: Tensor,
    window: Window,
    needed: Sequence[bool],
) -> Gradients:
    """Gradients of :func:`pair_attention`."""
    grad_x, grad_phi, grad_psi = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, phi, psi))
    sums = _Sums(position, hidden, scale, shift, output, bias, dtype=lse.dtype)
    for part in _parts(phi, 4 * len(hidden) + 2 * len(output), position[0, 0].numel()):
        z = primitives.pair_relation(phi[part], psi[part], position, hidden, window)
        normed = (z * scale[:, None, None]).add_(shift[:, None, None]).relu_().to(z.dtype)
        logits = _logits(normed, output, bias)
        grad_x[part], grad_logits = primitives.softmax_aggregation_backward(
            grad[part], x[part], logits, y[part], lse[part], window, (True, True)
        )
        grad_logits = grad_logits.flatten(2)
        grad_output = (grad_logits @ normed.flatten(2).transpose(1, 2)).sum(0)
        masked = (output.to(z.dtype).T @ grad_logits).view_as(z).mul_(normed > 0)
        grad_scale, grad_shift = (masked * z).sum((0, 2, 3)), masked.sum((0, 2, 3))
        found = primitives.pair_relation_backward(
            masked.mul_(scale[:, None, None]), phi[part], psi[part], hidden, window, (True,) * 4
        )
        grad_phi[part], grad_psi[part] = found[0], found[1]
        sums.add(found[2], found[3], grad_scale, grad_shift, grad_output, grad_logits.sum((0, 2)))
    return grad_x, grad_phi, grad_psi, *sums.results()


def _weights(hidden: Tensor, output: Tensor, bias: Tensor) -> Tensor:
    """Output . hidden + bias: (n, S, P) -> (n, G, K, P)."""
    g, k, s = output.shape
    return (output.to(hidden.dtype).reshape(g * k, s) @ hidden).unflatten(1, (g, k)).add_(bias[..., None])


def patch_attention(primitives: Any, x: Tensor, hidden: Tensor, output: Tensor, bias: Tensor, window: Window) -> Tensor:
    """As :func:`reference.patch_attention`."""
    y = _empty_maps(x, window)
    for part in _parts(hidden, 2 * bias.numel(), hidden.shape[2]):
        y[part] = primitives.aggregation(x[part], _weights(hidden[part], output, bias), window)
    return y


def patch_attention_backward(
    primitives: Any,
    grad: Tensor,
    x: Tensor,
    hidden: Tensor,
    output: Tensor,
    bias: Tensor,
    window: Window,
    needed: Sequence[bool],
) -> Gradients:
    """Gradients of :func:`patch_attention`."""
    (g, k, s), dtype = output.shape, accumulation_dtype(grad, x, hidden, output, bias)
    grad_x, grad_hidden = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, hidden))
    sums = _Sums(output, bias, dtype=dtype)
    for part in _parts(hidden, 3 * g * k, hidden.shape[2]):
        weight = _weights(hidden[part], output, bias)
        grad_x[part], grad_weight = primitives.aggregation_backward(grad[part], x[part], weight, window, (True, True))
        grad_weight = grad_weight.flatten(1, 2).to(hidden.dtype)
        grad_hidden[part] = output.to(hidden.dtype).reshape(g * k, s).T @ grad_weight
        grad_output = (grad_weight @ hidden[part].transpose(1, 2)).sum(0)
        sums.add(grad_output.view(g, k, s), grad_weight.sum((0, 2), dtype=dtype).view(g, k))
    return grad_x, grad_hidden, *sums.results()
