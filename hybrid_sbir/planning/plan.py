"""``hybrid-sbir plan``: what a table will cost here, from a few real steps of each kind of run.

Seconds are those of a clock on the wall: on a busy machine they are more, here as in the table itself. How much of them
this process computed is said where it is little.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hybrid_sbir.callbacks.step_clock import Pace
from hybrid_sbir.planning.measure import Measured, Sampler
from hybrid_sbir.planning.rows import Preset, choose_rows, find_table
from hybrid_sbir.planning.steps import Call, calls

_IMPORTS_S = 5.0
"""Python and PyTorch start anew for each call; measured steps are taken in one process."""
_BUSY = 0.7
"""A share of computing below which other processes hold a run up; loading and waiting take some of it anyway."""


@dataclass(frozen=True)
class Cost:
    """What one run costs.

    Attributes:
        run: its folder.
        seconds: of all its calls.
        disk: bytes that it leaves.
        idle: seconds in which it computes itself: what it takes where nothing else runs.
        epochs: it trains.
        steps: batches an epoch.
        step_s: seconds a step.
    """

    run: Path
    seconds: float
    disk: int
    idle: float
    epochs: int = 0
    steps: int = 0
    step_s: float = 0.0


def plan(
    table: str,
    preset: Preset = "quick",
    seeds: list[int] | None = None,
    variants: list[str] | None = None,
    make: str = "make",
    steps: int = 4,
) -> list[str]:
    """Estimate hours and disk of a table before anything is started, from a few steps of each kind of run.

    Only what is still to be done is counted, a run that was begun as a whole. Each backbone, size and batch is measured
    once, on the prepared data. Without a GPU, batches of images larger than 128 pixels are measured with 16 samples.

    Args:
        table: table-4.1, table-4.2, table-4.3, table-4.4, table-4.4-ablation, or the file of a table's definition.
        preset: quick (two cores) or thesis (its regime).
        seeds: one run each; 0 if not given.
        variants: names of rows; by default those of the preset.
        make: how to call make, with further settings: "make DATA=/data DEVICES=4".
        steps: training batches to time of each kind, after one that is not counted.

    Returns:
        The estimate, a line a run.

    Raises:
        ValueError: if the table or a variant is unknown, or the data is not prepared.
    """
    found = find_table(table)
    chosen = choose_rows(found, preset, variants, seeds or [0])
    names = list(dict.fromkeys(row for row, _ in chosen))
    settings = [f"PRESET={preset}", f"SEEDS={' '.join(map(str, seeds or [0]))}", f"VARIANTS={' '.join(names)}"]
    todo = calls(found.target, make, settings)
    if not todo:
        return [f"{found.target} {preset}: nothing is left to do, all {len(chosen)} rows are finished"]
    with tempfile.TemporaryDirectory(prefix="hybrid_sbir_plan_") as folder:
        costs, remarks = _costs(todo, Sampler(Path(folder), steps))
    return [*_lines(f"{found.target} {preset}", costs), *remarks]


def _costs(todo: list[Call], sampler: Sampler) -> tuple[list[Cost], list[str]]:
    """Measure one call of each kind, and add up each run's calls."""
    kinds: dict[tuple[str, ...], tuple[Path, Measured]] = {}
    trained: dict[Path, Measured] = {}
    costs: dict[Path, list[Cost]] = {}
    for call in todo:
        if call.verb == "validate" and call.run in trained and call.option("--runs"):
            costs[call.run].append(_validated(call, trained[call.run].pace))
            continue
        if call.kind in kinds:
            first, measured = kinds[call.kind]
            if call.verb == "fit":
                sampler.same(call, first)
        else:
            print(f"measuring {call.verb} {call.run}", file=sys.stderr, flush=True)
            measured = sampler.measure(call)
            kinds[call.kind] = call.run, measured
        if call.verb == "fit":
            trained[call.run] = measured
        costs.setdefault(call.run, []).append(_cost(call, measured))
    few = sorted({m.batch for _, m in kinds.values() if m.batch})
    return [_sum(each) for each in costs.values()], [f"measured with batches of {n}: no GPU here" for n in few]


def _cost(call: Call, measured: Measured) -> Cost:
    pace = measured.pace
    seconds = _IMPORTS_S + pace.seconds
    return Cost(call.run, seconds, measured.disk, seconds * pace.computing, pace.epochs, pace.steps, pace.step_s)


def _validated(call: Call, pace: Pace) -> Cost:
    """The validation of a run that was measured while it trained."""
    seconds = _IMPORTS_S + pace.start_s + pace.evaluation_s
    return Cost(call.run, seconds, 0, seconds * pace.computing)


def _sum(costs: list[Cost]) -> Cost:
    total = [sum(each) for each in zip(*((c.seconds, c.disk, c.idle) for c in costs), strict=True)]
    first = costs[0]
    return Cost(first.run, total[0], int(total[1]), total[2], first.epochs, first.steps, first.step_s)


def _lines(title: str, costs: list[Cost]) -> list[str]:
    """One line a run, and the sum."""
    whole = _sum(costs)
    busy = whole.idle < _BUSY * whole.seconds
    width = max(len(str(cost.run)) for cost in costs)
    body = [
        f"  {cost.run!s:{width}}  {_time(cost.seconds)}"
        + (f"  computing {_time(cost.idle)}" if busy else "")
        + f"  {cost.disk / 1e6:8.1f} MB"
        + (f"  {cost.epochs} epochs x {cost.steps} steps x {cost.step_s:.3f} s" if cost.epochs else "")
        for cost in costs
    ]
    total = f"{title}: {len(costs)} run{'s' * (len(costs) > 1)}, {_time(whole.seconds).strip()} one after the other"
    idle = f"the machine is busy: {_time(whole.idle).strip()} of it is computing, which is what an idle one takes"
    return [*body, f"{total}, {whole.disk / 1e9:.2f} GB on disk", *([idle] if busy else [])]


def _time(seconds: float) -> str:
    return f"{seconds / 3600:8.2f} h" if seconds >= 3600 else f"{seconds / 60:6.1f} min"
