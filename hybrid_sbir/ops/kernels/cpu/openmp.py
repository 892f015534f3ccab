"""The OpenMP runtime that PyTorch itself uses: a second one beside it would make both wait for each other's threads."""

import ctypes
from pathlib import Path

import torch

from hybrid_sbir.ops.kernels.cpu.compiler import BuildError, Compiler

# Apple's clang takes the flag only when it is passed on behind its driver.
_FLAGS = (("-fopenmp",), ("-Xclang", "-fopenmp"))


class _Place(ctypes.Structure):
    """Dl_info of dladdr(3): in which file a symbol lies."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def _file_of(library: ctypes.CDLL, symbol: str) -> Path | None:
    """The file in which ``library`` (or what it depends on) finds a symbol; None where it does not."""
    try:
        address, dladdr = ctypes.cast(getattr(library, symbol), ctypes.c_void_p), ctypes.CDLL(None).dladdr
    except AttributeError:
        return None
    place = _Place()
    dladdr.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Place))
    return Path(place.file.decode()) if dladdr(address, ctypes.byref(place)) and place.file else None


def torch_runtime() -> Path | None:
    """The OpenMP library that torch calls, as the loader resolved it; None where torch has no OpenMP."""
    torch_library = next(Path(torch.__file__).parent.glob("lib/libtorch_cpu.*"), None)
    # The global scope first: there the loader looks first too (LD_PRELOAD).
    libraries = [ctypes.CDLL(None)] + ([ctypes.CDLL(str(torch_library))] if torch_library else [])
    found = (_file_of(library, "omp_get_max_threads") for library in libraries)
    return next((path.resolve() for path in found if path is not None), None)


def openmp_flags(compiler: Compiler) -> tuple[str, ...] | None:
    """The flags with which ``compiler`` understands OpenMP; None if it does not."""
    for flags in _FLAGS:
        try:
            macros = compiler.run(*flags, "-dM", "-E", "-x", "c", "/dev/null")
        except BuildError:
            continue
        if "_OPENMP" in macros:
            return flags
    return None
