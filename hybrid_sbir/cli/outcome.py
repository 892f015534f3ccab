"""What is printed when a verb has ended: scores a line a set of samples, where the run lies, what comes next."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

_NOT_SHARES = ("loss",)
_ORDER = ("top1", "top5", "map", "mrr", "p10", "loss")


def score_lines(metrics: Mapping[str, float]) -> list[str]:
    """Put scores logged as ``SET/NAME`` or ``SET/GROUP_NAME`` into a line a set and group; shares in percent."""
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for logged, value in metrics.items():
        part, _, name = logged.rpartition("/")
        group, _, metric = name.rpartition("_")
        rows[f"{part} {group}".strip()][metric] = float(value)
    width = max(map(len, rows), default=0)
    return [
        f"{row:{width}}  {'  '.join(_shown(name, scores[name]) for name in _sorted(scores))}"
        for row, scores in rows.items()
    ]


def ending(folder: Path, monitor: str, best: float | None) -> list[str]:
    """Say where a finished training lies, what it reached, and how it is scored and looked at."""
    config = folder / "config.yaml"
    reached, kept = ("", "last") if best is None else (f"; best {_shown(monitor, best)}", "best")
    return [
        f"run: {folder}{reached} ({folder / 'checkpoints' / f'{kept}.ckpt'})",
        f"next: hybrid-sbir validate --config {config}; hybrid-sbir predict --config {config}",
    ]


def _sorted(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


def _shown(name: str, value: float) -> str:
    return f"{name} {value:.4g}" if name.endswith(_NOT_SHARES) else f"{name} {100 * value:5.2f} %"
