"""What the project set out to reach, and the figures that reach or miss it."""

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]

# Each is set for a size, and says nothing of others: on a CPU that of an aggregation, on a GPU that of a batch.
AGGREGATION = {"batch": 8, "channels": 256, "kernel_size": 7}
TIMES_FASTER_ON_CPU, EXTRA_MIB_ON_CPU = 15, 60
GPU_BATCH = 64
SHARE_OF_COPY, FROM_SIDE = 0.7, 28
BLOCK_TIMES_FASTER, BLOCK_SHARE_OF_MEMORY = 3, 0.25

# Time of a training step over ResNet26's.
SIDE_AND_BATCH = {"cuda": (224, 64), "cpu": (128, None)}
RELATIVE_TRAINING = {
    "cuda": {"san10_pair": 1.6, "san10_patch": 1.4, "hib_pair_2_2": 1.15, "hib_patch_2_2_nl": 1.05},
    "cpu": {"san10_pair": 2.5, "san10_patch": 2.0, "hib_pair_2_2": 1.3, "hib_patch_2_2": 1.3},
}


def of_backbones(rows: list[Row]) -> list[str]:
    """Lines on the goals that measured backbones speak of."""
    lines = []
    for row in rows:
        job, kind = row["job"], row["machine"]["device"]["type"]
        side, batch = SIDE_AND_BATCH[kind]
        goal = RELATIVE_TRAINING[kind].get(job["backbone"])
        if goal is None or job["published"] or job["size"] != side or batch not in (None, job["batch"]):
            continue
        ratio = row["train"]["relative"]["median"]
        reached = "reached" if ratio <= goal else "not reached"
        lines.append(f"- {job['backbone']}: {ratio:.2f} times ResNet26's training step (goal {goal}: {reached})")
    return lines


def of_operators(record: dict[str, Any]) -> list[str]:
    """Lines on the goals that the rows of an operator benchmark speak of, in the order of the rows."""
    rows = record["rows"]
    published = {_place(row): row for row in rows if row["contender"] == "published"}
    own = [row for row in rows if row["contender"].startswith("ours")]
    judge = _on_gpu if record["machine"]["device"]["type"] == "cuda" else _on_cpu
    return [line for row in own for line in judge(row, published.get(_place(row), {}))]


def _place(row: Row) -> tuple[Any, ...]:
    return row["name"], row["dtype"], *(row["size"][name] for name in ("side", "channels", "batch", "kernel_size"))


def _on_cpu(row: Row, published: Row) -> Iterator[str]:
    if row["name"] != "aggregation" or any(row["size"][name] != number for name, number in AGGREGATION.items()):
        return
    ratio, peak = row["times_as_fast_as_published"], row["peak_mib"]
    if ratio is not None:
        yield _line(
            row, f"{ratio:.1f} times as fast as unfold + einsum", TIMES_FASTER_ON_CPU, ratio >= TIMES_FASTER_ON_CPU
        )
    if peak is not None:
        yield _line(row, f"{peak:.1f} MiB extra", f"below {EXTRA_MIB_ON_CPU}", peak < EXTRA_MIB_ON_CPU)


def _on_gpu(row: Row, published: Row) -> Iterator[str]:
    if row["size"]["batch"] != GPU_BATCH:
        return
    if row["share_of_copy"] and row["size"]["side"] >= FROM_SIDE:
        for way, share in row["share_of_copy"].items():
            words = f"{way} {100 * share:.0f} % of the copy's bandwidth"
            yield _line(row, words, f"{100 * SHARE_OF_COPY:.0f} %", share >= SHARE_OF_COPY)
    if not row["name"].endswith("block"):
        return
    ratio = row["times_as_fast_as_published"]
    if ratio is not None:
        words = f"{ratio:.2f} times as fast as the published layout"
        yield _line(row, words, BLOCK_TIMES_FASTER, ratio >= BLOCK_TIMES_FASTER)
    if row["peak_mib"] is not None and published.get("peak_mib"):
        share = row["peak_mib"] / published["peak_mib"]
        yield _line(row, f"{share:.2f} of its memory", BLOCK_SHARE_OF_MEMORY, share <= BLOCK_SHARE_OF_MEMORY)


def _line(row: Row, figure: str, goal: object, reached: bool) -> str:
    size = row["size"]
    where = f"{row['name']}, {size['side']} x {size['side']} x {size['channels']}, {row['dtype']}, {row['contender']}"
    return f"- {where}: {figure} (goal {goal}: {'reached' if reached else 'not reached'})"
