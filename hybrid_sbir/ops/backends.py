"""Which implementation runs the operators on a device, and why.

``"cupy"``: CUDA kernels launched through CuPy. ``"c"``: C kernels for the CPU, built on first use. ``"torch"``: plain
PyTorch, for every other device and wherever the faster one cannot run.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any, Literal, get_args

import torch

from hybrid_sbir.ops import composed, shifted, shifted_relations

Name = Literal["cupy", "c", "torch"]

VARIABLE = "HYBRID_SBIR_OPS"

_FASTEST: dict[str, Name] = {"cuda": "cupy", "cpu": "c"}
_COMPOSED = [
    f"{name}{way}" for name in ("pair_moments", "pair_attention", "patch_attention") for way in ("", "_backward")
]


@dataclass(frozen=True)
class Backend:
    """The implementation in use.

    Attributes:
        name: ``"cupy"``, ``"c"`` or ``"torch"``.
        reason: why this one, in words.
    """

    name: Name
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def backend(device: str | torch.device = "cpu") -> Backend:
    """Say which implementation runs the operators on ``device``, and why.

    The fastest that works is taken, unless the environment variable ``HYBRID_SBIR_OPS`` or :func:`using` names another.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Raises:
        ValueError: if ``HYBRID_SBIR_OPS`` names no implementation.
    """
    device = torch.device(device)
    fastest, chosen = _FASTEST.get(device.type, "torch"), _chosen()
    if fastest == "torch":
        return Backend("torch", f"there are no kernels for devices of type '{device.type}'")
    if chosen == "torch":
        return Backend("torch", "chosen by name")
    works, reason = _available(fastest, _index(device))
    return Backend(fastest, reason) if works else Backend("torch", reason)


@contextmanager
def using(name: Name) -> Iterator[None]:
    """Run the operators with the named implementation inside a ``with`` block, where the device has it.

    Raises:
        ValueError: if there is no such implementation.
        RuntimeError: if it cannot run on this machine; the message says why.
    """
    if name not in get_args(Name):
        raise ValueError(f"no implementation '{name}'; there are {', '.join(get_args(Name))}")
    if name != "torch":
        device = next(kind for kind, fastest in _FASTEST.items() if fastest == name)
        works, reason = _available(name, _index(torch.device(device)))
        if not works:
            raise RuntimeError(f"the implementation '{name}' cannot run here: {reason}")
    _overrides.append(name)
    try:
        yield
    finally:
        _overrides.remove(name)


_overrides: list[Name] = []


def _chosen() -> Name | Literal["auto"]:
    if _overrides:
        return _overrides[-1]
    value = os.environ.get(VARIABLE) or "auto"
    for name in ("auto", *get_args(Name)):
        if value == name:
            return name
    raise ValueError(f"{VARIABLE} is '{value}'; it must be auto, {', '.join(get_args(Name))}")


def _index(device: torch.device) -> int:
    """Number of a GPU; 0 for the CPU."""
    if device.index is not None or device.type != "cuda":
        return device.index or 0
    return torch.cuda.current_device() if torch.cuda.is_available() else 0


@cache
def _available(name: Name, index: int) -> tuple[bool, str]:
    """Whether an implementation can run, and why (not)."""
    if name == "c":
        from hybrid_sbir.ops.kernels.cpu import build

        return build.available()
    if not torch.cuda.is_available():
        return False, "PyTorch sees no CUDA device"
    from hybrid_sbir.ops.kernels.cuda import launch

    return launch.available(index)


def operator(name: str, device: torch.device) -> Callable[..., Any]:
    """The function that runs an operator (or ``NAME_backward``) on ``device``; warns once if it is not the fastest."""
    found = backend(device)
    if found.name == "torch" and device.type in _FASTEST and found.reason != "chosen by name":
        _warn(device.type, found.reason)
    return _functions(found.name)[name]


@cache
def _warn(device_type: str, reason: str) -> None:
    warnings.warn(
        f"attention on '{device_type}' runs in plain PyTorch, several times slower than with the kernels: {reason}",
        stacklevel=4,
    )


@cache
def _functions(name: Name) -> dict[str, Callable[..., Any]]:
    """An implementation's operators by name; what it does not have itself is composed of what it has."""
    primitives = _primitives(name)
    return {name: partial(getattr(composed, name), primitives) for name in _COMPOSED} | vars(primitives)


def _primitives(name: Name) -> Any:
    if name == "c":
        from hybrid_sbir.ops.kernels.cpu import implementation as c

        return c
    if name == "cupy":
        from hybrid_sbir.ops.kernels.cuda import implementation as cupy

        return cupy
    both = ModuleType("torch implementation")
    vars(both).update(vars(shifted) | vars(shifted_relations))
    return both
