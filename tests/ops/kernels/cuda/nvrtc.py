"""NVRTC without a GPU: programs compiled to machine code for any architecture, with the library PyTorch brings."""

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch

from hybrid_sbir.ops.kernels.cuda.programs import OPTIONS, Program

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")

# What CuPy 14 adds to a module's own options.
_CUPYS = ("-ftz=true", "--device-as-default-execution-space")


@dataclass(frozen=True)
class Compiled:
    """What the compiler says.

    Attributes:
        log: messages, and for each kernel what it uses.
        spilled: bytes that kernels move between registers and memory, for want of registers.
        registers: of each kernel, per thread.
    """

    log: str
    spilled: int
    registers: list[int]


@cache
def _library() -> ctypes.CDLL | None:
    packages = Path(torch.__file__).parents[1]
    for found in sorted(packages.glob("nvidia/*/lib/libnvrtc.so.*")):
        if "alt" not in found.name:
            return ctypes.CDLL(str(found))
    return None


def require() -> None:
    """Skip the test where there is no NVRTC."""
    if _library() is None:
        pytest.skip("no NVRTC beside PyTorch (it comes with PyTorch's CUDA builds)")


def compile_program(program: Program, architecture: str) -> Compiled:
    """Compile to machine code; an AssertionError has the compiler's words."""
    lib, handle = _library(), ctypes.c_void_p()
    assert lib is not None, "call require() first"
    options = [f"--gpu-architecture={architecture}", *OPTIONS, *_CUPYS, "--ptxas-options=-v"]
    encoded = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    lib.nvrtcCreateProgram(ctypes.byref(handle), program.source().encode(), b"kernels.cu", 0, None, None)
    try:
        error = lib.nvrtcCompileProgram(handle, len(options), encoded)
        log = _log(lib, handle)
        assert error == 0, f"{program.name()} for {architecture}:\n{log}"
    finally:
        lib.nvrtcDestroyProgram(ctypes.byref(handle))
    spilled = sum(map(int, re.findall(r"(\d+) bytes spill", log)))
    return Compiled(log, spilled, [int(n) for n in re.findall(r"Used (\d+) registers", log)])


def _log(lib: ctypes.CDLL, handle: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    lib.nvrtcGetProgramLogSize(handle, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    lib.nvrtcGetProgramLog(handle, log)
    return log.value.decode()


def check(program: Program, architecture: str) -> None:
    """The program compiles without a warning, and its kernels keep everything in registers."""
    compiled = compile_program(program, architecture)
    name = f"{program.name()} for {architecture}"
    assert "warning" not in compiled.log, f"{name}:\n{compiled.log}"
    assert compiled.registers, f"{name}: no kernel in\n{compiled.log}"
    assert compiled.spilled == 0, f"{name} spills {compiled.spilled} bytes"
