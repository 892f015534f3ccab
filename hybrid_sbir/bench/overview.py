"""``hybrid-sbir bench``: which implementation of the attention runs on each device and why, and how fast."""

from pathlib import Path
from typing import Any

from hybrid_sbir import ops
from hybrid_sbir.bench.machine import Settings, choose_device, device_name, devices, versions
from hybrid_sbir.bench.operator_bench import measure, report
from hybrid_sbir.bench.page import write_json
from hybrid_sbir.bench.sizes import OPERATORS, Size

_SIZE = {"cpu": Size(batch=8, side=14, channels=256), "cuda": Size(batch=64, side=28, channels=128)}


def bench(device: str = "", rounds: int = 5, out: Path | None = None) -> dict[str, Any]:
    """Say for each device which implementation of the attention runs there and why; then time the operators briefly.

    More sizes, types and peak memory: ``hybrid-sbir bench ops``. Whole backbones: ``hybrid-sbir bench models``.

    Args:
        device: only this one, ``cpu``, ``cuda`` or ``cuda:N``; by default every one that there is.
        rounds: how often each operator is timed; 0 leaves the timing out.
        out: a JSON file for every figure.
    """
    chosen = [choose_device(device)] if device else devices()
    if rounds < 0:
        raise ValueError(f"rounds is {rounds}; give 1 or more, or 0 for no timing")
    found = versions()
    print("; ".join(f"{name} {number or 'not there'}" for name, number in found.items()), flush=True)
    record: dict[str, Any] = {"versions": found, "devices": {}}
    for each in chosen:
        backend = ops.backend(each)
        print(f"{each} ({device_name(each)}): {backend}", flush=True)
        record["devices"][str(each)] = {"implementation": backend.name, "reason": backend.reason}
    for each in chosen if rounds else []:
        measured = measure(Settings.chosen(str(each)), list(OPERATORS), [_SIZE[each.type]], rounds=rounds)
        print(f"\n{report(measured)}")
        record["devices"][str(each)] |= measured
    if out is not None:
        write_json(out, record)
    return record
