"""``hybrid-sbir figure curves``: validation over the epochs, as the thesis's Figures 4.1 to 4.5.

E epochs.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_sbir.figures.definition import Definition, Panel, arranged, read_definition
from hybrid_sbir.figures.files import Caption, check_out, write_figure
from hybrid_sbir.figures.names import print_names
from hybrid_sbir.figures.paper import GREY, REFERENCE, STROKES, Stroke, Width, sheet
from hybrid_sbir.figures.regime import regime_notes
from hybrid_sbir.figures.series import Series, gather
from hybrid_sbir.results.records import RunRecord, read_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_HEIGHT = 58.0  # millimetres, with two lines of legend
_LINE = 4.2  # millimetres, of a further line of legend
_MARKS = 6  # markers along a curve, at most
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
    found, problems = read_runs(runs)
    if not found:
        raise ValueError("\n".join(problems) or "no runs given; name at least one run's folder")
    plan = _plan(found, definition, score, reference, title)
    drawn: Drawn = {}
    notes: list[str] = []
    for wanted in dict.fromkeys(panel.score for panel in plan.panels):
        rows = {row for panel in plan.panels if panel.score == wanted for row in panel.rows} | set(plan.reference)
        drawn[wanted], more = gather([run for run in found if run.row in rows], wanted)
        notes += more
    first = next((row for row in plan.reference if any(row in own for own in drawn.values())), None)
    panels = [panel for panel in plan.panels if any(row in drawn[panel.score] for row in panel.rows)]
    if not panels:
        raise ValueError(f"no curve to draw: {'; '.join([*notes, *problems]) or 'none of the rows was run'}")
    caption = _caption(plan, drawn, first, [*notes, *_missing(plan, drawn, first), *regime_notes(found), *problems])
    with sheet(width, _height(panels, width)) as figure:
        draw_curves(figure, panels, drawn, first, columns=2 if width == "page" and len(panels) > 1 else 1)
        return write_figure(figure, caption, out)


def _plan(
    runs: Sequence[RunRecord], path: Path | None, score: str | None, reference: str | None, title: str | None
) -> Definition:
    if path is None:
        kind = "val/top1" if runs[0].kind == "classification" else "val/map"
        return arranged(list(dict.fromkeys(run.row for run in runs)), score or kind, reference, title)
    plan = read_definition(path)
    return Definition(title or plan.title, plan.text, (reference,) if reference else plan.reference, plan.panels)


def _height(panels: Sequence[Panel], width: Width) -> float:
    columns = 2 if width == "page" and len(panels) > 1 else 1
    lines = max(len(panel.rows) for panel in panels)
    return math.ceil(len(panels) / columns) * (_PANEL_HEIGHT + _LINE * max(0, lines - 3))


def draw_curves(
    figure: "Figure",
    panels: Sequence[Panel],
    drawn: Mapping[str, Mapping[str, Series]],
    reference: str | None,
    columns: int,
) -> "list[Axes]":
    """Draw the panels, each with its rows that were run and the reference.

    Args:
        figure: an empty one.
        panels: in reading order.
        drawn: score -> row -> its curve.
        reference: the row to repeat, if it was run.
        columns: panels side by side.

    Returns:
        The axes of the panels.
    """
    rows = math.ceil(len(panels) / columns)
    names = print_names(list(dict.fromkeys(row for own in drawn.values() for row in own)))
    axes = []
    for place, panel in enumerate(panels):
        axis = figure.add_subplot(rows, columns, place + 1)
        own = drawn[panel.score]
        if reference is not None and reference in own and reference not in panel.rows:
            _draw(axis, own[reference], REFERENCE, f"{names[reference]} (reference)", 0)
        for number, row in enumerate(panel.rows):
            if row in own:
                _draw(axis, own[row], STROKES[number], names[row], number)
        _dress(axis, panel)
        axes.append(axis)
    return axes


def _draw(axis: "Axes", series: Series, stroke: Stroke, name: str, number: int) -> None:
    """One curve; its markers stand apart from those of its neighbours."""
    several = len(series.seeds) > 1
    step = max(1, math.ceil(len(series.epochs) / _MARKS))
    marker = stroke.marker or ("o" if len(series.epochs) == 1 else "")
    label = f"{name}, {len(series.seeds)} seeds" if several else name
    axis.plot(
        series.epochs,
        series.mean,
        color=stroke.colour,
        linestyle=stroke.dash,
        linewidth=1.1,
        marker=marker,
        markevery=(number % step, step),
        markersize=3.5,
        label=label,
    )
    if several:
        axis.fill_between(series.epochs, series.low, series.high, color=stroke.colour, alpha=0.18, linewidth=0)
    for border in series.borders:
        axis.axvline(border + 0.5, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)


def _dress(axis: "Axes", panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set(xlabel="epoch", ylabel=panel.axis)
    axis.set_ylim(bottom=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.legend(
        title=panel.title,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.3,
        borderpad=0,
        handlelength=3.2,
        labelspacing=0.25,
    )


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


def _caption(plan: Definition, drawn: Drawn, reference: str | None, notes: Sequence[str]) -> Caption:
    text = [plan.text or "Scores over the epochs, in percent."]
    if reference:
        text.append(
            f"{print_names([reference])[reference]} is repeated in every panel as a reference (thin black line)."
        )
    every = [series for own in drawn.values() for series in own.values()]
    if any(len(series.seeds) > 1 for series in every):
        text.append("Lines are means over the seeds, bands reach from the least seed to the greatest.")
    if any(series.borders for series in every):
        text.append("Dotted vertical lines are borders of stages.")
    for score, own in drawn.items():
        ends = [f"{row} {_last(series)} ({len(series.seeds)})" for row, series in own.items()]
        text.append(f"{score} after the last epoch, in percent (number of seeds): {', '.join(ends)}.")
    return Caption(plan.title, " ".join(text), tuple(dict.fromkeys(notes)))


def _last(series: Series) -> str:
    known = [value for value in series.mean if math.isfinite(value)]
    return f"{known[-1]:.1f}"
