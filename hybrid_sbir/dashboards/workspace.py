"""Boards as workspaces of W&B: sections, panels, filters."""

import json
from typing import Any

from hybrid_sbir.dashboards.boards import COSTS, Board

_VARIANT = "row"  # the key of a run's configuration that all seeds of a variant share
_MOST_RUNS = 100  # in a panel; W&B's own limit is 10


def workspace(board: Board, entity: str, project: str) -> Any:
    """Make the workspace of a board; nothing is sent.

    Args:
        board: what it shows.
        entity: user or team.
        project: of W&B.

    Returns:
        A ``wandb_workspaces.workspaces.Workspace``.

    Raises:
        ModuleNotFoundError: if wandb-workspaces is not installed; says how to.
    """
    ws = _library()[0]
    sections = [
        section for section in (_curves(board), _scores(board), _costs(board), _found(board), _runs()) if section.panels
    ]
    return ws.Workspace(
        name=board.title,
        entity=entity,
        project=project,
        sections=sections,
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=_MOST_RUNS),
        runset_settings=ws.RunsetSettings(
            filters=_filters(board), groupby=[_expression().Config(_VARIANT)], pinned_columns=_columns(board)
        ),
        auto_generate_panels=False,
    )


def specification(made: Any) -> dict[str, Any]:
    """Return what would be sent for a workspace, as plain values; random identifiers are numbered, to stay the same."""
    view = made._to_model()  # what its save() sends; the library has no public way to look at it
    spec = json.loads(view.spec.model_dump_json(by_alias=True, exclude_none=True))
    _number(spec, {})
    return {"name": view.display_name, "entity": view.entity, "project": view.project, "spec": spec}


def _curves(board: Board) -> Any:
    """Validation curves: a variant's mean over its seeds, and their range."""
    ws, wr = _library()
    panels = [
        wr.LinePlot(
            title=name,
            x="epoch",
            y=[name],
            title_x="epoch",
            groupby=wr.Config(_VARIANT),
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            max_runs_to_show=_MOST_RUNS,
            smoothing_type="none",
        )
        for name in board.curves
    ]
    return ws.Section(name="Curves: mean and range over seeds", panels=panels, is_open=True)


def _scores(board: Board) -> Any:
    ws, wr = _library()
    panels = [
        wr.BarPlot(
            title=name,
            metrics=[name],
            groupby=wr.Config(_VARIANT),
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            max_runs_to_show=_MOST_RUNS,
            max_bars_to_show=_MOST_RUNS,
        )
        for name in board.scores
    ]
    return ws.Section(name="Final scores", panels=panels, is_open=True)


def _costs(board: Board) -> Any:
    """The table's score against what it costs; a point a run."""
    ws, wr = _library()
    score = board.scores[0]
    panels = [
        wr.ScatterPlot(title=f"{score} against {cost}", x=wr.SummaryMetric(cost), y=wr.SummaryMetric(score), log_x=True)
        for cost in COSTS
    ]
    return ws.Section(name="Is it worth its cost?", panels=panels, is_open=True)


def _found(board: Board) -> Any:
    ws, wr = _library()
    panels: list[Any] = [
        wr.MediaBrowser(title=name, media_keys=[name], num_columns=2, layout=wr.Layout(w=12, h=10))
        for name in board.media
    ]
    panels += [wr.WeavePanelSummaryTable(table_name=name, layout=wr.Layout(w=12, h=10)) for name in board.tables]
    return ws.Section(name="What was found, class by class", panels=panels, is_open=False)


def _runs() -> Any:
    ws, wr = _library()
    return ws.Section(name="What the runs differ in", panels=[wr.RunComparer(diff_only="split")], is_open=False)


def _filters(board: Board) -> list[Any]:
    """The table's runs; of several stages the one that its rows are."""
    expr = _expression()
    chosen = [expr.Metric("Group") == board.table]
    return chosen + ([expr.Config("stage") == board.stage] if board.stage else [])


def _columns(board: Board) -> list[str]:
    """Columns of the list of runs."""
    return ["run:displayName", "run:jobType", "config:preset", "config:seed", *(f"summary:{n}" for n in board.scores)]


def _library() -> tuple[Any, Any]:
    """The library's two modules: workspaces, and the panels they share with reports."""
    try:
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}; dashboards need wandb-workspaces: pip install 'hybrid-sbir[dashboards]'"
        ) from error
    return ws, wr


def _expression() -> Any:
    from wandb_workspaces import expr

    return expr


def _number(part: Any, known: dict[str, str]) -> None:
    """Put numbers in the place of random identifiers, the same for the same one."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("__id__", "id") and isinstance(value, str):
                part[key] = known.setdefault(value, str(len(known)))
            else:
                _number(value, known)
    elif isinstance(part, list):
        for inner in part:
            _number(inner, known)
