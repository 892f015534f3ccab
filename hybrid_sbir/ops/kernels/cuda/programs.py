"""Kernel texts put together: what a program is compiled for, and the source that follows from it.

No CuPy here: tests compile the very same text with a host compiler, and with NVRTC on a machine without a GPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from hybrid_sbir.ops.accumulation import accumulation_type
from hybrid_sbir.ops.window import Window

FOLDER = Path(__file__).parent

# The options of every compiler that knows CUDA; the language is the one CuPy would choose, said where tests see it.
OPTIONS = ("--std=c++17",)

_STORAGE = {torch.float64: "double", torch.float32: "float", torch.float16: "half_t", torch.bfloat16: "bfloat16_t"}
_LARGEST_COUNT = 2**31 - 1 - 1024  # the idle threads of a tensor's last block count past its end


@lru_cache(maxsize=64)
def _text(part: str) -> str:
    return (FOLDER / f"{part}.cu").read_text(encoding="utf-8")


def needs_wide_index(*tensors: Tensor | None) -> bool:
    """Whether an offset into one of the (contiguous) tensors does not fit 32 bits."""
    return any(tensor is not None and tensor.numel() > _LARGEST_COUNT for tensor in tensors)


@dataclass(frozen=True)
class Program:
    """A kernel file with everything it is compiled for; equal programs have equal source. The sizes are arguments.

    Attributes:
        parts: names of the .cu files after the prelude, in order.
        kernel_size: side of the window.
        reflect: whether the border mirrors the map; else it is zeros.
        types: typedef and storage type of each kind of tensor, such as ``("x_t", torch.float16)``.
        constants: further defines, such as ``("PLANES", 8)``.
        wide: offsets of 64 instead of 32 bits.
    """

    parts: tuple[str, ...]
    kernel_size: int
    reflect: bool
    types: tuple[tuple[str, torch.dtype], ...]
    constants: tuple[tuple[str, int], ...] = ()
    wide: bool = False

    @property
    def accumulation(self) -> torch.dtype:
        """The type of ``acc_t``."""
        return accumulation_type(*(dtype for _, dtype in self.types))

    def source(self) -> str:
        """The whole text, ready for a compiler."""
        defines = (("KERNEL_SIZE", self.kernel_size), ("REFLECT", int(self.reflect)), *self.constants)
        lines = [f"#define {name} {value}" for name, value in defines]
        lines += [
            f"typedef {_STORAGE[self.accumulation]} acc_t;",
            f"typedef {'long long' if self.wide else 'int'} index_t;",
        ]
        typedefs = [f"typedef {_STORAGE[dtype]} {name};" for name, dtype in self.types]
        return "\n".join([*lines, _text("prelude"), *typedefs, *map(_text, self.parts)])

    def name(self) -> str:
        """A short name for messages and test ids: parts, window, types, constants, index width."""
        types = [f"{name}={str(dtype).removeprefix('torch.')}" for name, dtype in self.types]
        constants = [f"{name.lower()}={value}" for name, value in self.constants]
        mode = "reflect" if self.reflect else "zeros"
        width = "index64" if self.wide else "index32"
        return "-".join(["+".join(self.parts), f"k{self.kernel_size}", mode, *types, *constants, width])


def make_program(
    parts: tuple[str, ...],
    window: Window,
    tensors: Mapping[str, Tensor],
    constants: Mapping[str, int] | None = None,
    results: tuple[Tensor | None, ...] = (),
) -> Program:
    """The program for ``window`` and the types of ``tensors``; its offsets are as wide as the largest tensor needs.

    Args:
        parts: names of the .cu files after the prelude.
        window: the geometry; only its kernel size and padding mode are compiled in.
        tensors: one tensor for each typedef, such as ``{"x_t": x, "weight_t": weight}``.
        constants: further defines.
        results: other tensors the kernels address, for the width of the offsets.
    """
    return Program(
        parts,
        window.kernel_size,
        window.padding_mode == "reflect",
        tuple((name, tensor.dtype) for name, tensor in tensors.items()),
        tuple((constants or {}).items()),
        needs_wide_index(*tensors.values(), *results),
    )
