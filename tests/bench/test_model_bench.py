"""``hybrid-sbir bench models`` and ``bench table``: a file a row, never twice; the table beside the thesis's."""

import json
import shutil
from pathlib import Path

import pytest

from hybrid_sbir.bench import backbones, model_bench
from hybrid_sbir.bench.backbones import TABLE_3_1, Job, measure_memory, measure_time
from hybrid_sbir.bench.machine import Settings, describe
from hybrid_sbir.bench.table import read_reference
from hybrid_sbir.cli import main
from tests.models import thesis_numbers
from tests.test_makefile import plan

THESIS = Path(__file__).parents[2] / "experiments" / "table_3_1" / "thesis.csv"
SMALL = ["--device", "cpu", "--size", "128", "--batch", "2", "--width", "0.125", "--rounds", "1", "--threads", "1"]
SMALL += ["--implementation", "torch"]


def failing(words, capsys, code=1):
    with pytest.raises(SystemExit) as end:
        main(["bench", *words])
    assert end.value.code == code
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def cells(text):
    """The table's cells: a list a row, the columns first."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]


@pytest.fixture
def pretended(monkeypatch):
    """Rows are made up in this process at once; the jobs that were asked for are kept."""
    asked = []

    def measured(function, job, settings):
        if function is measure_memory:
            asked.append(job)
            return {"peak_mib": {"infer": 100.4, "train": None}, "memory": "resident in the process"}
        with settings.applied():
            return {**made_up(job, settings), "peak_mib": None, "memory": None}

    monkeypatch.setattr(model_bench, "in_a_child", measured)
    return asked


def made_up(job, settings=None, relative=1.5, **more):
    timing = {"median": 200.0, "low": 190.0, "high": 210.0, "least": 180.0, "calls": job.rounds}
    way = {"ms": timing, "relative": timing | {"median": relative}, "images_per_second": 10.0}
    return {
        "job": vars(job).copy(),
        "machine": describe((settings or Settings.chosen("cpu")).device),
        "parameters": 12_159_802,
        "macs": 2_340_700_000,
        "peak_mib": {"infer": 100.4, "train": None},
        "memory": "resident in the process",
        "train": way,
        "infer": way,
        **more,
    }


def test_a_row_is_measured_in_a_process_of_its_own(tmp_path, capsys):
    main(["bench", "models", *SMALL, "--variants", "hib_patch_3_1", "--published", "true", "--out", str(tmp_path)])
    files = sorted((tmp_path / "rows").glob("*.json"))
    assert [file.name for file in files] == [
        "hib_patch_3_1-post-float32-128px-batch2-published-width0.125-threads1-cpu.json",
        "hib_patch_3_1-post-float32-128px-batch2-torch-width0.125-threads1-cpu.json",
    ]
    rows = [json.loads(file.read_text()) for file in files]
    assert [row["job"]["published"] for row in rows] == [True, False]
    for row in rows:
        assert row["machine"]["implementation"]["name"] == "torch"
        assert row["machine"]["cpu"]["threads"] == 1
        assert row["parameters"] > 100_000
        assert row["macs"] > 1_000_000
        for way in ("train", "infer"):
            assert row[way]["ms"]["calls"] == row[way]["resnet26_ms"]["calls"] == 1
            own, beside = (row[way][name]["median"] for name in ("ms", "resnet26_ms"))
            assert row[way]["relative"]["median"] == pytest.approx(own / beside, rel=1e-3)
            assert row[way]["images_per_second"] == pytest.approx(2 / own * 1e3, rel=1e-3, abs=0.01)
            assert row["peak_mib"][way] > 0
    assert json.loads((tmp_path / "table.json").read_text()) == rows
    printed = capsys.readouterr().out
    assert (tmp_path / "table.md").read_text() == printed
    assert [row[:2] for row in cells(printed)[1:]] == [["hib_patch_3_1", "ours"], ["hib_patch_3_1", "published"]]


def test_a_backbone_whose_loss_is_not_finite_is_not_recorded(monkeypatch):
    monkeypatch.setattr(backbones, "_RATE", 1e30)
    job = Job("resnet26", size=32, batch=2, width=0.125, rounds=1)
    with pytest.raises(FloatingPointError, match=r"resnet26, float32: the loss is .* after 1 rounds; nothing is re"):
        measure_time(job, Settings.chosen("cpu", threads=1))


def test_what_is_finished_is_not_measured_again(tmp_path, pretended, capsys):
    words = ["bench", "models", *SMALL, "--out", str(tmp_path), "--variants"]
    main([*words, "resnet26"])
    main([*words, "resnet26 san10_pair"])
    assert [job.backbone for job in pretended] == ["resnet26", "san10_pair"]
    assert "resnet26, float32: measured already; delete" in capsys.readouterr().err
    main([*words, "resnet26", "--rounds", "2"])
    assert [job.rounds for job in pretended] == [1, 1, 2]
    (tmp_path / "rows" / "san10_pair-post-float32-128px-batch2-torch-width0.125-threads1-cpu.json").write_text("{")
    main([*words, "san10_pair"])
    assert [job.backbone for job in pretended][3:] == ["san10_pair"]


def test_by_default_the_table_is_the_thesis_s(tmp_path, pretended, capsys):
    main(["bench", "models", "--device", "cpu", "--out", str(tmp_path), "--reference", str(THESIS)])
    assert [job.backbone for job in pretended] == list(TABLE_3_1) == list(thesis_numbers.TABLE_3_1)
    assert {(job.size, job.batch, job.dtype, job.activation) for job in pretended} == {(128, 8, "float32", "post")}
    columns, *rows = cells(capsys.readouterr().out)
    assert columns[:8] == ["backbone", "layout", "params M", "thesis", "GMACs", "thesis", "rel. train", "thesis"]
    san = next(row for row in rows if row[0] == "san10_pair")
    assert san[1:10] == ["ours", "12.16", "8.99", "2.34", "2.15", "1.50", "4.24", "1.50", "3.2"]
    assert san[10:] == ["200", "547", "200", "160", "10.0", "10.0", "-", "100"]


def test_types_stand_in_tables_of_their_own_and_goals_below(tmp_path, pretended, capsys):
    words = ["--dtypes", "bfloat16,float32", "--variants", "san10_pair,hib_patch_2_2", "--published", "true"]
    main(["bench", "models", "--device", "cpu", *words, "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    headings = [line for line in printed.splitlines() if line.startswith("**")]
    assert [("float32" in line, "bfloat16" in line) for line in headings] == [(True, False), (False, True)]
    assert len(cells(printed)) == 2 * (1 + 2 * 2)
    assert printed.count("- san10_pair: 1.50 times ResNet26's training step (goal 2.5: reached)") == 2
    assert printed.count("- hib_patch_2_2: 1.50 times ResNet26's training step (goal 1.3: not reached)") == 2


def test_a_backbone_without_attention_has_no_published_layout(tmp_path, pretended):
    words = ["--variants", "resnet26_nl,hib_pair_3_1", "--published", "true", "--out", str(tmp_path)]
    main(["bench", "models", *SMALL, *words])
    found = [(job.backbone, job.published) for job in pretended]
    assert found == [("resnet26_nl", False), ("hib_pair_3_1", False), ("hib_pair_3_1", True)]


def test_what_cannot_be_measured_is_named_and_the_rest_is_shown(tmp_path, monkeypatch, capsys):
    def child(function, job, settings):
        if job.backbone == "pure_nl":
            raise RuntimeError("out of memory\nat length")
        return made_up(job)

    monkeypatch.setattr(model_bench, "in_a_child", child)
    words = ["models", *SMALL, "--variants", "pure_nl,resnet26", "--out", str(tmp_path)]
    with pytest.raises(SystemExit):
        main(["bench", *words])
    printed, error = capsys.readouterr()
    assert [row[0] for row in cells(printed)[1:]] == ["resnet26"]
    assert "- not in the table: pure_nl, float32: out of memory\n" in printed
    assert "1 of 2 rows could not be measured" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--variants", "resnet27"], "no backbone 'resnet27'; did you mean one of resnet26"),
        (["--device", "tpu"], "no device 'tpu' here; there are: cpu"),
        (["--device", "cpu", "--batch", "0"], "batch is 0; it must be at least 1"),
        (["--device", "cpu", "--size", "0"], "size is 0; it must be at least 1"),
        (["--device", "cpu", "--dtypes", "half"], "no type 'half'; there are: float32"),
        (["--device", "cpu", "--reference", str(Path(__file__))], "not a table of backbone,parameters_millions"),
        (["--device", "cpu", "--reference", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_wrong_numbers_and_names_are_refused_before_anything_is_measured(words, said, tmp_path, pretended, capsys):
    assert said in failing(["models", *words, "--out", str(tmp_path)], capsys)
    assert not pretended


def test_recorded_results_are_printed_again(tmp_path, capsys):
    rows = [made_up(Job("hib_nl_2_2"), relative=0.98), made_up(Job("resnet26"))]
    (tmp_path / "table.json").write_text(json.dumps(rows))
    out = tmp_path / "new" / "table.md"
    main(["bench", "table", str(tmp_path / "table.json"), "--reference", str(THESIS), "--out", str(out)])
    printed = capsys.readouterr().out
    assert out.read_text() == printed
    assert [row[0] for row in cells(printed)[1:]] == ["resnet26", "hib_nl_2_2"]
    assert ", 224 x 224, batch 64, float32, post-activation, operators: " in printed


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no measured rows in"), ("{}", "not a measured row (KeyError: 'train'); delete it")]
)
def test_results_that_are_none_are_refused(content, said, tmp_path, capsys):
    (tmp_path / "rows").mkdir()
    if content:
        (tmp_path / "rows" / "x.json").write_text(content)
    assert said in failing(["table", str(tmp_path)], capsys)


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_measures_the_variants_that_are_named_and_no_others():
    assert "--variants" not in plan("table-3.1", "VENV=nowhere")
    steps = plan("table-3.1", "VENV=nowhere", "VARIANTS=resnet26 san10_pair", "PUBLISHED=1", "BATCH=4", "DEVICE=cpu")
    for words in ("--variants 'resnet26 san10_pair'", "--published true", "--batch '4'", "--device 'cpu'"):
        assert words in steps


def test_the_thesis_s_columns_are_of_its_variants():
    thesis = read_reference(THESIS)
    assert list(thesis) == list(thesis_numbers.TABLE_3_1)
    for name, columns in thesis.items():
        pre, _, _, operations = thesis_numbers.TABLE_3_1[name]
        assert columns["parameters_millions"] == pytest.approx(pre / 1e6, abs=0.013)
        assert columns["gmacs"] == pytest.approx(operations, abs=0.0051)


@pytest.mark.gpu
def test_backbones_are_measured_on_a_gpu(tmp_path, capsys):
    words = ["--device", "cuda", "--variants", "san10_pair", "--published", "true", "--out", str(tmp_path)]
    main(["bench", "models", *SMALL[2:-2], *words])
    rows = json.loads((tmp_path / "table.json").read_text())
    assert sorted((row["job"]["dtype"], row["job"]["published"]) for row in rows) == [
        (dtype, published) for dtype in ("bfloat16", "float32") for published in (False, True)
    ]
    assert all(row["peak_mib"]["train"] > 1 and row["memory"] == "allocated by PyTorch" for row in rows)
    assert len(cells(capsys.readouterr().out)) == 2 * 3
