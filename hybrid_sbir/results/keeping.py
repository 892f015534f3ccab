"""The verb that copies finished runs' results into the repository: records and curves, no weights or embeddings."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from hybrid_sbir.durable import write_durably
from hybrid_sbir.results.records import RecordError, RunRecord, read_run, read_runs

_LARGE = 20_000  # characters: a confusion matrix of 50 classes is small, one of 300 is not
_DIGITS = 6
_ORIGIN = ("name", "seed", "parameters", "data", "config", "device", "epochs", "max_epochs")
_LEAF = re.compile(r"\{\n\s+([^{}\[\]]{1,200}?)\n\s+\}")


def keep(runs: list[Path], into: Path | None = None, overwrite: bool = False) -> list[str]:
    """Copy metrics.json and metrics.csv of finished runs to INTO/NAME, the layout that ``report`` and figures read.

    Of large details each class's average precision and what is small is kept; absolute paths are shortened. What is
    kept already of the same run is brought up to date; what is of another run stays, unless ``overwrite`` is true.

    Args:
        runs: run folders, or folders of run folders; those not finished or not tested yet are named and left.
        into: the folder to keep them in, experiments/table_4_1/quick say.
        overwrite: replace results of other runs of the same names.

    Returns:
        A line for each run.

    Raises:
        ValueError: if no run could be kept, or one would have replaced another's result.
    """
    if into is None:
        raise ValueError("no folder given; add --into experiments/table_4_1/quick, or where the results are to be kept")
    said: list[str] = []
    refused: list[str] = []
    kept = 0
    for given in runs:
        found, problems = read_runs([given])
        said += [f"not kept: {problem}" for problem in problems]
        for run in found:
            name = _name(run, given)
            if reason := _unready(run, name):
                said.append(f"not kept: {run.folder}: {reason}")
            elif reason := None if overwrite else _other_there(run, into / name):
                refused.append(f"{into / name} {reason}")
            else:
                _write(run, into / name)
                said.append(f"kept {into / name}")
                kept += 1
    if refused:
        raise ValueError(
            f"kept {kept}; not kept, for another run's result is there (--overwrite true): {'; '.join(refused)}"
        )
    if not kept:
        raise ValueError("; ".join(said) or "no runs given; name at least one run's folder")
    return said


def _name(run: RunRecord, given: Path) -> str:
    """What the result is to be called: as the run or, where that was moved below the given folder, as its place."""
    place = run.folder.relative_to(given).as_posix()
    return run.name if place == "." or f"/{run.name}".endswith(f"/{place}") else place


def _unready(run: RunRecord, name: str) -> str | None:
    """Why a run has no result to keep yet."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return f"its name {name} leads out of the folder; mend the name in its metrics.json"
    if not run.finished:
        return (
            f"stopped after {run.epochs} of {run.max_epochs} epochs; go on with it (hybrid-sbir fit --ckpt_path last)"
        )
    if run.kind in ("retrieval", "unimodal") and "test" not in run.record:
        return "not tested yet (hybrid-sbir test)"
    return None if run.scores else "without a score (hybrid-sbir validate)"


def _other_there(run: RunRecord, place: Path) -> str | None:
    """What tells the result that is there from this run's; None if there is none, or it is of this run."""
    try:
        there = read_run(place)
    except RecordError as e:
        return f"({e})" if (place / "metrics.json").exists() else None
    own, other = (
        {
            "seed": r.seed,
            "epochs": r.epochs,
            "data": r.fingerprint,
            "time": r.record.get("wall_time_s"),
            "curve": str(r.curve),  # words: a loss that is no number is unlike itself
        }
        for r in (run, there)
    )
    differing = [name for name in own if own[name] != other[name]]
    return f"(other {', '.join(differing)})" if differing else None


def _write(run: RunRecord, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    text = _LEAF.sub(lambda leaf: "{" + re.sub(r"\n\s+", " ", leaf[1]) + "}", json.dumps(reduced(run), indent=1))
    if run.curve:  # first: without metrics.json it is no result yet, so that a call cut off here can be made again
        write_durably(place / "metrics.csv", (run.folder / "metrics.csv").read_bytes())
    write_durably(place / "metrics.json", (text + "\n").encode())


def reduced(run: RunRecord) -> dict[str, Any]:
    """Return a run's record without what is large, nor paths of this machine; ``reduced`` names what was left out."""
    left_out: list[str] = []
    record = {name: part for name, part in run.record.items() if name != "reduced"}
    for section in ("validate", "test"):
        if isinstance(record.get(section), dict) and "details" in record[section]:
            details = {name: _small(name, about, left_out) for name, about in record[section]["details"].items()}
            record[section] = {**record[section], "details": details}
    if run.origin:
        record["origin"] = {name: run.origin[name] for name in _ORIGIN if name in run.origin}
    left_out += [name for name in run.record.get("reduced") or [] if name not in left_out]
    return _portable(record | ({"reduced": left_out} if left_out else {}), Path.cwd())


def _small(evaluation: str, about: Any, left_out: list[str]) -> Any:
    """An evaluation's details: each class's means of the plain ranking, and what is small."""
    if not isinstance(about, dict):
        return about
    kept = {}
    for name, part in about.items():
        derived = name in ("per_class", "groups") and evaluation.endswith(("_expanded", "_reranked"))
        if derived or (name != "per_class" and len(json.dumps(part)) > _LARGE):
            left_out.append(f"{evaluation}.{name}")
        else:
            kept[name] = _rounded(part)
    return kept


def _rounded(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _rounded(own) for name, own in part.items()}
    if isinstance(part, list):
        return [_rounded(own) for own in part]
    return round(part, _DIGITS) if isinstance(part, float) else part


def _portable(part: Any, here: Path) -> Any:
    """The same with paths as they are from here; of others the last name only."""
    if isinstance(part, dict):
        return {name: _portable(own, here) for name, own in part.items()}
    if isinstance(part, list):
        return [_portable(own, here) for own in part]
    if not isinstance(part, str) or not part.startswith("/"):
        return part
    path = Path(part)
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else f".../{path.name}"
