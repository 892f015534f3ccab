"""What something was measured on: the device, its driver, the versions, the threads, the implementation."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import torch

from hybrid_sbir import ops

_CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")
# What changes a run's speed or memory from outside.
_ENVIRONMENT = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "HYBRID_SBIR_OPS")


def devices() -> list[torch.device]:
    """Return every device that there is: the CPU and each CUDA GPU."""
    return [torch.device("cpu"), *(torch.device("cuda", i) for i in range(torch.cuda.device_count()))]


def choose_device(name: str = "") -> torch.device:
    """Find a device by its name, ``cpu``, ``cuda`` or ``cuda:N``; without one, a GPU where there is one.

    Raises:
        ValueError: if there is no such device; names those that there are.
    """
    there = devices()
    if not name:
        return there[1] if len(there) > 1 else there[0]
    wanted = "cuda:0" if name == "cuda" else name
    for device in there:
        if str(device) == wanted:
            return device
    raise ValueError(f"no device '{name}' here; there are: {', '.join(map(str, there))}")


@dataclass(frozen=True)
class Settings:
    """Where and with what something is measured, in a form that another process can take.

    Attributes:
        device: where.
        implementation: of the operators; empty leaves the choice to the package.
        threads: of PyTorch on the CPU.
        active: the implementation that runs with these settings.
    """

    device: torch.device
    implementation: str = ""
    threads: int = 1
    active: str = ""

    @classmethod
    def chosen(cls, device: str = "", implementation: str = "", threads: int = 0) -> "Settings":
        """Settings from options; 0 threads are as many as PyTorch takes by itself.

        Raises:
            ValueError: if there is no such device, the implementation does not run on it, or the threads are negative.
        """
        if threads < 0:
            raise ValueError(f"threads is {threads}; give 1 or more, or 0 for what PyTorch chooses")
        chosen = cls(choose_device(device), implementation, threads or torch.get_num_threads())
        try:
            with chosen.applied():
                found = ops.backend(chosen.device)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        if implementation not in ("", found.name):
            raise ValueError(f"'{implementation}' does not run on {chosen.device}; there it is {found}")
        return replace(chosen, active=found.name)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Compute with these settings; afterwards with the former ones."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            # A name that is none is refused there.
            with ops.using(cast(Any, self.implementation)) if self.implementation else nullcontext():
                yield
        finally:
            torch.set_num_threads(before)


def describe(device: torch.device) -> dict[str, Any]:
    """Return what results depend on, ready for JSON: date, device, CPU, versions, implementation and its reason."""
    backend = ops.backend(device)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": _device(device),
        "cpu": {"model": cpu_model(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "implementation": {"name": backend.name, "reason": backend.reason},
        "versions": versions(),
        "environment": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    }


def summary(machine: dict[str, Any]) -> str:
    """Say in one line what :func:`describe` found."""
    device, cpu, kept = machine["device"], machine["cpu"], machine["versions"]
    if device["type"] == "cuda":
        where = f"{device['name']} ({device['memory_gib']} GiB, driver {device['driver']}, CUDA {kept['cuda']})"
    else:
        where = f"{cpu['model']}, {cpu['threads']} of {cpu['cores']} cores"
    implementation = machine["implementation"]
    return f"{where}; PyTorch {kept['torch']}; operators: {implementation['name']}; {machine['date'][:10]}"


def versions() -> dict[str, str | None]:
    """Return the versions of what computes; None where it is not there."""
    found = {name: _version(name) for name in _CUPY}
    return {
        "hybrid-sbir": _version("hybrid-sbir"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cupy": next((f"{name} {number}" for name, number in found.items() if number), None),
        "compiler": compiler(),
        "driver": driver(),
    }


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, or the processor's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_model()


def compiler() -> str | None:
    """Return the first line that the machine's C compiler says of its version; None without a compiler."""
    command = shutil.which(os.environ.get("CC", "cc"))
    said = _say(command, "--version") if command else None
    return said.splitlines()[0] if said else None


def driver() -> str | None:
    """Return the version of the NVIDIA driver; None without one."""
    command = shutil.which("nvidia-smi")
    said = _say(command, "--query-gpu=driver_version", "--format=csv,noheader") if command else None
    return said.splitlines()[0].strip() if said else None


def _device(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"type": device.type, "name": device_name(device)}
    found = torch.cuda.get_device_properties(device)
    return {
        "type": "cuda",
        "name": found.name,
        "memory_gib": round(found.total_memory / 2**30, 1),
        "capability": f"{found.major}.{found.minor}",
        "driver": driver(),
        "tf32": {
            "convolutions": torch.backends.cudnn.allow_tf32,
            "products": torch.backends.cuda.matmul.allow_tf32,
        },
    }


def _say(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
