"""Runs read for a figure; a result that is both in runs/ and committed is one result."""

from collections.abc import Sequence
from pathlib import Path

from hybrid_sbir.results.records import RecordError, RunRecord, read_run, read_runs
from hybrid_sbir.results.run_files import read_record

_REPEATED = " repeats seed "


def read(folders: Sequence[Path]) -> tuple[list[RunRecord], list[str]]:
    """Read the runs in folders, the first of those with the same name and seed.

    Returns:
        The runs, and a line for each that is missing or damaged, and one for all that repeat others.
    """
    runs, problems = read_runs(folders)
    told = [problem for problem in problems if _REPEATED not in problem]
    if len(problems) > len(told):
        told.append(f"{len(problems) - len(told)} results are in two places; those named first are drawn")
    return runs, told


def read_one(folder: Path) -> tuple[str, RunRecord | None]:
    """Read one run: its name, and its record; None of a run that was only predicted, which goes by its folder's name.

    Raises:
        ValueError: if its metrics.json is damaged.
    """
    if not (folder / "metrics.json").is_file():
        return folder.resolve().name, None
    name = read_record(folder)[0]
    try:
        return name, read_run(folder)
    except RecordError:
        if (folder / "predictions.npz").is_file() or (folder / "embeddings.npz").is_file():
            return name, None  # it says who it is, and no more
        raise
