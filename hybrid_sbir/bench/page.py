"""What was measured, as text: Markdown tables that read well in a terminal too, and JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybrid_sbir.durable import write_durably

_OPERATOR_COLUMNS = (
    "operator",
    "map",
    "batch",
    "type",
    "contender",
    "forward ms",
    "backward ms",
    "times published",
    "copy share fwd",
    "copy share bwd",
    "peak MiB",
)
_LEFT = {"operator", "map", "type", "contender", "backbone", "layout"}


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table with its columns aligned; numbers to the right."""
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    left = [name in _LEFT for name in columns]
    rule = ["-" * width if to_left else "-" * (width - 1) + ":" for width, to_left in zip(widths, left, strict=True)]
    lines = [columns, rule, *rows]
    return [
        "| "
        + " | ".join(f"{c:<{w}}" if to_left else f"{c:>{w}}" for c, w, to_left in zip(line, widths, left, strict=True))
        + " |"
        for line in lines
    ]


def write_json(path: Path, record: Any) -> None:
    """Write a record as JSON, whole or not at all; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())


def operator_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows of operators and blocks as a Markdown table."""
    return markdown(_OPERATOR_COLUMNS, [_operator_row(row) for row in rows])


def _operator_row(row: dict[str, Any]) -> list[str]:
    size = row["size"]
    names = [row["name"], f"{size['side']} x {size['side']} x {size['channels']}", str(size["batch"]), row["dtype"]]
    if row["failed"]:
        return [*names, row["contender"], "failed", *["-"] * 5]
    ratio, peak, share = row["times_as_fast_as_published"], row["peak_mib"], row["share_of_copy"]
    return [
        *names,
        row["contender"],
        spread(row["forward_ms"]),
        spread(row["backward_ms"]),
        "-" if ratio is None else f"{ratio:.2f}",
        *("-" if share is None else f"{100 * share[way]:.1f} %" for way in ("forward", "backward")),
        "-" if peak is None else f"{peak:.1f}",
    ]


def spread(timing: dict[str, float]) -> str:
    """A median with its quartiles, in three significant digits: ``12.3 (12.1-12.9)``."""
    return "{} ({}-{})".format(*(digits(timing[name]) for name in ("median", "low", "high")))


def digits(value: float) -> str:
    """A number in three significant digits, without an exponent."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"
