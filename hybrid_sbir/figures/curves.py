"""``hybrid-sbir figure curves``: validation over the epochs, as the thesis's Figures 4.1 to 4.5."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from hybrid_sbir.figures.definition import Definition, arranged, read_definition
from hybrid_sbir.figures.files import Caption, check_out, write_figure
from hybrid_sbir.figures.names import print_names
from hybrid_sbir.figures.panels import draw_curves, height
from hybrid_sbir.figures.paper import Width, sheet
from hybrid_sbir.figures.reading import read
from hybrid_sbir.figures.regime import regime_notes
from hybrid_sbir.figures.series import Series, gather
from hybrid_sbir.results.records import RunRecord

Drawn = dict[str, dict[str, Series]]  # score -> row -> its curve


def curves(
    runs: list[Path],
    out: Path = Path("curves.svg"),
    definition: Path | None = None,
    score: str | None = None,
    reference: str | None = None,
    width: Width = "page",
    title: str | None = None,
) -> list[str]:
    """Draw a score over the epochs: a curve a row, the mean of its seeds, with their range where there are several.

    The stages of a retrieval run are joined. Runs that a definition names and that are not there are listed.

    Args:
        runs: run folders, or folders of run folders; committed results too.
        out: the figure, .svg, .png or .pdf; SVG, PNG and a caption are written in any case, older ones replaced.
        definition: a YAML file that says which rows share a panel, as in experiments/figures.
        score: without a definition, the column of metrics.csv; by default that of the runs' kind.
        reference: a row that is repeated in every panel, instead of the definition's.
        width: of a page's text (170 mm) or a column (84 mm).
        title: of the figure.

    Returns:
        The notes under the figure, and what was written.

    Raises:
        ValueError: no run with such a curve; a damaged definition.
        OSError: a file cannot be read or written.
    """
    out = check_out(out)
    found, problems = read(runs)
    if not found:
        raise ValueError("\n".join(problems) or "no runs given; name at least one run's folder")
    plan = _plan(found, definition, score, (reference,) if reference else (), title)
    found = _of_the_plan(found, plan)
    drawn, notes = _gathered(found, plan)
    first = next((row for row in plan.reference if any(row in own for own in drawn.values())), None)
    panels = [panel for panel in plan.panels if any(row in drawn[panel.score] for row in panel.rows)]
    thesis = [f"the thesis: {plan.thesis}"] if plan.thesis else []
    notes = [*_missing(plan, drawn, first), *notes, *regime_notes(found), *thesis, *problems]
    if not panels:
        raise ValueError(f"no curve to draw: {'; '.join(dict.fromkeys(notes))}")
    columns = 2 if width == "page" and len(panels) > 1 else 1
    with sheet(width, height(panels, columns)) as figure:
        draw_curves(figure, panels, drawn, first, columns)
        return write_figure(figure, _caption(plan, drawn, first, notes), out)


def _plan(
    runs: Sequence[RunRecord], path: Path | None, score: str | None, reference: tuple[str, ...], title: str | None
) -> Definition:
    """The definition that was asked for, or one of all rows that have the score."""
    if path is not None:
        plan = read_definition(path)
        return replace(plan, title=title or plan.title, reference=reference or plan.reference)
    score = score or ("val/top1" if runs[0].kind == "classification" else "val/map")
    rows = dict.fromkeys(run.row for run in runs if any(score in epoch for epoch in run.curve))
    if not rows:
        has = sorted({name for run in runs for epoch in run.curve for name in epoch if "/" in name})
        raise ValueError(f"no run has {score} in its epochs; --score can be {', '.join(has) or 'none: no run trained'}")
    return arranged(list(rows), score, reference, title)


def _of_the_plan(runs: Sequence[RunRecord], plan: Definition) -> list[RunRecord]:
    """The runs of the rows to show, by their names, or by their folders: a copied run keeps the name it had."""
    wanted = dict.fromkeys([*plan.reference, *(row for panel in plan.panels for row in panel.rows)])
    chosen = []
    for run in runs:
        place = f"/{run.folder.resolve().as_posix()}"
        row = next((row for row in wanted if run.row == row or place.endswith(f"/{row}")), None)
        chosen += [replace(run, row=row)] if row else []
    return chosen


def _gathered(runs: Sequence[RunRecord], plan: Definition) -> tuple[Drawn, list[str]]:
    """The curves of each score, of the rows that are to show it."""
    drawn: Drawn = {}
    notes: list[str] = []
    for score in dict.fromkeys(panel.score for panel in plan.panels):
        rows = dict.fromkeys(row for panel in plan.panels if panel.score == score for row in panel.rows)
        rows |= dict.fromkeys(plan.reference)
        series, more = gather([run for run in runs if run.row in rows], score)
        drawn[score] = {row: series[row] for row in rows if row in series}
        notes += more
    return drawn, notes


def _missing(plan: Definition, drawn: Drawn, reference: str | None) -> list[str]:
    """Rows that the figure should show and does not."""
    notes = []
    if plan.reference and reference != plan.reference[0]:
        instead = f"{reference} is repeated instead" if reference else "none is repeated"
        notes.append(f"the reference {plan.reference[0]} was not run; {instead}")
    for panel in plan.panels:
        if gone := [row for row in panel.rows if row not in drawn[panel.score]]:
            notes.append(f"not run{f' ({panel.title})' if panel.title else ''}: {', '.join(gone)}")
    return notes


def _caption(plan: Definition, drawn: Drawn, reference: str | None, notes: Iterable[str]) -> Caption:
    text = [plan.text or "Scores over the epochs, in percent."]
    if reference:
        text.append(f"{print_names([reference])[reference]} is repeated in every panel as a reference (black line).")
    every = [series for own in drawn.values() for series in own.values()]
    if any(len(series.seeds) > 1 for series in every):
        text.append("Lines are means over the seeds, bands reach from the least seed to the greatest.")
    if any(series.borders for series in every):
        text.append("Dotted vertical lines are borders of stages.")
    for score, own in drawn.items():
        ends = [f"{row} {_last(series)} ({len(series.seeds)})" for row, series in own.items()]
        if ends:
            text.append(f"{score} after the last epoch, in percent (number of seeds): {', '.join(ends)}.")
    return Caption(plan.title, " ".join(text), tuple(dict.fromkeys(notes)))


def _last(series: Series) -> str:
    known = [value for value in series.mean if math.isfinite(value)]
    return f"{known[-1]:.1f}"
