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


class Problem(ctypes.Structure):
    """Sizes and layouts of an aggregation, the C struct ``problem`` of chunk.h."""

    _fields_ = (
        ("window", Geometry),
        *((name, ctypes.c_int64) for name in ("batch", "channels", "groups", "x_last", "weight_last", "grad_last")),
    )


def is_dense(tensor: Tensor) -> bool:
    """Whether a tensor's elements lie without gaps, in the order of some permutation of its dimensions."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1 and stride != expected:
            return tensor.numel() == 0
        expected *= size
    return True


def _converted(name: str, dtype: torch.dtype, argument: Tensor | ctypes.Structure | int | None) -> object:
    """An argument as C takes it; refuses a tensor whose memory would be read as something else."""
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    if not isinstance(argument, Tensor):
        return ctypes.c_void_p() if argument is None else ctypes.c_int64(argument)
    if argument.dtype != dtype or argument.device.type != "cpu" or not is_dense(argument):
        raise ValueError(
            f"{name} got a {argument.dtype} tensor of shape {tuple(argument.shape)} and strides {argument.stride()} on "
            f"{argument.device}; it takes dense {dtype} tensors on the CPU"
        )
    return ctypes.c_void_p(argument.data_ptr())


def call(name: str, dtype: torch.dtype, *arguments: Tensor | ctypes.Structure | int | None) -> None:
    """Call the C function ``name`` built for ``dtype``.

    Args:
        name: an exported function of the library; its last parameter is ``int64_t threads``.
        dtype: torch.float32 or torch.float64; every tensor has it.
        *arguments: dense tensors in an order that the function knows (a pointer; None is NULL), structs (a pointer)
            and integers (int64_t).

    Raises:
        ValueError: if a tensor has gaps, another type or another device.
        BuildError: if the kernels cannot be built.
    """
    function = getattr(library(_REALS[dtype]), name)
    function.restype = None
    function(*(_converted(name, dtype, argument) for argument in arguments), ctypes.c_int64(torch.get_num_threads()))


def measure(name: str, dtype: torch.dtype, *arguments: ctypes.Structure | int) -> int:
    """Call a C function that returns an int64_t, such as the scratch that a kernel needs; otherwise as :func:`call`."""
    function = getattr(library(_REALS[dtype]), name)
    function.restype = ctypes.c_int64
    values = (_converted(name, dtype, argument) for argument in arguments)
    return function(*values, ctypes.c_int64(torch.get_num_threads()))
