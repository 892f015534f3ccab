"""What is measured of each operator: its arguments, the package's function, and what that is measured beside.

Letters as in :mod:`hybrid_sbir.bench.sizes`.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from hybrid_sbir import ops
from hybrid_sbir.bench import published
from hybrid_sbir.bench.sizes import Size, shapes
from hybrid_sbir.ops import Window, reference

Contender = Literal["ours", "ours, channels last", "ours, relations stored", "published", "compiled"]
"""``ours`` is the package's operator or block; ``ours, relations stored`` its block without folding, whose relations
are stored as in the published layout, but made and aggregated by the package's operators; ``published`` is the layout
of :mod:`hybrid_sbir.bench.published`; ``compiled`` is ``torch.compile`` of the definition or the published block."""

Function = Callable[..., Any]


def arguments(operator: str, size: Size, device: torch.device, dtype: torch.dtype, channels_last: bool) -> list[Tensor]:
    """Seeded arguments that take gradients; channels last, maps and weights lie with their channels innermost."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for name, shape in shapes(operator, size).items():
        if name.startswith("result"):
            continue
        value = torch.randn(shape, generator=generator).to(device, dtype)
        if channels_last and name in ("x", "phi", "psi"):
            value = value.contiguous(memory_format=torch.channels_last)
        elif channels_last and name in ("weight", "logits"):
            value = value.permute(0, 3, 2, 1).contiguous().permute(0, 3, 2, 1)
        made.append(value.requires_grad_())
    return made


def function(operator: str, contender: Contender, kernel_size: int) -> Function:
    """The operator as a contender computes it, a function of its arguments."""
    if contender == "published":
        return lambda *tensors: PUBLISHED[operator](*tensors, kernel_size)
    if contender == "compiled":
        definition = getattr(reference, operator)
        torch.compiler.reset()  # it gives up on a function that it has compiled for too many sizes
        return torch.compile(lambda *tensors: definition(*tensors, Window(kernel_size)), fullgraph=True, dynamic=False)
    door = getattr(ops, operator)
    return lambda *tensors: door(*tensors, kernel_size=kernel_size)


def _definition(operator: str) -> Function:
    """The definition stores every step, as the published layout does."""
    return lambda *arguments: getattr(reference, operator)(*arguments[:-1], Window(arguments[-1]))


def _pair_attention(x: Tensor, *arguments: Any) -> Tensor:
    phi, psi, position, hidden, scale, shift, output, bias, kernel_size = arguments
    z = reference.pair_relation(phi, psi, position, hidden, Window(kernel_size))
    normed = (scale[:, None, None] * z + shift[:, None, None]).relu()
    logits = torch.einsum("gs,nskp->ngkp", output, normed) + bias[:, None, None]
    return published.aggregate(x, logits.softmax(2), kernel_size)


def _patch_attention(x: Tensor, hidden: Tensor, output: Tensor, bias: Tensor, kernel_size: int) -> Tensor:
    weight = torch.einsum("gks,nsp->ngkp", output, hidden) + bias[..., None]
    return published.aggregate(x, weight, kernel_size)


PUBLISHED: dict[str, Function] = {
    **{name: _definition(name) for name in ("subtraction", "pair_relation", "pair_moments", "patch_relation")},
    "aggregation": published.aggregate,
    "softmax_aggregation": lambda x, logits, kernel_size: published.aggregate(x, logits.softmax(2), kernel_size),
    "pair_attention": _pair_attention,
    "patch_attention": _patch_attention,
}
"""The operators in the published layout: unfold, then einsum."""
