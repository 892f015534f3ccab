"""``hybrid-sbir figure cost``: is a hybrid worth it? Scores against operations, parameters and time."""

from collections.abc import Sequence
from pathlib import Path

from hybrid_sbir.figures.cost_panels import draw_costs, floor, pareto
from hybrid_sbir.figures.cost_points import Point
from hybrid_sbir.figures.costs import Costs, Work, read_costs
from hybrid_sbir.figures.definition import axis_of
from hybrid_sbir.figures.files import Caption, check_out, write_figure
from hybrid_sbir.figures.names import family, is_augmented, print_names
from hybrid_sbir.figures.paper import Width, sheet
from hybrid_sbir.figures.regime import regime_notes
from hybrid_sbir.figures.scored import Scores, read_scores
from hybrid_sbir.results.records import RunRecord

_WORK = {"infer": "inference", "train": "a training step"}
_PANEL = {"page": 66.0, "column": 54.0}  # millimetres
_FEW = 8  # points, for which lower panels do


def cost(
    runs: list[Path],
    measured: Path = Path("experiments/table_3_1/cpu.json"),
    out: Path = Path("cost.svg"),
    score: str | None = None,
    work: Work = "infer",
    only: str = "*",
    dtype: str = "float32",
    width: Width = "page",
    title: str | None = None,
) -> list[str]:
    """Draw accuracy or mAP against GMACs, parameters and measured time, with the Pareto front.

    Args:
        runs: run folders, or folders of run folders; or tables of published numbers (CSV).
        measured: what the backbones cost: the table.json of ``bench models``, or the thesis's table as CSV.
        out: the figure, .svg, .png or .pdf; SVG, PNG and a caption are written in any case, older ones replaced.
        score: a name in metrics.json or a column; by default test mAP, validation top-1 or mAP, whichever is there.
        work: time of inference or of a training step.
        only: rows whose names match one of these patterns: ``'*-pre'``, ``'*-thesis *-modern'``.
        dtype: type of the measured rows.
        width: of a page's text (170 mm) or a column (84 mm, with numbers instead of names).
        title: of the figure.

    Returns:
        The notes under the figure, and what was written.

    Raises:
        ValueError: no row with both score and cost; a damaged file.
        OSError: a file cannot be read or written.
    """
    out = check_out(out)
    scores, costs = read_scores(runs, score, only), read_costs(measured, work, dtype)
    names = print_names([row.row for row in scores.rows])
    points = [
        Point(names[row.row], family(row.backbone), is_augmented(row.backbone), row, costs.by_backbone[row.backbone])
        for row in scores.rows
        if row.backbone in costs.by_backbone
    ]
    if not points:
        have = ", ".join(costs.by_backbone)
        raise ValueError(f"none of {', '.join(row.row for row in scores.rows)} is in {measured}; it has {have}")
    axes = _axes(costs, work)
    with sheet(width, _height(len(points), len(axes), width)) as figure:
        draw_costs(figure, points, axes, axis_of(scores.score), width)
        return write_figure(figure, _caption(points, scores, costs, axes, width, title), out)


def _height(points: int, panels: int, width: Width) -> float:
    """Millimetres, of the panels, the legend and, on a column, the key of its numbers."""
    panel = _PANEL[width] * (0.75 if points <= _FEW else 1)
    return panels * panel + (12 if width == "page" else 20 + 4.4 * (points + 1) // 2)


def _axes(costs: Costs, work: Work) -> list[tuple[str, str]]:
    batch = costs.setting.partition(",")[0]
    return [("gmacs", "GMACs an image"), ("parameters", "parameters, millions"), ("ms", f"{_WORK[work]}, ms a {batch}")]


def _caption(
    points: Sequence[Point],
    scores: Scores,
    costs: Costs,
    axes: Sequence[tuple[str, str]],
    width: Width,
    title: str | None,
) -> Caption:
    text = [
        "Each point is a backbone: the further left, the cheaper; the higher, the better. On the dashed staircase lie "
        "those that no other beats in both (names in bold)."
    ]
    for attribute, name in axes:
        front = pareto([getattr(p.cost, attribute) for p in points], [p.scored.mean for p in points])
        text.append(f"By {name}: {', '.join(f'{points[n].name} {points[n].scored.mean:.1f}' for n in front)}.")
    if any(point.scored.seeds > 1 for point in points):
        text.append("Points are means over the seeds, vertical lines reach from the least to the greatest.")
    if any(point.cost.high > point.cost.low for point in points):
        text.append("Horizontal lines hold the middle half of the measured rounds.")
    if width == "column":
        text.append(f"Numbers: {', '.join(f'{n} {point.name}' for n, point in enumerate(points, 1))}.")
    measure = axis_of(scores.score).removesuffix(", %")
    return Caption(title or f"{measure} against cost", " ".join(text), _notes(points, scores, costs))


def _notes(points: Sequence[Point], scores: Scores, costs: Costs) -> tuple[str, ...]:
    below = floor([point.scored.mean for point in points])
    far = [f"{p.name} ({p.scored.mean:.1f})" for p in points if below is not None and p.scored.mean < below]
    known = {row.backbone for row in scores.rows}
    uncosted = [row.row for row in scores.rows if row.backbone not in costs.by_backbone]
    unscored = [name for name in costs.by_backbone if name not in known]
    seeds = [f"{p.name} {p.scored.seeds}" for p in points if p.scored.seeds]
    return (
        f"costs: {costs.setting}",
        *([f"seeds: {', '.join(seeds)}"] if seeds else ["scores as published, one number a variant"]),
        *([f"far below the others, set on the lower edge: {', '.join(far)}"] if far else []),
        *([f"not run: {', '.join(unscored)}"] if unscored else []),
        *([f"cost not measured, left out: {', '.join(uncosted)}"] if uncosted else []),
        *scores.notes,
        *_mismatch(scores.runs, costs),
        *regime_notes(scores.runs),
    )


def _mismatch(runs: Sequence[RunRecord], costs: Costs) -> list[str]:
    """Costs are of the whole variants; whoever compares must know when narrower ones were trained."""
    widths = {float(run.model.get("width") or 1) for run in runs} - {costs.width}
    sizes = {run.config.get("data", {}).get("init_args", {}).get("size") for run in runs} - {costs.size, None}
    told = [f"width {value:g} instead of {costs.width:g}" for value in sorted(widths)]
    told += [f"{value} x {value} pixels instead of {costs.size} x {costs.size}" for value in sorted(sizes)]
    return [f"the runs were trained at {', '.join(told)}: the costs are not theirs"] if told else []
