"""How long something takes: one call at a time, the contenders taking turns, so that a machine's mood meets them all.

On a GPU the time is that between two events on the stream. The stream is first kept busy for longer than it takes to
enqueue the call, so that the call's own work is timed and not Python's; a large buffer is cleared before each call, so
that no call finds its input in the cache. On a CPU it is the wall clock, and caches are as the previous call left them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any, TypeVar

import torch

Call = Callable[[], Any]
Name = TypeVar("Name")
_COPY_BYTES = 256 << 20  # larger than the caches of today's processors and GPUs
_CYCLES_PER_SECOND = 2.0e9  # of a GPU, about; only how long it is kept busy depends on it


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one kind of call.

    Attributes:
        median: half of the calls took longer.
        low: a quarter took less.
        high: a quarter took more.
        least: the fastest call.
        calls: how many there were.
    """

    median: float
    low: float
    high: float
    least: float
    calls: int

    @classmethod
    def of(cls, milliseconds: list[float]) -> "Timing":
        """Sum up the times of at least one call."""
        low, _, high = quantiles(milliseconds, n=4, method="inclusive") if len(milliseconds) > 1 else milliseconds * 3
        return cls(median(milliseconds), low, high, min(milliseconds), len(milliseconds))

    def record(self) -> dict[str, float]:
        """Return the numbers, ready for JSON."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


class Clock:
    """Times single calls on a device.

    Args:
        device: what the calls run on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            self._buffer = torch.empty(_COPY_BYTES, dtype=torch.uint8, device=device)
            self._enqueueing: dict[Any, float] = {}

    def milliseconds(self, call: Call, key: Any = None) -> tuple[float, Any]:
        """Time ``call`` and return what it returned too; ``key`` names calls of one kind."""
        if self.device.type == "cuda":
            return self._on_gpu(call, key)
        start = time.perf_counter()
        result = call()
        return (time.perf_counter() - start) * 1e3, result

    def _on_gpu(self, call: Call, key: Any) -> tuple[float, Any]:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.device(self.device):
            torch.cuda._sleep(int(_CYCLES_PER_SECOND * self._enqueueing.get(key, 1e-3)))
            self._buffer.zero_()
            start.record()
            begun = time.perf_counter()
            result = call()
            # At first twice what it took to enqueue; a call that waits for the GPU itself does not raise it for ever.
            self._enqueueing[key] = min(2 * (time.perf_counter() - begun), 0.02)
            end.record()
            end.synchronize()
        return start.elapsed_time(end), result


def wall_clock(call: Call, device: torch.device) -> float:
    """Milliseconds from an idle device to an idle device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) * 1e3


def take_turns(calls: Mapping[Name, Callable[[], list[float]]], rounds: int) -> dict[Name, list[list[float]]]:
    """Let the contenders take turns, every second round in the opposite order.

    Args:
        calls: name -> a function that runs the contender's steps once and returns the milliseconds of each.
        rounds: how often each comes.

    Returns:
        name -> for each step, its milliseconds in every round.
    """
    times: dict[Name, list[list[float]]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls) if number % 2 == 0 else reversed(list(calls)):
            times[name].append(calls[name]())
    return {name: [list(step) for step in zip(*rows, strict=True)] for name, rows in times.items()}


def copy_bandwidth(clock: Clock, rounds: int = 20) -> float:
    """Bytes a second, read and written, of a copy of 256 MiB on the device: the median of ``rounds``."""
    source = torch.ones(_COPY_BYTES // 4, device=clock.device)
    target = torch.zeros_like(source)
    times = [clock.milliseconds(lambda: target.copy_(source), "copy")[0] for _ in range(rounds + 2)][2:]
    return 2 * _COPY_BYTES / (median(times) / 1e3)
