"""A launcher that runs a program's text on the host: compiled with g++ behind ``host_shim.h``, called through ctypes.

The callers are the package's own, so grids, arguments and chunks are tested with the kernels. The launcher is stricter
than a GPU: it holds each argument against the kernel's own signature, keeps NaN around every tensor (a read outside
shows in the result, a write outside is found), and refuses what a GPU would refuse or get wrong (limits, tensors with
gaps, results that overlap an operand).
"""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from hybrid_sbir.ops.kernels.cuda.launch import Argument
from hybrid_sbir.ops.kernels.cuda.programs import Program

HERE = Path(__file__).parent
COMPILER = shutil.which("g++")
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-ffp-contract=off", "-w"]

_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(")
_LETTERS = {torch.float64: "d", torch.float32: "f", torch.float16: "h", torch.bfloat16: "b"}
_GUARD = 4096  # bytes of NaN on each side
_ERRORS = {-1: "threads of a block wait at different __syncthreads", -2: "more than 48 KiB of shared memory"}


def kernels(source: str) -> list[str]:
    """Names of a text's kernels."""
    return _KERNEL.findall(source)


@dataclass
class HostLauncher:
    """Runs kernels on the host.

    Attributes:
        folder: where libraries are kept; several processes may share it.
        reversed: run blocks and threads in decreasing order; no result may depend on it.
        launched: the programs and kernels that ran.
    """

    folder: Path
    reversed: bool = False
    launched: list[tuple[Program, str]] = field(default_factory=list)
    _libraries: dict[Program, ctypes.CDLL] = field(default_factory=dict)

    def launch(
        self, program: Program, kernel: str, grid: int, block: int, args: Sequence[Argument], shared_bytes: int = 0
    ) -> None:
        """As :meth:`hybrid_sbir.ops.kernels.cuda.launch.Launcher.launch`, at once."""
        self.launched.append((program, kernel))
        if not grid:
            return
        source = program.source()
        threads = re.search(r"#define THREADS (\d+)", source)
        assert 1 <= block <= (int(threads[1]) if threads else 1024), f"{kernel}: a block of {block} threads"
        assert 0 < grid < 2**31, f"{kernel}: a grid of {grid} blocks"
        library = self._library(program)
        letters = getattr(library, f"letters_{kernel}")
        letters.restype = ctypes.c_char_p
        signature = letters().decode()
        assert len(signature) == len(args), f"{kernel} takes {len(signature)} arguments, not {len(args)}"
        operands = [_operand(kernel, i, *pair) for i, pair in enumerate(zip(signature, args, strict=True))]
        _refuse_overlaps(kernel, operands)
        pointers = (ctypes.c_void_p * len(operands))(*(ctypes.addressof(o.value) for o in operands))
        fibres = int("__syncthreads" in source)
        rc = getattr(library, f"launch_{kernel}")(grid, block, shared_bytes, pointers, fibres, int(self.reversed))
        assert rc == 0, f"{kernel}: {_ERRORS.get(rc, rc)}"
        for operand in operands:
            operand.finish()

    def _library(self, program: Program) -> ctypes.CDLL:
        if program not in self._libraries:
            self._libraries[program] = ctypes.CDLL(str(self._build(program.source())))
        return self._libraries[program]

    def _build(self, source: str) -> Path:
        entries = "".join(f"SHIM_ENTRY({name})\n" for name in kernels(source))
        text = f'#include "host_shim.h"\n{source}\n#include "host_entry.h"\n{entries}'
        runtime = self.folder / "host_runtime.o"
        if not runtime.exists():
            _compile(["-c", str(HERE / "host_runtime.cpp")], runtime)
        library = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.so"
        if not library.exists():
            _compile(["-shared", "-x", "c++", "-", "-x", "none", str(runtime)], library, text)
        return library


def _compile(arguments: list[str], out: Path, text: str = "") -> None:
    """Compile to ``out``; another process that builds the same one does no harm."""
    assert COMPILER, "no g++"
    partial = out.with_suffix(f".{os.getpid()}")
    command = [COMPILER, *FLAGS, f"-I{HERE}", *arguments, "-o", str(partial)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the host compiler refuses the program:\n{done.stderr}"
    partial.rename(out)


@dataclass
class _Operand:
    """An argument as the kernel sees it; a tensor is a copy between two guards."""

    name: str
    value: ctypes._SimpleCData
    tensor: Tensor | None = None
    written: bool = False
    memory: Tensor | None = None
    start: int = 0

    def finish(self) -> None:
        """Look at the guards; copy the result back."""
        if self.tensor is None or self.memory is None:
            return
        size = self.tensor.numel() * self.tensor.itemsize
        inside = self.memory[self.start : self.start + size]
        before = _bytes(self.tensor)
        guards = torch.cat([self.memory[: self.start], self.memory[self.start + size :]])
        assert bool((guards == 0xFF).all()), f"{self.name}: written outside the tensor"
        if self.written:
            before.copy_(inside)
        else:
            assert torch.equal(inside, before), f"{self.name} is const, and was written to"


def _bytes(tensor: Tensor) -> Tensor:
    """A dense tensor's memory, as a view."""
    return tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8)


def _operand(kernel: str, index: int, letter: str, argument: Argument) -> _Operand:
    name = f"{kernel}, argument {index}"
    if letter == "i":
        assert type(argument) is int, f"{name} is an int, not {argument!r}"
        assert -(2**31) <= argument < 2**31, f"{name} is {argument}: not an int"
        return _Operand(name, ctypes.c_int(argument))
    if letter == "r":
        assert isinstance(argument, float), f"{name} is a double, not {argument!r}"
        return _Operand(name, ctypes.c_double(argument))
    if argument is None:
        return _Operand(name, ctypes.c_void_p(0))
    assert isinstance(argument, Tensor), f"{name} is a pointer, not {argument!r}"
    assert _LETTERS[argument.dtype] == letter.lower(), f"{name} is '{letter.lower()}', not {argument.dtype}"
    assert _is_dense(argument), f"{name} has gaps: {tuple(argument.shape)} with strides {argument.stride()}"
    size = argument.numel() * argument.itemsize
    # Aligned for one element and no more: a wide load from global memory, which nobody promised, is found out.
    memory = torch.full((size + 2 * _GUARD + 64,), 0xFF, dtype=torch.uint8)
    start = _GUARD + (-(memory.data_ptr() + _GUARD)) % 64 + argument.itemsize
    memory[start : start + size] = _bytes(argument)
    return _Operand(name, ctypes.c_void_p(memory.data_ptr() + start), argument, letter.isupper(), memory, start)


def _is_dense(tensor: Tensor) -> bool:
    order = sorted(range(tensor.ndim), key=lambda d: (tensor.stride(d), -tensor.shape[d]), reverse=True)
    return tensor.permute(order).is_contiguous()


def _refuse_overlaps(kernel: str, operands: list[_Operand]) -> None:
    """__restrict__: what is written may not be reached through another pointer."""
    tensors = [(o, o.tensor) for o in operands if o.tensor is not None and o.tensor.numel()]
    for written, first in tensors:
        for other, second in tensors:
            if written.written and other is not written:
                a, b = first.data_ptr(), second.data_ptr()
                apart = a + first.nbytes <= b or b + second.nbytes <= a
                assert apart, f"{kernel}: {written.name} overlaps {other.name}"
