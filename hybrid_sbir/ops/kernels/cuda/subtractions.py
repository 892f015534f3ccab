"""Subtraction and its gradients: what the kernels are launched with.

Shapes: N batch, R relation channels, H, W input size, OH, OW output size, P = OH * OW output positions, K window
positions. The operator's contract is :mod:`hybrid_sbir.ops.reference`; arguments have been checked at the door.
"""

from collections.abc import Sequence

from torch import Tensor

from hybrid_sbir.ops.kernels.cuda.launch import Argument, launch
from hybrid_sbir.ops.kernels.cuda.programs import make_program
from hybrid_sbir.ops.window import Window

_THREADS, _WARP = 256, 32  # the first as in subtraction.cu


def subtraction(phi: Tensor, psi: Tensor, window: Window) -> Tensor:
    """As :func:`hybrid_sbir.ops.reference.subtraction`; the result has ``phi``'s type."""
    n, r, height, width = phi.shape
    oh, ow = window.output_size(height, width)
    phi, psi, result = phi.contiguous(), psi.contiguous(), phi.new_empty(n, r, window.positions, oh * ow)
    program = make_program(("subtraction",), window, {"phi_t": phi, "psi_t": psi}, results=(result,))
    grid, block = _blocks(n * r, oh * ow)
    launch(program, "subtraction", grid, block, [phi, psi, result, *_sizes(height, width, window)])
    return result


def subtraction_backward(
    grad: Tensor, height: int, width: int, window: Window, needed: Sequence[bool]
) -> tuple[Tensor, Tensor]:
    """Gradients of :func:`subtraction`, (N, R, H, W) each; one kernel makes both, for it reads ``grad`` once."""
    grad = grad.contiguous()
    grad_phi, grad_psi = (grad.new_empty(*grad.shape[:2], height, width) for _ in range(2))
    program = make_program(("subtraction",), window, {"phi_t": grad, "psi_t": grad}, results=(grad_phi,))
    grid, block = _blocks(grad.shape[0] * grad.shape[1], height * width)
    launch(program, "subtraction_backward", grid, block, [grad, grad_phi, grad_psi, *_sizes(height, width, window)])
    return grad_phi, grad_psi


def _blocks(planes: int, positions: int) -> tuple[int, int]:
    """Number of blocks and threads of a block: a thread for each position, whole warps, blocks within a plane."""
    threads = min(_THREADS, -(-positions // _WARP) * _WARP)
    return planes * -(-positions // threads), threads


def _sizes(height: int, width: int, window: Window) -> list[Argument]:
    return [height, width, *window.output_size(height, width), window.stride, window.border, window.dilation]
