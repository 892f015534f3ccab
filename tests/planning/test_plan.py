"""``hybrid-sbir plan``: a few real steps of each kind of run, and what they say of the whole."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.callbacks.step_clock import Pace
from hybrid_sbir.cli import main
from tests.test_makefile import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
TABLE = "tests/planning/table_9_1/table.yaml"


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def pictures(tmp_path):
    """Two classes of ten pictures: 16 to train with, 4 to validate."""
    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8) // (2 if name == "dark" else 1)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture
def plan(capsys, pictures, tmp_path):
    def run(*words, make=""):
        made = f"make -f tests/planning/table_9_1/tiny.mk PICTURES={pictures} RUNS={tmp_path}/runs {make}"
        main(["plan", TABLE, *words, "--make", made])
        return capsys.readouterr()

    return run


def test_every_run_is_estimated_and_nothing_is_left_behind(plan, tmp_path):
    out, err = plan("--seeds", "0", "5", "--variants", "small-pre", "large-pre")
    runs = [f"{row}-seed{seed}" for row in ("small-pre", "large-pre") for seed in (0, 5)]
    lines = out.splitlines()
    assert [Path(line.split()[0]).name for line in lines[:4]] == runs
    assert all(line.endswith(" s") and "  3 epochs x 4 steps x " in line for line in lines[:4])
    assert re.match(r"table-9.1 quick: 4 runs, +[\d.]+ min one after the other, [\d.]+ GB on disk", lines[4])
    measured = re.findall(r"measuring fit \S+/(\S+)", err)
    assert measured == ["small-pre-seed0", "large-pre-seed0"], "a size is measured once, whatever the seed"
    assert not (tmp_path / "runs").exists()


def test_what_is_finished_costs_nothing(plan, tmp_path):
    for row in ("small-pre", "small-post"):
        (tmp_path / "runs" / f"{row}-seed0").mkdir(parents=True)
        (tmp_path / "runs" / f"{row}-seed0" / ".done").touch()
    out, _ = plan("--variants", "small-pre", "small-post")
    assert out.strip() == "table-9.1 quick: nothing is left to do, all 2 rows are finished"
    out, _ = plan("--variants", "small-pre", "large-pre")
    assert "1 run," in out
    assert "small-pre" not in out


def test_pre_and_post_activation_are_one_kind(plan):
    out, err = plan("--variants", "small-pre", "small-post")
    assert err.count("measuring") == 1
    assert "small-post-seed0" in out


def test_data_that_is_not_prepared_is_said(plan, capsys):
    with pytest.raises(SystemExit):
        plan(make="READY=unprepared")
    assert "first: hybrid-sbir data prepare folder --archive there" in capsys.readouterr().err


def test_makes_refusal_is_passed_on(plan, capsys):
    with pytest.raises(SystemExit):
        plan(make="READY=no_such_file")
    assert re.search("make has no plan for table-9.1: .*No rule to make target", capsys.readouterr().err)


def test_the_estimate_counts_the_steps_that_the_run_makes(plan, pictures, tmp_path):
    out, _ = plan("--variants", "large-pre")
    epochs, steps = re.search(r"(\d+) epochs x (\d+) steps x [\d.]+ s", out).groups()
    words = ["--config", "tests/conf/tiny.yaml", "--data.init_args.root", str(pictures), "--name", "real"]
    main(["fit", *words, "--runs", str(tmp_path / "real"), "--model.init_args.width", "1.0"])
    record = (tmp_path / "real" / "real" / "metrics.csv").read_text().splitlines()
    assert len(record) - 1 == int(epochs)
    assert record[-1].split(",")[1] == str(int(epochs) * int(steps))


def test_seconds_add_up():
    pace = Pace(epochs=3, steps=10, step_s=0.5, batches=[4, 2], batch_s=[0.25, 1.0], start_s=7.0)
    assert pace.evaluation_s == 3.0
    assert pace.seconds == 7.0 + 3 * (5.0 + 3.0)
    assert Pace(batches=[4], batch_s=[0.25], start_s=1.0).seconds == 2.0


def test_the_trainer_is_not_needed_to_list_rows():
    """A login node lists rows in a moment."""
    code = f"import sys; from hybrid_sbir.cli import main; main(['rows', '{TABLE}']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
