"""Launching a program's kernels on the GPU, through CuPy. The only place that imports CuPy, and only when used.

PyTorch allocates every tensor and owns device and stream; CuPy compiles the text (NVRTC), keeps the binary in its cache
on disk, and launches with plain pointers. Tests replace the launcher (:func:`using`) and run the same callers and the
same text on the host.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hybrid_sbir.ops.kernels.cuda.programs import OPTIONS, Program

# What a kernel takes: a tensor as a pointer to its first element, None as a null pointer, an int as int, a float as
# double.
Argument = Tensor | int | float | None


class Launcher(Protocol):
    """Runs a kernel of a program."""

    def launch(
        self, program: Program, kernel: str, grid: int, block: int, args: Sequence[Argument], shared_bytes: int = 0
    ) -> None:
        """Run ``grid`` blocks of ``block`` threads, all along x; none at all if ``grid`` is 0.

        Args:
            program: what the kernel belongs to.
            kernel: the kernel's name, ``extern "C"``.
            grid: number of blocks.
            block: threads in a block, at most 1024.
            args: the kernel's arguments in order; tensors are contiguous, or the caller knows their strides.
            shared_bytes: dynamic shared memory of a block, at most 48 KiB.
        """
        ...


class _TorchStream:
    """The stream PyTorch works on, in the CUDA stream protocol (torch.cuda.Stream speaks it only since late)."""

    def __init__(self, device: torch.device) -> None:
        self.pointer = torch.cuda.current_stream(device).cuda_stream

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.pointer


@cache
def _module(program: Program, device: int, capability: tuple[int, int]) -> Any:
    """The program for one device, compiled when its first kernel is asked for; ``capability`` says what for."""
    import cupy

    return cupy.RawModule(code=program.source(), options=OPTIONS)


@cache
def _kernel(program: Program, kernel: str, device: int, capability: tuple[int, int]) -> Any:
    return _module(program, device, capability).get_function(kernel)


def _scalar(argument: Argument) -> np.generic:
    """``argument`` with the size that the kernel expects; CuPy would pass a Python int as 64 bits."""
    if argument is None:
        return np.uint64(0)
    if isinstance(argument, Tensor):
        return np.uint64(argument.data_ptr())
    return np.int32(argument) if isinstance(argument, int) else np.float64(argument)


class CupyLauncher:
    """Launches on the device of the first tensor, on PyTorch's current stream of that device."""

    def launch(
        self, program: Program, kernel: str, grid: int, block: int, args: Sequence[Argument], shared_bytes: int = 0
    ) -> None:
        """As :meth:`Launcher.launch`. The call returns before the kernel has run."""
        import cupy

        if not grid:
            return
        device = next(argument.device for argument in args if isinstance(argument, Tensor))
        index = torch.cuda.current_device() if device.index is None else device.index
        with torch.cuda.device(index), cupy.cuda.Device(index), cupy.cuda.Stream.from_external(_TorchStream(device)):
            function = _kernel(program, kernel, index, torch.cuda.get_device_capability(index))
            function((grid,), (block,), tuple(map(_scalar, args)), shared_mem=shared_bytes)


_launcher: Launcher = CupyLauncher()


def launch(
    program: Program, kernel: str, grid: int, block: int, args: Sequence[Argument], shared_bytes: int = 0
) -> None:
    """Run a kernel with the launcher in use; see :meth:`Launcher.launch`."""
    _launcher.launch(program, kernel, grid, block, args, shared_bytes)


@contextmanager
def using(launcher: Launcher) -> Iterator[None]:
    """Replace the launcher for a while, in all threads; for tests."""
    global _launcher
    before, _launcher = _launcher, launcher
    try:
        yield
    finally:
        _launcher = before
