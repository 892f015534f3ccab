"""The contenders of one task: peak memory one after the other, then time, taking turns."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from operator import truediv
from statistics import median
from typing import Any

import torch

from hybrid_sbir.bench.child import ChildKilledError, in_a_child
from hybrid_sbir.bench.machine import Settings
from hybrid_sbir.bench.sizes import bytes_moved
from hybrid_sbir.bench.timing import Clock, Timing, take_turns
from hybrid_sbir.bench.workload import BLOCKS, Task, Workload, peak_memory

Row = dict[str, Any]
_WARM_UP = 2


def race(tasks: list[Task], settings: Settings, clock: Clock, rounds: int, copy: float, memory: bool) -> list[Row]:
    """Measure what differs only in its contender.

    Args:
        tasks: one a contender.
        settings: where and with what; already applied.
        clock: what times.
        rounds: how often each contender comes.
        copy: bytes a second of a copy in the same run.
        memory: also measure peak memory.

    Returns:
        A row for each task, ready for JSON. A contender that does not run here has its error in ``failed``; the
        package's own must run.
    """
    rows, runners = {}, {}
    for task in tasks:
        rows[task] = _named(task)
        with _may_fail(task, rows[task]):
            if memory:
                rows[task]["peak_mib"] = _peak(task, settings)
            runners[task] = _warm(Workload(task, settings.device))
    times = take_turns({task: partial(runner.timed, clock) for task, runner in runners.items()}, rounds)
    published = next((times[task] for task in times if task.contender == "published"), None)
    for task, milliseconds in times.items():
        rows[task] |= _figures(task, milliseconds, copy)
        if published is not None:
            rows[task]["times_as_fast_as_published"] = round(_ratio(published, milliseconds), 3)
    return list(rows.values())


def _named(task: Task) -> Row:
    size = {**asdict(task.size), "letters": task.size.letters}
    names = {"name": task.name, "contender": task.contender, "size": size, "dtype": str(task.dtype)[6:]}
    empty = ("forward_ms", "backward_ms", "bytes", "share_of_copy", "times_as_fast_as_published", "peak_mib", "failed")
    return names | dict.fromkeys(empty)


@contextmanager
def _may_fail(task: Task, row: Row) -> Iterator[None]:
    """Write the failure of a contender that is not the package's own into its row."""
    try:
        yield
    except RuntimeError as error:
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        if not task.contender.startswith("ours"):
            row["failed"] = words
        elif isinstance(error, ChildKilledError | torch.OutOfMemoryError):
            raise ValueError(f"{task}: {words}") from error
        else:
            raise


def _peak(task: Task, settings: Settings) -> float | None:
    gpu = settings.device.type == "cuda"
    peak = peak_memory(task, settings) if gpu else in_a_child(peak_memory, task, settings)
    return None if peak is None else round(peak, 2)


def _warm(runner: Workload) -> Workload:
    for _ in range(_WARM_UP):
        runner.both()
    return runner


def _figures(task: Task, times: list[list[float]], copy: float) -> Row:
    """Timings of both passes; of an operator also what it must move, as a share of the copy's bandwidth."""
    forward, backward = (Timing.of(step) for step in times)
    row: Row = {"forward_ms": forward.record(), "backward_ms": backward.record()}
    if task.name not in BLOCKS:
        element = torch.empty(0, dtype=task.dtype).element_size()
        moved = bytes_moved(task.name, task.size, element)
        seconds = (forward.median / 1e3, backward.median / 1e3)
        shares = [round(count / time / copy, 4) for count, time in zip(moved, seconds, strict=True)]
        row["bytes"] = dict(zip(("forward", "backward"), moved, strict=True))
        row["share_of_copy"] = dict(zip(("forward", "backward"), shares, strict=True))
    return row


def _ratio(baseline: list[list[float]], own: list[list[float]]) -> float:
    """Median over the rounds of how many times as long the baseline took, forward and backward together."""
    totals = [[sum(steps) for steps in zip(*times, strict=True)] for times in (baseline, own)]
    return median(map(truediv, *totals))
