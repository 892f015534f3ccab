"""Learning curves of runs: metrics.csv, a row an epoch."""

import csv
import io
from pathlib import Path


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read a run's metrics.csv; a run that only evaluates has none, and so no rows.

    Returns:
        A dictionary an epoch; a column that has no value in an epoch is left out of it.

    Raises:
        ValueError: if it is damaged.
        OSError: if it cannot be read.
    """
    if not path.is_file():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True))
        return [{name: float(value) for name, value in row.items() if value not in ("", None)} for row in rows]
    except (ValueError, TypeError, csv.Error) as e:
        raise ValueError(f"{path.name} beside it: {e}") from e
