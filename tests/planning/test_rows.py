"""``hybrid-sbir rows``: a command a row, each of which makes that row and nothing else."""

import re
import shlex
import shutil

import pytest
import yaml

from hybrid_sbir.cli import main
from tests.experiment_files import archives
from tests.test_makefile import ROOT, make

TABLE = "tests/planning/table_9_1/table.yaml"


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def rows(capsys):
    def run(*words):
        main(["rows", *words])
        return capsys.readouterr().out.splitlines()

    return run


def test_a_line_a_row_and_seed(rows):
    found = rows(TABLE, "--seeds", "0", "1", "--variants", "small-post", "large-pre")
    assert found == [
        f"make runs/table-9.1/quick/{row}-seed{seed}/.done PRESET=quick VARIANTS={row} SEEDS={seed}"
        for row in ("small-post", "large-pre")
        for seed in (0, 1)
    ]


def test_the_thesis_preset_has_all_rows_of_the_table(rows):
    listed = yaml.safe_load((ROOT / "experiments/table_4_2/table.yaml").read_text())["rows"]
    found = rows("table-4.2", "--preset", "thesis")
    assert [re.search(r"VARIANTS=(\S+)", line)[1] for line in found] == listed
    assert len(rows("table-4.2")) == len((ROOT / "experiments/table_4_2/quick_rows.txt").read_text().split())


def test_how_make_is_called_can_be_said(rows):
    assert rows(TABLE, "--make", "make -C there DATA=/d")[0].startswith("make -C there DATA=/d runs/")


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
@pytest.mark.parametrize("table", ["4.1", "4.2", "4.3", "4.4", "4.4-ablation"])
def test_a_command_makes_its_row_and_no_other(table, rows, tmp_path):
    archives(tmp_path)
    (tmp_path / "simplified.zip").touch()
    number = table[:3].replace(".", "")
    runs = [f"T{each}_RUNS={tmp_path}/{each}" for each in ("41", "42", "43", "44")]
    for line in rows(f"table-{table}", "--seeds", "7")[:2]:
        _, goal, *settings = shlex.split(line)
        goal = goal.replace(f"runs/table-{table[:3]}/quick", f"{tmp_path}/{number}")
        steps = make("-n", goal, *settings, *runs, f"DATA={tmp_path}", "VENV=nowhere").replace("\\\n", " ")
        row = re.search(r"VARIANTS=(\S+)", line)[1]
        touched = set(re.findall(rf"^touch {tmp_path}/\d+/(\S+)/.done", steps, re.MULTILINE))
        own = {name for name in touched if not name.startswith(("pretrained/", "stage1/"))}
        assert own == {f"{row}-seed7{part}" for part in (("/stage2", "/stage3") if number == "44" else ("",))}
        assert f"touch {goal}" in steps
        assert " report " not in steps


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table-9.9"], "no rows of 'table-9.9': .* there are: table-4.1, table-4.2"),
        ([TABLE, "--variants", "tall-pre"], "no variant 'tall-pre' in .*; there are: small-pre, small-post, large-pre"),
        ([TABLE, "--variants", "small-pre", "small:pre"], "variants has small-pre twice; give each once"),
        ([TABLE, "--variants", "[]"], "variants is empty"),
        ([TABLE, "--seeds", "1", "1"], "seeds has 1 twice"),
        ([TABLE, "--seeds", "-1"], "seeds are whole numbers from 0 on, got -1"),
    ],
)
def test_a_wrong_choice_ends_with_words(words, said, rows, capsys):
    with pytest.raises(SystemExit):
        rows(*words)
    assert re.search(said, capsys.readouterr().err)
