"""``hybrid-sbir bench ops``: each operator and block, forward and backward, beside the published layout."""

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from hybrid_sbir.bench import goals
from hybrid_sbir.bench.machine import Settings, describe, summary
from hybrid_sbir.bench.operators import Contender
from hybrid_sbir.bench.options import choose_dtypes, choose_sizes, words
from hybrid_sbir.bench.page import operator_table, write_json
from hybrid_sbir.bench.race import race
from hybrid_sbir.bench.sizes import OPERATORS, Size
from hybrid_sbir.bench.timing import Clock, copy_bandwidth
from hybrid_sbir.bench.workload import BLOCKS, CHANNELS_LAST, STORED, Task

_SIZES = {"cpu": "14:256,28:256", "cuda": "56:64,28:128,14:256,7:512"}
_BATCH = {"cpu": 8, "cuda": 64}
_ROUNDS = {"cpu": 10, "cuda": 50}
_CONTENDERS: list[Contender] = ["ours", CHANNELS_LAST, STORED, "published"]


def ops(
    device: str = "",
    batch: int | None = None,
    sizes: str = "",
    dtypes: str = "float32",
    kernel_size: int = 7,
    only: str = "",
    rounds: int | None = None,
    compiled: bool = False,
    memory: bool = True,
    implementation: str = "",
    threads: int = 0,
    out: Path | None = None,
) -> dict[str, Any]:
    """Measure the operators and SAN blocks beside the published layout, in one run, the contenders taking turns.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``; by default a GPU where there is one.
        batch: samples of a batch; by default 8 on a CPU, 64 on a GPU.
        sizes: ``SIDE:CHANNELS`` of each map; channels are the aggregated ones, a quarter of
            the block's. By default ``14:256,28:256`` on a CPU, on a GPU SAN's stages: ``56:64,28:128,14:256,7:512``.
        dtypes: floating types, as in ``float32,bfloat16``; a block runs under autocast to the type.
        kernel_size: side of the window.
        only: operators and blocks, as in ``aggregation,pairwise_block``; by default all.
        rounds: how often each contender comes; by default 10 on a CPU, 50 on a GPU.
        compiled: also measure ``torch.compile`` of the definition; compiling takes about a minute each on a CPU.
        memory: also measure peak memory; on a CPU each in a process of its own.
        implementation: ``cupy``, ``c`` or ``torch`` instead of the fastest.
        threads: of PyTorch on the CPU; by default as many as it takes by itself.
        out: a JSON file for every figure.
    """
    settings = Settings.chosen(device, implementation, threads)
    kind = settings.device.type
    rounds = _ROUNDS[kind] if rounds is None else rounds
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; it must be at least 1")
    places = choose_sizes(sizes or _SIZES[kind], _BATCH[kind] if batch is None else batch)
    record = measure(
        settings,
        words("operator or block", only, (*OPERATORS, *BLOCKS)),
        [Size(*place, kernel_size) for place in places],
        choose_dtypes(dtypes),
        [*_CONTENDERS, "compiled"] if compiled else _CONTENDERS,
        rounds,
        memory,
    )
    print(report(record))
    if out is not None:
        write_json(out, record)
    return record


def measure(
    settings: Settings,
    names: Sequence[str],
    sizes: Sequence[Size],
    dtypes: Sequence[torch.dtype] = (torch.float32,),
    contenders: Sequence[Contender] = ("ours", "published"),
    rounds: int = 10,
    memory: bool = False,
) -> dict[str, Any]:
    """Measure operators and blocks by ``names``; what each argument is, :func:`ops` says.

    Returns:
        The machine, the copy's bandwidth and a row for each name, size, type and contender, ready for JSON.
    """
    rows: list[dict[str, Any]] = []
    with settings.applied():
        clock = Clock(settings.device)
        copy = copy_bandwidth(clock)
        for name, size, dtype in product(names, sizes, dtypes):
            print(f"measuring {name} at {size}, {str(dtype)[6:]}", file=sys.stderr, flush=True)
            taking_part = [each for each in contenders if each != STORED or name in BLOCKS]
            tasks = [Task(name, contender, size, dtype) for contender in taking_part]
            rows += race(tasks, settings, clock, rounds, copy, memory)
        machine = describe(settings.device)
    return {"machine": machine, "rounds": rounds, "copy_bytes_per_second": copy, "rows": rows}


def report(record: dict[str, Any]) -> str:
    """The record of :func:`ops` as a text: the machine, the table, the goals."""
    head = [summary(record["machine"]), f"copy: {record['copy_bytes_per_second'] / 1e9:.1f} GB/s, read and written"]
    return "\n".join([*head, "", *operator_table(record["rows"]), "", *goals.of_operators(record)])
