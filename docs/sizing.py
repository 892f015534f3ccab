"""How a search grows, as Markdown: what was measured, and what follows from it for more photos than were measured.

Every figure is read from experiments/benchmarks/search_growth.json or reckoned from it with :data:`ASSUMED`. Beyond the
largest catalogue measured, a quantity goes on with the power of the number of photos N that it had between the two
largest, value * (N / largest) ** power, but no less than :data:`LEAST`: small catalogues grow slower than large ones,
because part of their time is the same for all.
"""

import json
import math
from pathlib import Path
from typing import Any

JSON = Path(__file__).parents[1] / "experiments/benchmarks/search_growth.json"
BEYOND = (10**7, 10**8, 10**9)
ORDER = ("exact", "sq8", "hnsw", "hnsw_sq8", "ivf", "ivf_sq8")
LEAST = {  # a scan compares every photo; of about root N cells each holds as many; a build compares photos and cells
    "search": {"exact": 1.0, "sq8": 1.0, "ivf": 0.5, "ivf_sq8": 0.5},
    "build": dict.fromkeys(ORDER, 1.0) | {"ivf": 1.5, "ivf_sq8": 1.5},
}
BARE = "exact"  # nothing is built
MIB, GIB = 2**20, 2**30
ASSUMED = {"memory_gib": 64, "memory_share": 0.75, "cores": 8, "machine_hour": 0.50, "disk_gb_month": 0.08}
HOURS_A_MONTH = 730

Row = dict[str, Any]


def record() -> dict[str, Any]:
    """What the benchmark wrote."""
    return json.loads(JSON.read_text(encoding="utf-8"))


def rows(kind: str, origin: str = "grown") -> list[Row]:
    """The measurements of a kind of store, by size."""
    return sorted(
        (row for row in record()["results"][origin]["rows"] if row["kind"] == kind), key=lambda r: r["photos"]
    )


def memory(row: Row) -> float:
    """Bytes that a search wants in memory: FAISS's index, or for exact search the vectors."""
    return row["bytes"]["ann" if "ann" in row["bytes"] else "vectors"]


QUANTITIES = {
    "search": lambda row: row["cpu_ms"] / 1000,
    "build": lambda row: row["build_cpu_seconds"],
    "memory": memory,
    "disk": lambda row: sum(row["bytes"].values()),
}


def power(kind: str, quantity: str) -> float:
    """The power of N that a quantity grew with between the two largest catalogues."""
    small, large = rows(kind)[-2:]
    value = QUANTITIES[quantity]
    return math.log(value(large) / value(small)) / math.log(large["photos"] / small["photos"])


def onwards(kind: str, quantity: str) -> float:
    """The power of N that a quantity goes on with."""
    return max(power(kind, quantity), LEAST.get(quantity, {}).get(kind, 0.0))


def carried(kind: str, quantity: str, photos: float) -> float:
    """A quantity at a number of photos: s, or bytes."""
    large = rows(kind)[-1]
    return QUANTITIES[quantity](large) * (photos / large["photos"]) ** onwards(kind, quantity)


def reaches(kind: str, quantity: str, value: float) -> float:
    """The number of photos at which a quantity reaches a value."""
    large = rows(kind)[-1]
    return large["photos"] * (value / QUANTITIES[quantity](large)) ** (1 / onwards(kind, quantity))


def room() -> float:
    """Bytes of a machine's memory that vectors may take."""
    return ASSUMED["memory_gib"] * ASSUMED["memory_share"] * GIB


def machines(kind: str, photos: float) -> int:
    """How many machines hold a catalogue in memory."""
    return math.ceil(carried(kind, "memory", photos) / room())


def embedding_rate() -> float:
    """Photos a second of a core's own time."""
    return float(record()["embedding"]["photos_per_cpu_second"])


def measured(origin: str = "grown", up: str = "") -> str:
    """The table of what was measured."""
    head = "| photos | store | recall at 1, 10, 100 | search p50 / p95 | processor | effort | build | file | memory |"
    lines = [head, "|" + "--:|:--|" + "--:|" * 7]
    for row in record()["results"][origin]["rows"]:
        recall = ", ".join(f"{row['recall'][k]:.3f}" for k in ("1", "10", "100"))
        cells = [
            f"{row['photos']:,}",
            f"`{row['kind']}`",
            recall,
            f"{row['p50_ms']:.2f} / {row['p95_ms']:.2f} ms",
            f"{row['cpu_ms']:.2f} ms",
            str(row.get("effort", "")),
            seconds(row["build_cpu_seconds"]),
            size(row["bytes"]["ann"]) if "ann" in row["bytes"] else "",
            f"{row['anonymous_mib']:,}, {row['mapped_mib']:,} MiB",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def circumstances(origin: str = "grown", up: str = "") -> str:
    """Where it was measured, with how many queries, and what else the machine did."""
    found = record()["results"][origin]
    machine, loads = found["machine"], [load for row in found["rows"] for load in row["load"]]
    versions = machine["versions"]
    words = (
        f"{machine['cpu']['model']}, {machine['cpu']['cores']} cores; FAISS {versions['faiss']}, NumPy "
        f"{versions['numpy']}, PyTorch {versions['torch']}; {machine['date'][:10]}; {found['queries']} queries; "
        f"load of the machine {min(loads):g} to {max(loads):g}."
    )
    return " ".join([words, *found["notes"]])


def growth(up: str = "") -> str:
    """With which power of N each quantity grew between the two largest catalogues."""
    lines = ["| store | between | search | build | file |", "|:--|--:|--:|--:|--:|"]
    for kind in ORDER:
        powers = (power(kind, "search"), power(kind, "build") if kind != BARE else None, power(kind, "memory"))
        between = " and ".join(f"{row['photos']:,}" for row in rows(kind)[-2:])
        words = ["none" if each is None else f"N^{each:.2f}" for each in powers]
        lines.append(f"| `{kind}` | {between} | {' | '.join(words)} |")
    return "\n".join(lines)


def beyond(up: str = "") -> str:
    """What each kind needs beyond what was measured."""
    lines = [
        "| photos | store | search, one core | build, one core | memory | disk | machines | a month |",
        "|--:|:--|" + "--:|" * 6,
    ]
    for photos in BEYOND:
        for kind in ORDER:
            count = machines(kind, photos)
            cells = [
                f"10^{round(math.log10(photos))}",
                f"`{kind}`",
                seconds(carried(kind, "search", photos)),
                "none" if kind == BARE else seconds(carried(kind, "build", photos)),
                size(carried(kind, "memory", photos)),
                size(carried(kind, "disk", photos)),
                f"{count:,}",
                f"{month(count, carried(kind, 'disk', photos)):,.0f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def month(count: int, disk: float) -> float:
    """What machines and their disks cost a month."""
    return count * ASSUMED["machine_hour"] * HOURS_A_MONTH + disk / 1e9 * ASSUMED["disk_gb_month"]


def embedding_time(up: str = "") -> str:
    """How long photos take to embed, and what that costs."""
    found = record()["embedding"]
    hours = [photos / embedding_rate() / ASSUMED["cores"] / 3600 for photos in BEYOND]
    lines = [
        f"Measured: {embedding_rate():.0f} photos a second of a core's own time, {found['photos_per_second']:.0f} by "
        f"the clock with {found['threads']} of PyTorch's threads ({found['what']}; load of the machine "
        f"{found['load'][0]:g} to {found['load'][1]:g}).",
        "",
        f"| photos | one machine of {ASSUMED['cores']} cores | machines for a day | cost |",
        "|--:|--:|--:|--:|",
    ]
    for photos, time in zip(BEYOND, hours, strict=True):
        cost = time * ASSUMED["machine_hour"]
        cells = [f"10^{round(math.log10(photos))}", seconds(3600 * time), f"{math.ceil(time / 24):,}", f"{cost:,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def limits(up: str = "") -> str:
    """Up to how many photos each kind stays on one machine."""
    ms = (5, 50)
    day = 24 * 3600
    head = [f"search within {each} ms" for each in ms] + [f"in {room() / GIB:.0f} GiB", "built in a day"]
    lines = [f"| store | {' | '.join(head)} |", "|:--|" + "--:|" * len(head)]
    for kind in ORDER:
        found = [reaches(kind, "search", each / 1000) for each in ms]
        words = [*map(rounded, found), rounded(reaches(kind, "memory", room()))]
        words.append("nothing is built" if kind == BARE else rounded(reaches(kind, "build", day)))
        lines.append(f"| `{kind}` | {' | '.join(words)} |")
    return "\n".join(lines)


def assumptions(up: str = "") -> str:
    """What is assumed, in words."""
    a = ASSUMED
    return (
        f"a machine has {a['cores']} cores and {a['memory_gib']} GiB of memory, of which vectors may take "
        f"{a['memory_share']:.0%}; it costs {a['machine_hour']:.2f} an hour, a GB of disk "
        f"{a['disk_gb_month']:.2f} a month"
    )


def seconds(value: float) -> str:
    """A time in its unit, two digits; from 1 s on none is in milliseconds."""
    for unit, length in (("years", 365 * 86400), ("days", 86400), ("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3)):
        if value >= (0.995 if unit == "s" else 1.995) * length or unit == "ms":
            return f"{_two(value / length)} {unit}"
    raise AssertionError


def size(value: float) -> str:
    """Bytes in their unit, two digits."""
    for unit, length in (("TiB", 2**40), ("GiB", GIB), ("MiB", MIB), ("KiB", 2**10)):
        if value >= length or unit == "KiB":
            return f"{_two(value / length)} {unit}"
    raise AssertionError


def rounded(count: float) -> str:
    """A number of photos, two digits; so many that nothing ends there are no number."""
    return "over 10^12" if count > 1e12 else f"{float(f'{count:.2g}'):,.0f}"


def _two(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


ANSWERS = {"measured": measured, "growth": growth, "beyond": beyond, "embedding": embedding_time, "limits": limits}
ANSWERS |= {"assumptions": assumptions, "circumstances": circumstances}
