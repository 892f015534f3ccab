"""Where a result comes from: versions, source revision, hardware."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

_PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy", "pillow", "hybrid-sbir")


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that results depend on; None where one is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def revision(file: Path) -> dict[str, Any] | None:
    """Return the commit of the repository that tracks ``file``, and whether anything differs; None if none does.

    A package installed into an environment inside somebody's repository is not tracked by that.
    """
    folder = file.parent
    if _git(folder, "ls-files", "--error-unmatch", file.name) is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": bool(changes)}


def device(trainer: Trainer) -> dict[str, Any]:
    """Return what the run computes on."""
    root = trainer.strategy.root_device
    name = torch.cuda.get_device_name(root) if root.type == "cuda" else platform.processor() or platform.machine()
    return {
        "type": root.type,
        "name": name,
        "processes": trainer.world_size,
        "nodes": trainer.num_nodes,
        "precision": str(trainer.precision),
        "threads": torch.get_num_threads(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
