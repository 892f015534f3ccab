"""Dashboards are written down without a network, and show nothing but what runs log."""

import json

import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.dashboards.boards import BOARDS
from tests.callbacks import wandb_runs
from tests.callbacks.wandb_reader import Logged

TABLES = ["table-4.1", "table-4.2", "table-4.3", "table-4.4"]
RUNS = {
    "table-4.1": wandb_runs.CLASSIFICATION,
    "table-4.2": wandb_runs.CLASSIFICATION,  # the same task
    "table-4.3": wandb_runs.UNIMODAL,
    "table-4.4": wandb_runs.STAGE3,
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """What a dry run writes, by table; a network would be an error."""

    def forbidden(*_, **__):
        raise AssertionError("a dry run opened a connection")

    monkeypatch.setattr("socket.socket.connect", forbidden)
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    out = tmp_path / "new" / "boards.json"
    main(["dashboards", "--entity", "team", "--project", "sketches", "--dry_run", str(out)])
    return dict(zip(TABLES, json.loads(out.read_text()), strict=True))


def sections(board):
    return {section["name"]: section for section in board["spec"]["section"]["panelBankConfig"]["sections"]}


def panels(board):
    return [panel for section in sections(board).values() for panel in section["panels"]]


def kinds(board, kind):
    return [panel["config"] for panel in panels(board) if panel["viewType"] == kind]


def shown(board):
    """Every name of a logged value in a dashboard's panels."""
    names = set()
    for config in kinds(board, "Run History Line Plot") + kinds(board, "Bar Chart"):
        names |= set(config["metrics"])
    for config in kinds(board, "Scatter Plot"):
        names |= {config[axis].removeprefix("summary:") for axis in ("xAxis", "yAxis")}
    for config in kinds(board, "Media Browser"):
        names |= set(config["mediaKeys"])
    for config in kinds(board, "Weave"):
        names.add(config["panel2Config"]["exp"]["fromOp"]["inputs"]["key"]["val"])
    return names


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_a_dashboard_of_its_own_runs(table, written):
    board = written[table]
    assert (board["entity"], board["project"]) == ("team", "sketches")
    assert board["name"].startswith(f"Table {table.removeprefix('table-')}")
    (runs,) = board["spec"]["section"]["runSets"]
    text = json.dumps(runs["filters"])
    assert '"group"' in text
    assert f'"{table}"' in text
    assert ('"stage3"' in text) == (table == "table-4.4")
    assert [key["name"] for key in runs["grouping"]] == ["row.value"]


@pytest.mark.parametrize("table", TABLES)
def test_every_panel_shows_what_runs_log(table, written, tmp_path_factory):
    root = wandb_runs.made(tmp_path_factory)
    logged = Logged(root / "runs" / RUNS[table])
    names = shown(written[table])
    assert len(names) >= 8
    assert names <= logged.names, sorted(names - logged.names)
    (board,) = [board for board in BOARDS if board.table == table]
    assert names == set(board.names)
    assert {"row", "preset", "seed", *(["stage"] if board.stage else [])} <= set(logged.config)


@pytest.mark.parametrize("table", ["table-4.1", "table-4.2", "table-4.4"])
def test_curves_are_means_and_ranges_over_seeds(table, written):
    curves = kinds(written[table], "Run History Line Plot")
    assert len(curves) >= 4
    for curve in curves:
        assert (curve["xAxis"], curve["groupBy"]) == ("epoch", "row.value")
        assert (curve["groupAgg"], curve["groupArea"]) == ("mean", "minmax")
        assert curve["smoothingType"] == "none"


@pytest.mark.parametrize("table", TABLES)
def test_scores_are_set_against_costs_and_shown_class_by_class(table, written):
    board = written[table]
    for bar in kinds(board, "Bar Chart"):
        assert (bar["groupBy"], bar["groupAgg"]) == ("row.value", "mean")
    assert {plot["xAxis"] for plot in kinds(board, "Scatter Plot")} == {
        "summary:cost/macs",
        "summary:cost/parameters",
    }
    assert kinds(board, "Media Browser")
    assert [panel["viewType"] for panel in panels(board)].count("Run Comparer") == 1
    assert len(kinds(board, "Run History Line Plot")) == 0 or "Curves: mean and range over seeds" in sections(board)


def test_a_dry_run_writes_the_same_every_time(written, tmp_path):
    again = tmp_path / "again.json"
    main(["dashboards", "--entity", "team", "--project", "sketches", "--dry_run", str(again)])
    assert json.loads(again.read_text()) == list(written.values())


def test_some_tables_only(tmp_path):
    out = tmp_path / "one.json"
    main(["dashboards", "--entity", "me", "--tables", '["table-4.3"]', "--dry_run", str(out)])
    (board,) = json.loads(out.read_text())
    assert board["name"].startswith("Table 4.3")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--entity is ''"),
        (["--entity", "a/b"], "--entity is 'a/b'"),
        (["--entity", "me", "--project", ""], "--project is ''"),
        (["--entity", "me", "--tables", '["table-9.9"]'], "no dashboard for table-9.9; there are: table-4.1"),
    ],
)
def test_what_cannot_be_made_is_said(words, said, capsys):
    with pytest.raises(SystemExit):
        main(["dashboards", *words])
    assert said in capsys.readouterr().err


def test_a_dashboard_is_saved_where_it_is_wanted(monkeypatch, capsys):
    saved = []

    def save(workspace):
        saved.append(workspace)
        return workspace

    address = property(lambda board: f"https://wandb.ai/{board.entity}/{board.project}?nw=abc")
    monkeypatch.setattr("wandb_workspaces.workspaces.Workspace.save", save)
    monkeypatch.setattr("wandb_workspaces.workspaces.Workspace.url", address)
    main(["dashboards", "--entity", "team", "--project", "sketches"])
    assert [(board.entity, board.project) for board in saved] == [("team", "sketches")] * 4
    assert capsys.readouterr().out.count("https://wandb.ai/team/sketches") == 4


def test_a_refusal_is_told_in_a_line(monkeypatch, capsys):
    def save(workspace):
        raise RuntimeError("No API key configured")

    monkeypatch.setattr("wandb_workspaces.workspaces.Workspace.save", save)
    with pytest.raises(SystemExit):
        main(["dashboards", "--entity", "team"])
    assert "did not take 'Table 4.1: classification of TU-Berlin' (No API key" in capsys.readouterr().err


def test_a_missing_library_names_its_extra(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(__import__("sys").modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(SystemExit, match="1"):
        main(["dashboards", "--entity", "me", "--dry_run", str(tmp_path / "none.json")])
    assert "pip install 'hybrid-sbir[dashboards]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
