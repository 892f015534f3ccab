"""Builds the kernels when they are first needed, once for float32 and once for float64, and loads them."""

import ctypes
import functools
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hybrid_sbir.ops.kernels.cpu import cache
from hybrid_sbir.ops.kernels.cpu.compiler import BuildError, Compiler, find_compiler
from hybrid_sbir.ops.kernels.cpu.openmp import openmp_flags, torch_runtime

__all__ = ["BuildError", "available", "library"]

SOURCES = Path(__file__).parent
_LOCK = threading.Lock()
_TRIAL_SECONDS = 60


@dataclass(frozen=True)
class _Plan:
    """A way to build: with which compiler and flags, and the OpenMP runtime to link (None: one thread)."""

    compiler: Compiler
    real: str
    flags: tuple[str, ...]
    runtime: Path | None

    def key(self) -> str:
        """What the result depends on: sources, compiler with its version, instruction set and flags, runtime."""
        digest = hashlib.sha256(repr((self.compiler, self.flags, self.runtime)).encode())
        for path in sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")]):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return f"{self.real}-{digest.hexdigest()[:32]}"

    def compile(self, folder: Path) -> Path:
        """Build the library in an empty folder."""
        target, sources = folder / "kernels.so", sorted(SOURCES.glob("*.c"))
        objects = [str(folder / f"{source.stem}.o") for source in sources]
        with ThreadPoolExecutor(max(1, min(len(sources), os.cpu_count() or 1))) as pool:
            list(pool.map(self._compile_one, sources, objects))
        linked = [str(self.runtime), f"-Wl,-rpath,{self.runtime.parent}"] if self.runtime else []
        # Symbols left open would otherwise show only when a kernel runs.
        strict = [] if sys.platform == "darwin" else ["-Wl,-z,defs"]
        self.compiler.run("-shared", "-o", str(target), *objects, *strict, *linked, "-lm")
        return target

    def _compile_one(self, source: Path, target: str) -> None:
        self.compiler.run(*self.flags, f"-DREAL={self.real}", "-c", str(source), "-o", target)


def _plans(real: str) -> list[_Plan]:
    """Ways to build, best first: with the OpenMP that torch has loaded, else without any."""
    compiler, runtime = find_compiler(), torch_runtime()
    double = ("-DREAL_IS_DOUBLE",) if real == "double" else ()
    flags = openmp_flags(compiler) if runtime else None
    together = [_Plan(compiler, real, double + flags, runtime)] if flags else []
    return [*together, _Plan(compiler, real, double, None)]


def _try_out(path: Path, real: str) -> None:
    """Run the library in a process of its own: a wrong instruction must not end this one."""
    command = [sys.executable, "-I", "-S", str(SOURCES / "trial.py"), str(path), real]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TRIAL_SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the built C kernels could not be tried out: {error}") from error
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BuildError(f"the built C kernels failed their trial with status {done.returncode}: {words}")


def _load(plan: _Plan) -> ctypes.CDLL:
    """The library from the cache, or built, tried out and kept there."""
    with cache.private_folder() as folder:
        path = cache.find(folder, plan.key())
        if path is None:
            print(f"building the attention's C kernels, once, about half a minute, into {folder}", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="building-", dir=folder) as aside:
                built = plan.compile(Path(aside))
                _try_out(built, plan.real)
                path = cache.keep(folder, plan.key(), built)
        return ctypes.CDLL(str(path))


def _describe_threads(plan: _Plan, reasons: list[str]) -> str:
    """Whether the library has threads, and where not, why."""
    if plan.runtime:
        return "OpenMP of torch"
    why = reasons or ["no OpenMP that both torch and the compiler know"]
    return f"one thread ({'; '.join(why)})"


@functools.cache
def _built(real: str) -> tuple[ctypes.CDLL | None, str]:
    """The library and what it was built with, or None and why not. Tried once a process."""
    if sys.platform == "win32":
        return None, "the C kernels are built on Linux and macOS only"
    reasons: list[str] = []
    try:
        for plan in _plans(real):
            try:
                loaded, built_with = _load(plan), plan.compiler.describe()
                return loaded, f"C kernels, {built_with}, {_describe_threads(plan, reasons)}"
            except (BuildError, OSError) as error:
                reasons.append(str(error))
    except BuildError as error:
        reasons.append(str(error))
    return None, "; ".join(dict.fromkeys(reasons))


def available() -> tuple[bool, str]:
    """Whether there are C kernels here; builds them when first asked.

    Returns:
        True and what they were built with (``"C kernels, gcc 12.2, AVX-512, OpenMP of torch"``), or False and why not.
    """
    with _LOCK:
        found, words = _built("float")
    return found is not None, words


def library(real: str) -> ctypes.CDLL:
    """The kernels for ``real``, ``"float"`` or ``"double"``; built when first needed.

    Raises:
        BuildError: if they cannot be built, with the reason in words.
    """
    with _LOCK:
        found, words = _built(real)
    if found is None:
        raise BuildError(words)
    return found
