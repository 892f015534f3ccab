"""How much memory a call needs at its peak, beyond what was there before it.

On a GPU: what PyTorch's allocator handed out. On a CPU: the high-water mark of the process's resident memory, because
it also sees what C code or a library takes for itself; Linux resets the mark on request. A measurement on a CPU belongs
into a fresh process (:mod:`hybrid_sbir.bench.child`): memory that a library kept from an earlier call would not count,
and :func:`large_blocks_apart` makes the process slower for good.
"""

import contextlib
import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_HIGH_WATER_MARK = "5"  # proc(5)
_M_MMAP_THRESHOLD, _M_MMAP_MAX = -3, -4  # mallopt(3)


class PeakMemory:
    """Measures from its creation on.

    Args:
        device: whose memory.

    Attributes:
        how: what is measured, in words.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.how = "allocated by PyTorch" if device.type == "cuda" else "resident in the process"
        self.restart()
        gpu = device.type == "cuda"
        self._before = torch.cuda.memory_allocated(device) if gpu else _resident("VmRSS")

    def restart(self) -> None:
        """Forget the peak, keep the level that it is measured from."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
        elif _RESET.exists():
            _give_back()
            _RESET.write_text(_RESET_HIGH_WATER_MARK)

    def mib(self) -> float | None:
        """The peak so far above the level at the beginning, in MiB; None where the system does not tell."""
        if self._before is None:
            return None
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return (torch.cuda.max_memory_allocated(self.device) - self._before) / 2**20
        peak = _resident("VmHWM")
        return None if peak is None else (peak - self._before) / 2**10


def large_blocks_apart() -> None:
    """Let the C library take each large block from the system and return it when it is freed, from now on.

    Otherwise what is resident follows from how it packs blocks into its heap, and differed by half between two settings
    of it; now it is what is in use. Without effect where the C library is not glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 50_000)  # below the number of mappings that Linux allows
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 16)


def peak_of(call: Callable[[], Any], device: torch.device) -> float | None:
    """Peak memory of one call beyond what is there, in MiB, its results included; None where it cannot be told."""
    peak = PeakMemory(device)
    result = call()
    mib = peak.mib()
    del result
    return mib


def _resident(name: str) -> int | None:
    """A number of the process's status, in KiB; None where there is none, or the mark cannot be reset."""
    if not _RESET.exists():
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) if found else None


def _give_back() -> None:
    """Let the C library return what was freed, or the next call would take it unseen."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc: the figure may then be too small
        ctypes.CDLL(None).malloc_trim(0)
