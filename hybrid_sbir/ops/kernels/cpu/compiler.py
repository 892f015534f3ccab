"""The machine's C compiler: which one, its flags, and what it builds for."""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass

# Sums keep their order (no -ffast-math): NaN and infinity come out as they went in, and results repeat bit by bit.
_FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fPIC")
_FLAGS_OF_SYMBOLS = ("-fvisibility=hidden", "-Wall", "-Wextra")
# Apple's clang on ARM knew -mcpu=native before -march=native; what knows neither builds for its default.
_NATIVE = (("-march=native",), ("-mcpu=native",), ())
_VECTORS = (("__AVX512F__", "AVX-512"), ("__AVX2__", "AVX2"), ("__SSE2__", "SSE2"), ("__ARM_NEON", "NEON"))
_SECONDS = 600


class BuildError(RuntimeError):
    """Why there are no C kernels here, in words."""


@dataclass(frozen=True)
class Compiler:
    """A compiler that answered.

    Attributes:
        command: how to call it, with the flags for this machine.
        macros: what it predefines with these flags: its version, the instruction set and the platform.
    """

    command: tuple[str, ...]
    macros: str

    def macro(self, name: str) -> str | None:
        """Value of a predefined macro, None where it is not defined."""
        for line in self.macros.splitlines():
            if line.startswith(f"#define {name} "):
                return line.split(" ", 2)[2]
        return None

    def describe(self) -> str:
        """Name, version and instruction set: ``"gcc 12.2, AVX-512"``."""
        clang = self.macro("__clang_major__")
        name, major, minor = (
            ("clang", "__clang_major__", "__clang_minor__") if clang else ("gcc", "__GNUC__", "__GNUC_MINOR__")
        )
        vectors = next((words for macro, words in _VECTORS if self.macro(macro)), "no vector instructions")
        return f"{name} {self.macro(major)}.{self.macro(minor)}, {vectors}"

    def run(self, *arguments: str) -> str:
        """Call the compiler; its output.

        Raises:
            BuildError: if it cannot be started, fails or takes more than ten minutes; with its own words.
        """
        return _run((*self.command, *arguments))


def _run(command: tuple[str, ...]) -> str:
    """Output of a command; BuildError with its first error, else its last words, if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} did not run: {error}") from error
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if not line.startswith("collect2:")]
        words = next((line for line in lines if "error:" in line or "undefined" in line), " / ".join(lines[-3:]))
        raise BuildError(f"{command[0]} failed with status {done.returncode}: {words or 'it said nothing'}")
    return done.stdout


def _probe(command: tuple[str, ...]) -> Compiler:
    """Ask a compiler for its macros, with the first of the native flags that it knows."""
    reason = BuildError(f"{command[0]} was not tried")
    for native in _NATIVE:
        full = (*command, *_FLAGS, *_FLAGS_OF_SYMBOLS, *native)
        try:
            macros = _run((*full, "-dM", "-E", "-x", "c", os.devnull))
        except BuildError as error:
            reason = error
            continue
        if "__GNUC__" not in macros:
            raise BuildError(f"{command[0]} is no compiler like gcc or clang")
        return Compiler(full, macros)
    raise reason


def find_compiler() -> Compiler:
    """The first of $CC, cc, gcc and clang that answers.

    Raises:
        BuildError: if none is found, or none of those found works; with the reason of each.
    """
    reasons = []
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        named, reasons = [], [f"CC is {os.environ['CC']!r}: {error}"]
    for command in ([named] if named else []) + [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]) is None:
            continue
        try:
            return _probe(tuple(command))
        except BuildError as error:
            reasons.append(str(error))
    if reasons:
        raise BuildError(f"no C compiler works: {'; '.join(reasons)}; install gcc, or set CC")
    raise BuildError("no C compiler found (looked for $CC, cc, gcc, clang); install gcc, or set CC")
