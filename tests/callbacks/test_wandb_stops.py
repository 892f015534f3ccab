"""Runs with W&B on that are killed, or lose W&B: the run goes on, and W&B goes on with it."""

import csv
import json
import signal
import socket
import subprocess
import sys

import pytest
import torch

from tests.callbacks.wandb_reader import Logged
from tests.callbacks.wandb_runs import KEY, OVERLAY, ROOT
from tests.cli.conftest import pictures, runs, saboteur, server, spawn, start, tiny  # noqa: F401 - fixtures
from tests.cli.test_distributed import end, pair  # noqa: F401 - a fixture


@pytest.fixture
def sabotage(tmp_path):
    """Options that put one of ``wandb_saboteurs.py`` into a run; ``note`` says how many services it met."""

    def options(kind):
        callback = f"tests.callbacks.wandb_saboteurs.{kind}"
        return [f"--trainer.callbacks+={callback}", f"--trainer.callbacks.note={tmp_path / 'note'}"]

    return options


def rows(folder):
    with (folder / "metrics.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize(("place", "count"), [pytest.param("batch_end", 9, marks=pytest.mark.slow), ("epoch_end", 2)])
def test_a_killed_run_goes_on_as_the_same_one(place, count, spawn, tiny, runs):  # noqa: F811
    words = tiny("fit", *OVERLAY)
    code, output = spawn([*words, *saboteur("Signal", place=place, count=count)], timeout=250)
    assert code == -signal.SIGKILL, output
    code, output = spawn([*words, "--ckpt_path", "last"], timeout=250)
    assert code == 0, output
    assert "W&B:" not in output
    whole = Logged(runs / "run")
    assert {one.run_id for one in whole.starts} == {json.loads((runs / "run/wandb_run.json").read_text())["id"]}
    assert len(whole.starts) == 2
    assert whole.epochs == rows(runs / "run"), "no epoch is missing, and none is there twice"
    assert len(whole.epochs) == 3
    assert whole.exits[-1] == 0


@pytest.mark.parametrize(
    ("kind", "said"),
    [("Killed", "W&B: logging failed"), pytest.param("FullDisk", "is the disk full?", marks=pytest.mark.slow)],
)
def test_a_run_outlives_w_and_b(kind, said, spawn, tiny, runs, sabotage, tmp_path):  # noqa: F811
    code, output = spawn([*tiny("fit", *OVERLAY), *sabotage(kind)], timeout=250)
    assert code == 0, output
    assert (tmp_path / "note").read_text() == "1", "one service was met"
    assert output.count("UserWarning: W&B:") == 1
    assert said in output
    assert len(rows(runs / "run")) == 3
    assert json.loads((runs / "run/metrics.json").read_text())["finished"]


def test_a_file_in_the_way_is_told(spawn, tiny, runs):  # noqa: F811
    (runs / "run").mkdir(parents=True)
    (runs / "run/wandb").touch()
    code, output = spawn(tiny("fit", *OVERLAY, "--trainer.max_epochs", 1), timeout=250)
    assert code == 0, output
    assert "W&B: opening failed (FileExistsError" in output
    assert len(rows(runs / "run")) == 1


@pytest.mark.slow
def test_a_server_that_does_not_answer_leaves_files(start, tiny, runs):  # noqa: F811
    words = tiny("fit", *OVERLAY, "--trainer.logger.init_args.offline", "false", "--trainer.max_epochs", 1)
    process = start(words, WANDB_BASE_URL="http://127.0.0.1:9", WANDB_API_KEY="0" * 40)
    process.join(280)
    assert process.exitcode == 0, process.log.read_text()
    assert "W&B cannot be reached" in process.log.read_text()
    (_,) = (runs / "run/wandb").glob("offline-run-*")
    assert Logged(runs / "run").epochs == rows(runs / "run")


@pytest.mark.slow
def test_a_server_that_takes_all_and_says_nothing_is_given_up(start, tiny, runs):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"
        words = tiny("fit", *OVERLAY, "--trainer.logger.init_args.offline", "false", "--trainer.max_epochs", 1)
        process = start(words, WANDB_BASE_URL=address, WANDB_API_KEY=KEY)
        process.join(280)
    output = process.log.read_text()
    assert process.exitcode == 0, output
    assert "W&B cannot be reached" in output
    assert Logged(runs / "run").epochs == rows(runs / "run")
    files = [path for path in runs.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in output


@pytest.mark.slow
def test_of_two_processes_one_reports(pair, tiny, runs):  # noqa: F811
    processes = pair(tiny("fit", *OVERLAY, "--trainer.max_epochs", 2), "two processes of one node")
    assert end(processes, 250) == [0, 0], processes[0].log.read_text()
    assert end(pair(tiny("validate", *OVERLAY), "two processes of one node"), 250) == [0, 0]
    logged = Logged(runs / "run")
    assert len(logged.starts) == 2
    assert logged.epochs == rows(runs / "run")
    score = json.loads((runs / "run/metrics.json").read_text())["validate"]["val/top1"]
    _, classes = logged.table("per_class/val")
    assert sum(row[1] for row in classes) == 13, "each sample once"
    assert sum(row[1] * row[2] for row in classes) / 13 == pytest.approx(score)


@pytest.mark.slow
def test_a_service_that_hangs_is_not_waited_for(tiny, runs, sabotage):  # noqa: F811
    """With an interpreter that ends of itself: W&B's own farewell at its end would wait for ever too."""
    words = [sys.executable, "-m", "hybrid_sbir", *tiny("fit", *OVERLAY, "--trainer.max_epochs", 2)]
    ended = subprocess.run([*words, *sabotage("Stopped")], cwd=ROOT, capture_output=True, timeout=250, check=False)
    output = ended.stderr.decode()
    assert ended.returncode == 0, output
    assert output.count("UserWarning: W&B:") == 1
    assert "has not got the row after 3 s" in output
    (place,) = (runs / "run/wandb").glob("offline-run-*")
    assert f"may lack its end, `wandb sync {place}` uploads what is in it" in output
    assert json.loads((runs / "run/metrics.json").read_text())["finished"]
    assert len(rows(runs / "run")) == 2
    for name in ("best", "last"):
        assert torch.load(runs / f"run/checkpoints/{name}.ckpt", weights_only=True)["state_dict"]
    assert Logged(runs / "run").epochs == rows(runs / "run")[:1], "what came before is there"


def test_the_environment_may_turn_w_and_b_off(start, tiny, runs):  # noqa: F811
    process = start(tiny("fit", *OVERLAY, "--trainer.max_epochs", 1), WANDB_MODE="disabled")
    process.join(250)
    assert process.exitcode == 0, process.log.read_text()
    assert "W&B" not in process.log.read_text()
    assert sorted(path.name for path in (runs / "run").iterdir()) == [
        "checkpoints",
        "config.yaml",
        "metrics.csv",
        "metrics.json",
    ]


def test_names_of_any_letters(spawn, tiny, runs):  # noqa: F811
    name = "odd \u00fc'%#[x]{y}&$ <b>"
    code, output = spawn(tiny("fit", *OVERLAY, "--trainer.max_epochs", 1, name=name), timeout=250)
    assert code == 0, output
    assert "W&B" not in output
    logged = Logged(runs / name)
    assert logged.starts[0].display_name == f"{name}-seed0"
    assert {artifact.type for artifact in logged.artifacts} == {"model", "results"}
