"""Pairwise and patchwise relations as fused C kernels: nothing relation-sized is stored beyond a tile in the cache.

Shapes: N batch, C aggregated channels, G weight channels (C is a multiple of G), R relation channels, S hidden
channels, H, W input size, OH, OW output size, P = OH * OW output positions, K window positions.

The definitions are :mod:`hybrid_sbir.ops.reference`'s. Sums are in float64 if any input is, else in float32; each
result has the type of the input it belongs to. Bits do not depend on the number of threads.
"""

import ctypes

import torch
from torch import Tensor

from hybrid_sbir.ops.accumulation import accumulation_dtype
from hybrid_sbir.ops.kernels.cpu import allocate
from hybrid_sbir.ops.kernels.cpu.build import library
from hybrid_sbir.ops.kernels.cpu.call import geometry
from hybrid_sbir.ops.window import Window

# Bytes of a vector and what it does at best, relative to the widest: halves of it cost more instructions, not twice.
_WIDTHS = {64: 1.0, 32: 0.8, 16: 0.4}


def _width(dtype: torch.dtype, *products: tuple[int, int]) -> int:
    """Bytes of the vectors with which products of (length, columns) take least time, filling-up included."""

    def time(width: int) -> float:
        lanes = width // dtype.itemsize
        return sum(-(-a // lanes) * -(-b // lanes) * lanes**2 for a, b in products) / _WIDTHS[width]

    found = library(_real(dtype))
    return min((width for width in _WIDTHS if hasattr(found, f"pair_relation_{width}")), key=time)


def _real(dtype: torch.dtype) -> str:
    """The C type of a tensor's numbers."""
    return "double" if dtype == torch.float64 else "float"


def _run(name: str, window: Window, sizes: tuple[int, ...], inputs: list[Tensor], outputs: list[Tensor]) -> None:
    """Call the kernel ``name`` twice: for the size of its scratch memory, and to work.

    Args:
        name: the exported function without the width of its vectors.
        window: footprint.
        sizes: H, W, the width of the vectors, then the integers that the function takes.
        inputs: tensors to read, in its order; converted to the outputs' type where they are not dense numbers of it.
        outputs: dense tensors to write, in its order.
    """
    height, width, lanes, *counts = sizes
    dtype = outputs[0].dtype
    dense = [t.to(dtype).contiguous() for t in inputs]
    function = getattr(library(_real(dtype)), f"{name}_{lanes}")
    function.restype = ctypes.c_int64
    arguments = [ctypes.byref(geometry(window, height, width)), *map(ctypes.c_int64, counts)]
    arguments += [ctypes.c_void_p(t.data_ptr()) for t in dense + outputs]
    threads = ctypes.c_int64(torch.get_num_threads())
    memory = allocate.result((function(*arguments, ctypes.c_void_p(), threads),), dtype)
    function(*arguments, ctypes.c_void_p(memory.data_ptr()), threads)


def _gradients(dtype: torch.dtype, batch: int, *shapes: tuple[int, ...], zeroed: int | None = None) -> list[Tensor]:
    """Room for gradients. Zeros for an empty batch, and in ``zeroed``: of phi, kernels write the centres only."""
    results = [allocate.result(tuple(shape), dtype) for shape in shapes]
    for i, result in enumerate(results):
        if not batch or i == zeroed:
            result.zero_()
    return results


def _typed(gradients: list[Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Each gradient in its input's type."""
    return tuple(g.to(t.dtype) for g, t in zip(gradients, inputs, strict=True))


def pair_relation(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> Tensor:
    """As :func:`hybrid_sbir.ops.reference.pair_relation`: z (N, S, K, P), as ``phi``'s type."""
    (n, r, h, w), s, (k, p) = phi.shape, hidden.shape[0], position.shape[2:]
    dtype = accumulation_dtype(phi, psi, position, hidden)
    z = allocate.result((n, s, k, p), dtype)
    if n:
        _run("pair_relation", window, (h, w, _width(dtype, (r, s)), n, r, s), [phi, psi, position, hidden], [z])
    return z.to(phi.dtype)


def pair_relation_backward(
    grad: Tensor, phi: Tensor, psi: Tensor, hidden: Tensor, window: Window, needed: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """Gradients (phi, psi, position, hidden) of :func:`pair_relation`; ``grad`` is z's."""
    (n, r, h, w), s, (k, p) = phi.shape, hidden.shape[0], grad.shape[2:]
    dtype = accumulation_dtype(grad, phi, psi, hidden)
    results = _gradients(dtype, n, phi.shape, psi.shape, (1, s, k, p), hidden.shape, zeroed=0)
    if n:
        sizes = (h, w, _width(dtype, (r, s)), n, r, s)
        _run("pair_relation_backward", window, sizes, [grad, phi, psi, hidden], results)
    return _typed(results, (phi, psi, grad, hidden))


def pair_moments(phi: Tensor, psi: Tensor, position: Tensor, hidden: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """As :func:`hybrid_sbir.ops.reference.pair_moments`: mean and biased variance (S,), in the type of the sums."""
    (n, r, h, w), s = phi.shape, hidden.shape[0]
    dtype = accumulation_dtype(phi, psi, position, hidden)
    mean, variance = torch.full((2, s), torch.nan, dtype=dtype)
    if n:
        sizes = (h, w, _width(dtype, (r, s)), n, r, s)
        _run("pair_moments", window, sizes, [phi, psi, position, hidden], [mean, variance])
    return mean, variance


def pair_moments_backward(
    grad_mean: Tensor,
    grad_variance: Tensor,
    mean: Tensor,
    phi: Tensor,
    psi: Tensor,
    position: Tensor,
    hidden: Tensor,
    window: Window,
    needed: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Gradients (phi, psi, position, hidden) of :func:`pair_moments`; ``mean`` is its first result."""
    (n, r, h, w), s = phi.shape, hidden.shape[0]
    dtype = accumulation_dtype(grad_mean, grad_variance, mean, phi, psi, position, hidden)
    results = _gradients(dtype, n, phi.shape, psi.shape, position.shape, hidden.shape, zeroed=0)
    if n:
        inputs = [grad_mean, grad_variance, mean, phi, psi, position, hidden]
        _run("pair_moments_backward", window, (h, w, _width(dtype, (r, s)), n, r, s), inputs, results)
    return _typed(results, (phi, psi, position, hidden))


def pair_attention(
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
    """As :func:`hybrid_sbir.ops.reference.pair_attention`: y (N, C, OH, OW), lse (N, G, P) in the sums' type."""
    inputs = [x, phi, psi, position, hidden, scale, shift, output, bias]
    (n, c, h, w), (s, r), g, p = x.shape, hidden.shape, output.shape[0], position.shape[3]
    dtype = accumulation_dtype(*inputs)
    y = allocate.result((n, c, *window.output_size(h, w)), dtype)
    lse = allocate.result((n, g, p), dtype)
    if n:
        _run("pair_attention", window, (h, w, _width(dtype, (r, s), (s, g)), n, c, g, r, s), inputs, [y, lse])
    return y.to(x.dtype), lse


def pair_attention_backward(
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
    needed: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """The nine gradients of :func:`pair_attention` in the order of its inputs; relations are computed again."""
    inputs = (x, phi, psi, position, hidden, scale, shift, output, bias)
    (n, c, h, w), (s, r), g = x.shape, hidden.shape, output.shape[0]
    dtype = accumulation_dtype(grad, *inputs, y, lse)
    results = _gradients(dtype, n, *(t.shape for t in inputs), zeroed=1)
    if n:
        sizes = (h, w, _width(dtype, (r, s), (s, g)), n, c, g, r, s)
        _run("pair_attention_backward", window, sizes, [grad, *inputs, y, lse], results)
    return _typed(results, inputs)


def patch_relation(phi: Tensor, psi: Tensor, scale: Tensor, shift: Tensor, hidden: Tensor, window: Window) -> Tensor:
    """As :func:`hybrid_sbir.ops.reference.patch_relation`: h (N, S, P), as ``phi``'s type."""
    inputs = [phi, psi, scale, shift, hidden]
    (n, r, h, w), s = phi.shape, hidden.shape[0]
    oh, ow = window.output_size(h, w)
    dtype = accumulation_dtype(*inputs)
    out = allocate.result((n, s, oh * ow), dtype)
    if n:
        _run("patch_relation", window, (h, w, _width(dtype, (r, s)), n, r, s), inputs, [out])
    return out.to(phi.dtype)


def patch_relation_backward(
    grad: Tensor,
    phi: Tensor,
    psi: Tensor,
    scale: Tensor,
    shift: Tensor,
    hidden: Tensor,
    window: Window,
    needed: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """The five gradients of :func:`patch_relation` in the order of its inputs."""
    inputs = (phi, psi, scale, shift, hidden)
    (n, r, h, w), s = phi.shape, hidden.shape[0]
    dtype = accumulation_dtype(grad, *inputs)
    results = _gradients(dtype, n, *(t.shape for t in inputs), zeroed=0)
    if n:
        sizes = (h, w, _width(dtype, (r, s)), n, r, s)
        _run("patch_relation_backward", window, sizes, [grad, *inputs], results)
    return _typed(results, inputs)


def patch_attention(x: Tensor, hidden: Tensor, output: Tensor, bias: Tensor, window: Window) -> Tensor:
    """As :func:`hybrid_sbir.ops.reference.patch_attention`: y (N, C, OH, OW), as ``x``'s type."""
    (n, c, h, w), (g, _, s) = x.shape, output.shape
    dtype = accumulation_dtype(x, hidden, output, bias)
    y = allocate.result((n, c, *window.output_size(h, w)), dtype)
    if n:
        sizes = (h, w, _width(dtype, (s, g)), n, c, g, s)
        _run("patch_attention", window, sizes, [x, hidden, output, bias], [y])
    return y.to(x.dtype)


def patch_attention_backward(
    grad: Tensor,
    x: Tensor,
    hidden: Tensor,
    output: Tensor,
    bias: Tensor,
    window: Window,
    needed: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """The four gradients of :func:`patch_attention` in the order of its inputs; the weights are computed again."""
    inputs = (x, hidden, output, bias)
    (n, c, h, w), (g, _, s) = x.shape, output.shape
    dtype = accumulation_dtype(grad, *inputs)
    results = _gradients(dtype, n, *(t.shape for t in inputs))
    if n:
        sizes = (h, w, _width(dtype, (s, g)), n, c, g, s)
        _run("patch_attention_backward", window, sizes, [grad, *inputs], results)
    return _typed(results, inputs)
