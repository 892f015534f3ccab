"""The table's operators as ``torch.ops.hybrid_sbir.*``: what autograd, compile, export, vmap and FLOP counters need.

The implementation is chosen when an operator runs (:mod:`hybrid_sbir.ops.backends`). To be called through
:mod:`hybrid_sbir.ops.functional`, which checks; here everything is trusted. Nothing is cast under autocast: the
operators take mixed types and add in float32.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from hybrid_sbir.ops import backends
from hybrid_sbir.ops.operators import MAPS, OPERATORS, WEIGHTS, Operator, Tensors
from hybrid_sbir.ops.window import Window

_GEOMETRY = "int kernel_size, int stride, int padding, int dilation, bool reflect"


def geometry(window: Window) -> tuple[int, int, int, int, bool]:
    """A window as the operators take it."""
    return window.kernel_size, window.stride, window.border, window.dilation, window.padding_mode == "reflect"


def _window(values: Sequence[Any]) -> Window:
    kernel_size, stride, padding, dilation, reflect = values
    return Window(kernel_size, stride, padding, dilation, "reflect" if reflect else "zeros")


def _positions_inner(t: Tensor) -> bool:
    """Whether weights (N, G, K, P) lie as [N, P, K, G] in memory."""
    return t.permute(0, 3, 2, 1).is_contiguous() and not t.is_contiguous()


def _dense(name: str, t: Tensor) -> Tensor:
    """A layout that every implementation takes."""
    fits = name in MAPS and t.is_contiguous(memory_format=torch.channels_last)
    return t if fits or (name in WEIGHTS and _positions_inner(t)) else t.contiguous()


def _owned(t: Tensor) -> Tensor:
    """A result with memory of its own: a part of a larger tensor would alias another result, or be a view."""
    return t if t.untyped_storage().nbytes() == t.numel() * t.itemsize else t.clone()


def _schema(tensors: Sequence[str], more: str, results: int) -> str:
    returns = "Tensor" if results == 1 else f"({', '.join(['Tensor'] * results)})"
    return f"({''.join(f'Tensor {name}, ' for name in tensors)}{more}) -> {returns}"


def _one_or_all(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


def _forward(op: Operator) -> Any:
    """Define the operator; its rules for tracing, vmap and FLOPs."""
    count = len(op.inputs)

    def run(*args: Any) -> Any:
        tensors = [_dense(name, t) for name, t in zip(op.inputs, args[:count], strict=True)]
        found = backends.operator(op.name, tensors[0].device)(*tensors, _window(args[count:]))
        return _one_or_all([_owned(t) for t in ([found] if isinstance(found, Tensor) else found)])

    def fake(*args: Any) -> Any:
        tensors, window = dict(zip(op.inputs, args[:count], strict=True)), _window(args[count:])
        return _one_or_all([empty(tensors, window) for empty in op.results.values()])

    defined = _define(op.name, run, _schema(op.inputs, _GEOMETRY, len(op.results)), fake)

    def over_a_batch(info: Any, in_dims: Sequence[int | None], *args: Any) -> Any:
        batched = {name for name, dim in zip(op.inputs, in_dims, strict=False) if dim is not None}
        if batched & set(op.shared):
            return _loop(defined, info.batch_size, in_dims, args)
        folded = [
            _fold(t, dim, info.batch_size) if name not in op.shared else t
            for name, t, dim in zip(op.inputs, args, in_dims, strict=False)
        ]
        out = defined(*folded, *args[count:])
        split = [t.unflatten(0, (info.batch_size, -1)) for t in ([out] if isinstance(out, Tensor) else out)]
        return _one_or_all(split), _one_or_all([0] * len(split))

    defined.register_vmap(over_a_batch)
    return defined


def _define(name: str, run: Callable[..., Any], schema: str, fake: Callable[..., Any]) -> Any:
    defined = torch.library.custom_op(f"hybrid_sbir::{name}", run, mutates_args=(), schema=schema)
    defined.register_fake(fake)
    return defined


def _fold(t: Tensor, dim: int | None, size: int) -> Tensor:
    """Samples of all vmap's entries as one batch."""
    batched = t.movedim(dim, 0) if dim is not None else t.expand(size, *t.shape)
    return batched.flatten(0, 1)


def _loop(defined: Any, size: int, in_dims: Sequence[int | None], args: Sequence[Any]) -> Any:
    """One entry of vmap after the other: for inputs that samples share."""

    def entry(i: int) -> list[Any]:
        pairs = zip(args, in_dims, strict=True)
        return [a.select(dim, i) if isinstance(a, Tensor) and dim is not None else a for a, dim in pairs]

    found = [defined(*entry(i)) for i in range(size)]
    if isinstance(found[0], Tensor):
        return torch.stack(found), 0
    return tuple(torch.stack(parts) for parts in zip(*found, strict=True)), (0,) * len(found[0])


def _backward(op: Operator) -> Any:
    """Define the operator's gradient, an operator of its own: ``NAME_backward``."""
    grads = [f"grad_{name}" for name in op.graded]
    names = [*grads, *op.saved]

    def run(*args: Any) -> Any:
        tensors = [_dense(name, t) for name, t in zip(names, args, strict=False)]
        size, *shape, needed = args[len(names) :]
        function = backends.operator(f"{op.name}_backward", tensors[0].device)
        found = function(*tensors, *(size if op.name == "subtraction" else ()), _window(shape), tuple(needed))
        kept = [g if want and g is not None else tensors[0].new_empty(0) for g, want in zip(found, needed, strict=True)]
        return _one_or_all([_owned(g) for g in kept])

    def fake(*args: Any) -> Any:
        tensors, size, needed = dict(zip(names, args, strict=False)), args[len(names)], args[-1]
        found = [_like(name, tensors, size) for name in op.inputs]
        kept = [g if want else args[0].new_empty(0) for g, want in zip(found, needed, strict=True)]
        return _one_or_all(kept)

    schema = _schema(names, f"SymInt[] size, {_GEOMETRY}, bool[] needed", len(op.inputs))
    defined = _define(f"{op.name}_backward", run, schema, fake)
    defined.register_vmap(lambda info, in_dims, *args: _loop(defined, info.batch_size, in_dims, args))
    return defined


def _like(name: str, tensors: Tensors, size: Sequence[int]) -> Tensor:
    """An empty gradient of the input ``name``, laid out as implementations return it."""
    grad = next(iter(tensors.values()))
    if name == "position" and name not in tensors:
        return tensors["hidden"].new_empty(1, *grad.shape[1:])
    if name not in tensors:  # subtraction's maps
        return grad.new_empty(*grad.shape[:2], *size)
    saved = tensors[name]
    if name in WEIGHTS and _positions_inner(saved):
        n, g, k, p = saved.shape
        return saved.new_empty(n, p, k, g).permute(0, 3, 2, 1)
    return saved.new_empty(saved.shape)


def _connect(op: Operator, forward: Any, backward: Any) -> None:
    """Tell autograd that ``backward`` is the gradient of ``forward``."""
    count = len(op.inputs)

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        results = (output,) if isinstance(output, Tensor) else output
        known = dict(zip(op.inputs, inputs, strict=False)) | dict(zip(op.results, results, strict=True))
        ctx.save_for_backward(*(known[name] for name in op.saved))
        ctx.geometry, ctx.dtypes = inputs[count:], [t.dtype for t in inputs[:count]]
        ctx.size = list(inputs[0].shape[-2:])
        ctx.mark_non_differentiable(*(known[name] for name in op.results if name not in op.graded))

    def gradient(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        needed = list(ctx.needs_input_grad[:count])
        out = backward(*grads[: len(op.graded)], *ctx.saved_tensors, ctx.size, *ctx.geometry, needed)
        found = (out,) if isinstance(out, Tensor) else out
        typed = [g.to(dtype) if want else None for g, dtype, want in zip(found, ctx.dtypes, needed, strict=True)]
        return *typed, *[None] * len(ctx.geometry)

    forward.register_autograd(gradient, setup_context=setup_context)


def _register_flops(op: Operator) -> None:
    """Two FLOPs a multiply-accumulate; a backward pass has two products for each of the forward pass."""
    from_shapes = torch.ops.hybrid_sbir

    def cost(shapes: dict[str, torch.Size], window: Window, size: Sequence[int]) -> tuple[int, int]:
        oh, ow = window.output_size(*size)
        sizes = (shapes, window.positions, oh * ow)
        return op.macs(*sizes), op.recomputed(*sizes)

    @register_flop_formula(getattr(from_shapes, op.name))
    def forward(*args: Any, out_shape: Any = None, **kwargs: Any) -> int:
        shapes = dict(zip(op.inputs, args, strict=False))
        return 2 * cost(shapes, _window(args[len(op.inputs) :]), args[0][-2:])[0]

    @register_flop_formula(getattr(from_shapes, f"{op.name}_backward"))
    def backward(*args: Any, out_shape: Any = None, **kwargs: Any) -> int:
        names = [*(f"grad_{name}" for name in op.graded), *op.saved]
        size, *shape, _ = args[len(names) :]
        once, again = cost(dict(zip(names, args, strict=False)), _window(shape), size)
        return 2 * (2 * once + again)


for _op in OPERATORS:
    _connect(_op, _forward(_op), _backward(_op))
    _register_flops(_op)
