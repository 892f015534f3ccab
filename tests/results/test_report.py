"""Runs without a definition: a table a kind, the mean over seeds, what differs between rows, what could not be read."""

import json

import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.results.definition import ReportError
from hybrid_sbir.results.report import report
from tests.results.run_records import per_class, rows, write_run


def scored(runs, name, top1=0.5, **changes):
    return write_run(runs, name, scores={"top1": top1, "top5": top1 + 0.2}, **changes)


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "thesis.csv"
    path.write_text("row,top1,top5\nresnet26-pre,77.45,92.86\n")
    return path


def test_mean_and_deviation_over_seeds_beside_the_published_numbers(tmp_path, reference, capsys):
    runs = [scored(tmp_path, f"resnet26-pre-seed{s}", top1, seed=s) for s, top1 in enumerate((0.5, 0.6))]
    main(["report", *map(str, runs), "--reference", str(reference)])
    assert capsys.readouterr().out == (
        "| run | backbone | activation | n | top-1 | top-1 thesis | difference | top-5 | top-5 thesis | difference "
        "| trained as |\n"
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        "| resnet26-pre | resnet26 | pre | 2 | 55.00 ± 7.07 | 77.45 | \u221222.45 | 75.00 ± 7.07 | 92.86 | \u221217.86 "
        "| (a) |\n"
        "\n"
        "- Percent; mean ± standard deviation over n seeds.\n"
        "- (a) TUBerlin, 50 classes; width 0.25, stem small, 64 x 64 pixels; 3 epochs; data aaaa\n"
    )


def test_runs_of_any_names_are_seeds_of_one_row_where_they_are_trained_alike(tmp_path):
    for seed in range(4):
        scored(tmp_path, f"try {seed}", seed=seed, **{"config.model.init_args.backbone": "resnet26"})
    assert rows(report([tmp_path]))[0][:4] == ["try 0, try 1 and 2 more", "resnet26", "pre", "4"]


def test_a_folder_of_runs_stands_for_its_runs(tmp_path):
    for backbone in ("hib_patch_2_2", "resnet26"):
        scored(tmp_path / "runs", f"{backbone}-pre-seed0")
    assert [row[1] for row in rows(report([tmp_path / "runs"]))] == ["hib_patch_2_2", "resnet26"]


@pytest.mark.parametrize(
    "difference",
    [{"data.fingerprint": "bbbb"}, {"finished": False}, {"epochs": 2}, {"config.model.init_args.label_smoothing": 0.1}],
)
def test_rows_that_cannot_be_compared_carry_different_letters_and_none_is_best(tmp_path, difference):
    runs = [scored(tmp_path, "resnet26-pre-seed0"), scored(tmp_path, "san10_pair-pre-seed0", 0.7, **difference)]
    text = report(runs)
    assert [row[-1] for row in rows(text)] == ["(a)", "(b)"]
    assert "compare with care" in text
    assert "**" not in text


def test_rows_of_one_letter_have_a_best(tmp_path):
    text = report([scored(tmp_path, "resnet26-pre-seed0"), scored(tmp_path, "san10_pair-pre-seed0", 0.7)])
    assert [row[4] for row in rows(text)] == ["50.00", "**70.00**"]
    assert "letters" not in text


def test_the_settings_that_differ_are_named_and_many_are_counted(tmp_path):
    smoothing = {"config.model.init_args.label_smoothing": 0.1}
    text = report([scored(tmp_path, "a-pre-seed0", **smoothing), scored(tmp_path, "b-pre-seed0")])
    assert "- (a) TUBerlin, 50 classes; width 0.25, stem small, 64 x 64 pixels; 3 epochs; data aaaa\n" in text
    assert "data aaaa; model.init_args.label_smoothing not set ((a): 0.1)\n" in text
    many = {f"config.model.init_args.x{i:02d}": i for i in range(11)}
    text = report([scored(tmp_path, "c-pre-seed0"), scored(tmp_path, "d-pre-seed0", **many)])
    assert "model.init_args.x07 7 ((a): not set); 3 more settings differ from (a)'s\n" in text


def test_a_run_that_was_stopped_says_so(tmp_path):
    assert "; 2 of 3 epochs; data" in report([scored(tmp_path, "a-pre-seed0", finished=False, epochs=2)])


def test_kinds_come_apart_a_table_each(tmp_path):
    scored(tmp_path, "resnet26-pre-seed0")
    details = {"test.details": {"test": per_class(0.1, 0.1)}, "test.test_reranked/map": 0.2}
    write_run(tmp_path, "resnet26-scratch-modern-seed0/stage3", "retrieval", **details)
    write_run(tmp_path, "san10_pair-post-seed0", "unimodal")
    write_run(tmp_path, "own-seed0", "hybrid_sbir.tasks.Ours", scores={"p10": 0.25})
    text = report([tmp_path], out=tmp_path / "out" / "all.md")
    titles = [line.strip("*") for line in text.splitlines() if line.startswith("**")]
    assert titles == ["Ours", "classification", "retrieval", "unimodal"]
    assert "| own | own | pre | 1 | 25.00 | (a) |" in text
    assert "| run | backbone | activation | n | mAP | mRR | P@10 | mAP re-ranked* | trained as |" in text
    assert "| 1 | 10.00 [10.00, 10.00] | 30.00 | 20.00 | 20.00 | (a) |" in text
    assert "| san10_pair-post | san10_pair | post | 1 | 10.00 | 30.00 | 20.00 | (a) |" in text
    assert (tmp_path / "out" / "all.tex").read_text().count(r"\begin{table}") == 4


def test_stages_of_the_demo_are_rows_of_their_own(tmp_path):
    for stage, task in (("stage2", "ContrastiveTask"), ("stage3", "TripletTask")):
        write_run(tmp_path, stage, "retrieval", **{"config.model.class_path": f"hybrid_sbir.tasks.{task}"})
    assert [row[0] for row in rows(report([tmp_path]))] == ["stage2", "stage3"]


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(tmp_path):
    good, damaged = scored(tmp_path, "good-pre-seed0"), scored(tmp_path, "damaged-pre-seed0")
    (damaged / "metrics.json").write_text('{"config": ')
    text = report([good, damaged, tmp_path / "missing"])
    assert len(rows(text)) == 1
    assert f"- Left out: {damaged / 'metrics.json'}: damaged (" in text
    assert f"- Left out: {tmp_path / 'missing' / 'metrics.json'}: not there" in text


def test_a_run_without_a_validated_epoch_is_named(tmp_path):
    run = write_run(tmp_path, "a-pre-seed0", best=None, validate=None)
    with pytest.raises(ReportError, match="no epoch has been validated, nothing tested: go on with it or evaluate it"):
        report([run])
    assert "no epoch has been validated" in report([run, scored(tmp_path, "b-pre-seed0")])


def test_without_a_run_there_is_no_table(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["report", str(tmp_path / "nowhere")])
    assert end.value.code == 1
    assert "nowhere/metrics.json: not there" in capsys.readouterr().err


def test_a_damaged_reference_is_named(tmp_path, reference):
    reference.write_text("backbone,top1\nresnet26,77\n")
    with pytest.raises(ReportError, match=r"thesis.csv: columns backbone; the table has row, top1, top5"):
        report([scored(tmp_path, "r-pre-seed0")], reference=reference)


def test_the_table_is_written_whole(tmp_path):
    text = report([scored(tmp_path, "r-pre-seed0")], out=tmp_path / "new" / "table.md")
    assert (tmp_path / "new" / "table.md").read_text() == text
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["table.csv", "table.md", "table.tex"]


def test_a_hybrid_of_ones_own_is_called_by_its_run(tmp_path):
    run = scored(tmp_path, "mine")
    record = json.loads((run / "metrics.json").read_text())
    record["config"]["model"]["init_args"]["backbone"] = [{"kind": "resnet", "width": 256}]
    (run / "metrics.json").write_text(json.dumps(record))
    assert rows(report([run]))[0][:2] == ["mine", "mine"]
