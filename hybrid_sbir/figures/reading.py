"""Runs read for a figure; a result that is both in runs/ and committed is one result."""

from collections.abc import Sequence
from pathlib import Path

from hybrid_sbir.results.records import RunRecord, read_runs

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
