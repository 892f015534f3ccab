"""The operators in functions that every exporter knows, for graphs outside PyTorch such as ONNX's.

A window's neighbours are gathered by constant indices, in which the reflection at the border stands already; ``unfold``
becomes a graph that ran 10 to 15 times as long. Maps must have one size; the batch may have any.

Shapes: N batch, C aggregated channels, G weight channels, R relation channels, S hidden channels, H, W input size,
OH, OW output size, P = OH * OW output positions, K window positions.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hybrid_sbir.ops import reference
from hybrid_sbir.ops.window import Window

_blocks: list[None] = []  # an entry a ``with`` block that is open; torch.compile knows lists, and no context variables


@contextmanager
def standard_functions() -> Iterator[None]:
    """Let the operators run, inside a ``with`` block, as functions of PyTorch's own; what is traced there holds those.

    Slower than :func:`hybrid_sbir.ops.using` any implementation, and it takes K times the memory of a map.
    """
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()


def standard_functions_chosen() -> bool:
    """Whether such a block is open, for modules that have a way of their own to be traced."""
    return bool(_blocks)


def chosen(operator: str) -> Callable[..., Any] | None:
    """Return an operator's standard function inside such a block; None outside."""
    return _FUNCTIONS[operator] if _blocks else None


def _places(window: Window, height: int, width: int, size: tuple[int, int]) -> Tensor:
    """Which position of a map (H, W) each neighbour is: (K, P)."""
    numbers = np.arange(height * width).reshape(height, width)
    if window.border and window.padding_mode == "reflect":
        numbers = np.pad(numbers, window.border, mode="reflect")
    reach_y, reach_x = (window.stride * (s - 1) + 1 for s in size)
    near = [
        numbers[y : y + reach_y : window.stride, x : x + reach_x : window.stride].ravel() for y, x in window.offsets()
    ]
    return torch.from_numpy(np.stack(near))


def _near(x: Tensor, window: Window) -> Tensor:
    """The neighbours of every position: (N, C, H, W) -> (N, C, K, P)."""
    size = window.output_size(*x.shape[-2:])
    if window.padding_mode == "zeros":
        x = F.pad(x, [window.border] * 4)
    places = _places(window, x.shape[2], x.shape[3], size).to(x.device)
    return x.flatten(2)[:, :, places.flatten()].unflatten(2, places.shape)


def _aggregation(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    near = _near(x, window).unflatten(1, (-1, weight.shape[1]))
    total = (near * weight.unsqueeze(1)).sum(3).flatten(1, 2)
    return total.unflatten(2, window.output_size(*x.shape[-2:]))


def _softmax_aggregation(x: Tensor, logits: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    return _aggregation(x, logits.softmax(2), window), logits.detach().logsumexp(2)


def _subtraction(phi: Tensor, psi: Tensor, window: Window) -> Tensor:
    return reference.centres(phi, window).flatten(2).unsqueeze(2) - _near(psi, window)


def _pair_relation(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> Tensor:
    difference = _subtraction(phi, psi, window).relu()
    return (hidden @ difference.flatten(2)).unflatten(2, difference.shape[2:]) + position


def _pair_moments(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    z = _pair_relation(phi, psi, position, hidden, window)
    variance, mean = torch.var_mean(z, (0, 2, 3), correction=0)
    return mean, variance


def _pair_attention(
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
    z = _pair_relation(phi, psi, position, hidden, window)
    normed = (scale[:, None, None] * z + shift[:, None, None]).relu()
    logits = (output @ normed.flatten(2)).unflatten(2, z.shape[2:]) + bias[:, None, None]
    return _softmax_aggregation(x, logits, window)


def _patch_relation(phi: Tensor, psi: Tensor, scale: Tensor, shift: Tensor, hidden: Tensor, window: Window) -> Tensor:
    values = torch.cat([reference.centres(phi, window).flatten(2).unsqueeze(2), _near(psi, window)], 2)
    return hidden.flatten(1) @ (scale[..., None] * values + shift[..., None]).relu().flatten(1, 2)


def _patch_attention(x: Tensor, hidden: Tensor, output: Tensor, bias: Tensor, window: Window) -> Tensor:
    weight = (output.flatten(0, 1) @ hidden).unflatten(1, bias.shape) + bias[..., None]
    return _aggregation(x, weight, window)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "aggregation": _aggregation,
    "softmax_aggregation": _softmax_aggregation,
    "subtraction": _subtraction,
    "pair_relation": _pair_relation,
    "pair_moments": _pair_moments,
    "pair_attention": _pair_attention,
    "patch_relation": _patch_relation,
    "patch_attention": _patch_attention,
}
