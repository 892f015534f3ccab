"""``hybrid-sbir figure classes``: each class's average precision or accuracy, the best first."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hybrid_sbir.figures.by_class import ByClass, read_by_class
from hybrid_sbir.figures.class_rows import arranged, draw_rows, height
from hybrid_sbir.figures.files import Caption, check_out, write_figure
from hybrid_sbir.figures.paper import Width, sheet
from hybrid_sbir.figures.regime import regime_notes


def classes(
    runs: list[Path],
    out: Path = Path("classes.svg"),
    evaluation: str | None = None,
    width: Width = "page",
    title: str | None = None,
) -> list[str]:
    """Draw each class's score of a run, or of two runs beside each other; classes trained with and not are told apart.

    Args:
        runs: one run's folder, or two.
        out: the figure, .svg, .png or .pdf; SVG, PNG and a caption are written in any case, older ones replaced.
        evaluation: of a retrieval: test, val, test_reranked...; by default test, or val where there is none.
        width: of a page's text (170 mm) or a column (84 mm).
        title: of the figure.

    Returns:
        The notes under the figure, and what was written.

    Raises:
        ValueError: more than two runs, runs of different classes, a damaged file.
        OSError: a file is missing, or cannot be read or written.
    """
    out = check_out(out)
    if not 1 <= len(runs) <= 2:
        raise ValueError(f"a figure of classes shows one run or two; got {len(runs)}")
    read = [read_by_class(Path(run), evaluation) for run in runs]
    first, last = read[0], read[-1]
    if (set(first.values), first.measure) != (set(last.values), last.measure):
        differ = sorted(set(first.values) ^ set(last.values))[:5]
        raise ValueError(
            f"{runs[0]} has {first.measure} of {len(first.values)} classes, {runs[-1]} {last.measure} of "
            f"{len(last.values)} (not in both: {', '.join(differ) or 'none'}); compare runs of the same evaluation"
        )
    read = [replace(run, groups=first.groups) for run in read]
    columns, left_out = arranged(read, width)
    with sheet(width, height(columns)) as figure:
        draw_rows(figure, columns, [run.name for run in read], f"{first.measure}, %")
        return write_figure(figure, _caption(read, left_out, title), out)


def _caption(runs: Sequence[ByClass], left_out: int, title: str | None) -> Caption:
    first = runs[0]
    ranked = sorted(
        (name for name in first.values if math.isfinite(first.values[name])), key=lambda n: -first.values[n]
    )
    text = f"Each row is a class, sorted by {first.measure} of {first.name}"
    text += " (dots); diamonds are " + f"{runs[1].name}." if len(runs) > 1 else "."
    if ranked:
        ends = (f"{name} {first.values[name]:.1f}" for name in (ranked[0], ranked[-1]))
        text += f" {first.name}: from {' to '.join(ends)}, median {_median(first, ranked):.1f}."
    if len(runs) > 1:
        better = sum(runs[1].values[name] > first.values[name] for name in first.values)
        text += f" {runs[1].name} is better in {better} of {len(first.values)} classes."
    notes = [f"{run.name} ({run.source}): {_means(run)}" for run in runs]
    notes += [f"{left_out} classes between the best and the worst are left out for want of room"] if left_out else []
    for run in runs:
        if gone := [name for name, value in run.values.items() if not math.isfinite(value)]:
            notes.append(f"{run.name}: no value for {', '.join(gone)}")
    notes.append(f"{sum(first.counts.values())} samples, {min(first.counts.values())} or more a class; one seed a run")
    notes += regime_notes([record for run in runs for record in run.runs])
    return Caption(title or f"{first.measure} of {len(first.values)} classes", text, tuple(notes))


def _means(run: ByClass) -> str:
    word = "mAP" if run.measure == "AP" else "accuracy"
    return ", ".join(f"{group or 'all'} {word} {run.mean(group):.1f} ({len(own)})" for group, own in run.groups.items())


def _median(run: ByClass, ranked: Sequence[str]) -> float:
    middle = len(ranked) // 2
    values = [run.values[name] for name in ranked]
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
