"""How the runs of a figure were trained, in words: a picture of a cut regime must not pass for the thesis's."""

from collections.abc import Sequence

from hybrid_sbir.results.records import RunRecord


def regime_notes(runs: Sequence[RunRecord]) -> list[str]:
    """A line for each way of training, with the stages it is of: epochs, width, stem, image size and classes."""
    ways: dict[str, list[str]] = {}
    for run in runs:
        if run.max_epochs:
            ways.setdefault(_way(run), []).append(run.part or run.kind)
    return [f"trained ({', '.join(dict.fromkeys(parts))}): {way}" for way, parts in ways.items()]


def _way(run: RunRecord) -> str:
    data = run.config.get("data", {}).get("init_args", {})
    size = data.get("size")
    told = [f"{run.max_epochs} epochs"]
    told += [f"{name} {run.model[name]}" for name in ("width", "stem") if run.model.get(name) is not None]
    told += [f"{size} x {size} pixels"] if size else []
    told += [f"{run.data['classes']} classes"] if run.data.get("classes") else []
    told += [str(run.data["module"])] if run.data.get("module") else []
    return ", ".join(told)
