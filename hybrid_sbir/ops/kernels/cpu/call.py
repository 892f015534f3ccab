"""Calls a C kernel with tensors: pointers, 64-bit sizes, and torch's number of threads as the last argument."""

import ctypes

import torch
from torch import Tensor

from hybrid_sbir.ops.kernels.cpu.build import library
from hybrid_sbir.ops.window import Window

_REALS = {torch.float32: "float", torch.float64: "double"}


class Geometry(ctypes.Structure):
    """A window on a map, the C struct ``geometry`` of kernel.h."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in ("height", "width", "out_height", "out_width", "kernel", "stride", "dilation", "border", "reflect")
    )


def geometry(window: Window, height: int, width: int) -> Geometry:
    """The geometry of ``window`` on a map of ``height`` x ``width``."""
    sizes = (height, width, *window.output_size(height, width))
    return Geometry(
        *sizes, window.kernel_size, window.stride, window.dilation, window.border, window.padding_mode == "reflect"
    )


def is_dense(tensor: Tensor) -> bool:
    """Whether a tensor's elements lie without gaps, in the order of some permutation of its dimensions."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def call(name: str, dtype: torch.dtype, *arguments: Tensor | Geometry | int | None) -> None:
    """Call the C function ``name`` built for ``dtype``.

    Args:
        name: an exported function of the library; its last parameter is ``int64_t threads``.
        dtype: torch.float32 or torch.float64; every tensor has it.
        *arguments: dense tensors in an order that the function knows (a pointer; None is NULL), geometries (a pointer
            to the struct) and integers (int64_t).

    Raises:
        ValueError: if a tensor has gaps, another type or another device: its memory would be read as something else.
        BuildError: if the kernels cannot be built.
    """
    values: list[ctypes.c_void_p | ctypes.c_int64 | object] = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            if argument.dtype != dtype or argument.device.type != "cpu" or not is_dense(argument):
                raise ValueError(
                    f"{name} got a {argument.dtype} tensor of shape {tuple(argument.shape)} and strides "
                    f"{argument.stride()} on {argument.device}; it takes dense {dtype} tensors on the CPU"
                )
            values.append(ctypes.c_void_p(argument.data_ptr()))
        elif isinstance(argument, Geometry):
            values.append(ctypes.byref(argument))
        else:
            values.append(ctypes.c_void_p() if argument is None else ctypes.c_int64(argument))
    function = getattr(library(_REALS[dtype]), name)
    function.restype = None
    function(*values, ctypes.c_int64(torch.get_num_threads()))
