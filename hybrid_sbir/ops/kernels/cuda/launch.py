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


def current() -> Launcher:
    """The launcher in use."""
    return _launcher


@contextmanager
def using(launcher: Launcher) -> Iterator[None]:
    """Replace the launcher for a while, in all threads; for tests."""
    global _launcher
    before, _launcher = _launcher, launcher
    try:
        yield
    finally:
        _launcher = before


# The oldest GPUs that NVRTC 13 compiles for; older ones would need a test of their own.
_OLDEST = (7, 5)


def available(index: int = 0) -> tuple[bool, str]:
    """Whether the kernels can run on the GPU number ``index``; how, or why not and what to do."""
    obstacle = _installation() or _driver() or _compiler() or _device(index)
    if obstacle:
        return False, obstacle
    import cupy

    capability = "{}.{}".format(*torch.cuda.get_device_capability(index))
    return True, f"CUDA kernels through CuPy {cupy.__version__}, compute capability {capability}"


def _remedy() -> str:
    """The command that installs the CuPy that fits PyTorch."""
    major = (torch.version.cuda or "").split(".")[0]
    extras = [f"cuda{major}"] if major in ("12", "13") else ["cuda12", "cuda13"]
    return " or ".join(f"`pip install 'hybrid-sbir[{extra}]'`" for extra in extras)


def _installation() -> str | None:
    """Say what is wrong with the installed PyTorch or CuPy."""
    if torch.version.hip:
        return "PyTorch is built for ROCm, the kernels are for CUDA; run where an NVIDIA GPU is"
    try:
        import cupy
    except ModuleNotFoundError as error:
        missing = "CuPy is not installed" if error.name == "cupy" else f"CuPy lacks a module ({error})"
        return f"{missing}; {_remedy()}"
    except (ImportError, OSError, RuntimeError) as error:
        return f"CuPy is installed, but cannot be imported ({error}); {_remedy()}"
    if cupy.cuda.runtime.is_hip:
        return f"CuPy {cupy.__version__} is built for ROCm, the kernels are for CUDA; uninstall it, then {_remedy()}"
    if int(cupy.__version__.split(".")[0]) < 14:
        return f"CuPy is {cupy.__version__}; it must be 14 or newer (it takes PyTorch's stream); {_remedy()}"
    return None


def _driver() -> str | None:
    """Say whether the driver is too old for this CuPy, or sees no device."""
    import cupy

    runtime = cupy.cuda.runtime
    built, supported = runtime.runtimeGetVersion(), runtime.driverGetVersion()
    if supported // 1000 < built // 1000:  # within a major version, older drivers do
        return (
            f"CuPy is built for CUDA {built // 1000}, but the driver supports CUDA {supported // 1000}."
            f"{supported % 1000 // 10} at most; update the driver, or uninstall this CuPy and {_remedy()}"
        )
    try:
        runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        return f"CuPy sees no CUDA device ({error}); check `nvidia-smi` and CUDA_VISIBLE_DEVICES"
    return None


def _compiler() -> str | None:
    """Say whether NVRTC is missing."""
    import cupy

    try:
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, OSError, RuntimeError) as error:
        return f"CuPy does not find NVRTC, the compiler ({error}); {_remedy()} brings it"
    return None


def _device(index: int) -> str | None:
    """Say whether the GPU is too old."""
    capability = torch.cuda.get_device_capability(index)
    if capability < _OLDEST:
        return (
            f"GPU {index} has compute capability {capability[0]}.{capability[1]}; the kernels need {_OLDEST[0]}."
            f"{_OLDEST[1]} (Turing) or newer"
        )
    return None
