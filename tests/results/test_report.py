"""Runs beside published numbers: the mean over seeds, what differs between rows, and what could not be read."""

import json

import pytest

from hybrid_sbir.results.report import ReportError, report


def write_run(folder, backbone="resnet26", seed=0, top1=0.5, epochs=3, data="aaaa", smoothing=0.1, **record):
    model = {"backbone": backbone, "activation": "pre", "width": 0.25, "stem": "small", "label_smoothing": smoothing}
    config = {"model": {"init_args": model}, "data": {"init_args": {"size": 64}}}
    content = {
        "name": folder.name,
        "config": config,
        "seed": seed,
        "data": {"module": "TUBerlin", "classes": 50, "fingerprint": data},
        "epochs": epochs,
        "max_epochs": 3,
        "finished": epochs == 3,
        "best": {"val/top1": top1, "val/top5": top1 + 0.2},
    }
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(content | record))
    return folder


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "thesis.csv"
    path.write_text("backbone,activation,top1,top5\nresnet26,pre,77.45,92.86\n")
    return path


def rows(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_mean_and_deviation_over_seeds_beside_the_published_numbers(tmp_path, reference, capsys):
    runs = [write_run(tmp_path / f"r{s}", seed=s, top1=top1) for s, top1 in enumerate((0.5, 0.6))]
    text = report(runs, reference)
    assert capsys.readouterr().out == text
    assert rows(text)[2] == ["resnet26", "pre", "55.00 ± 7.07", "75.00 ± 7.07", "2", "77.45", "92.86", "(a)"]
    assert "- (a) TUBerlin, 50 classes; width 0.25, stem small, 64 x 64 pixels; 3 epochs; data aaaa" in text


def test_a_folder_of_runs_stands_for_its_runs(tmp_path):
    for backbone in ("hib_patch_2_2", "resnet26"):
        write_run(tmp_path / "runs" / backbone, backbone)
    assert [row[0] for row in rows(report([tmp_path / "runs"]))[2:]] == ["hib_patch_2_2", "resnet26"]


def test_a_separate_validation_counts_more_than_the_best_epoch(tmp_path):
    run = write_run(tmp_path / "r", validate={"val/top1": 0.25, "val/top5": 0.75})
    assert rows(report([run]))[2][2:4] == ["25.00", "75.00"]


@pytest.mark.parametrize("difference", [{"data": "bbbb"}, {"epochs": 2}, {"smoothing": 0.0}])
def test_rows_that_cannot_be_compared_carry_different_letters(tmp_path, difference):
    text = report([write_run(tmp_path / "a"), write_run(tmp_path / "b", **difference)])
    assert [row[-1] for row in rows(text)[2:]] == ["(a)", "(b)"]
    assert "compare with care" in text


def test_the_settings_that_differ_are_named(tmp_path):
    text = report([write_run(tmp_path / "a"), write_run(tmp_path / "b", smoothing=0.0)])
    assert "- (a) TUBerlin, 50 classes; width 0.25, stem small, 64 x 64 pixels; 3 epochs; data aaaa; " in text
    assert "model.init_args.label_smoothing 0.1\n- (b) " in text


def test_a_seed_counts_once(tmp_path):
    first, again = write_run(tmp_path / "a", top1=0.5), write_run(tmp_path / "b", top1=0.7)
    text = report([first, again, first])
    assert rows(text)[2][2:5] == ["50.00", "70.00", "1"]
    assert text.count("repeats seed 0 of") == 2


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(tmp_path):
    good, damaged = write_run(tmp_path / "good"), write_run(tmp_path / "damaged")
    (damaged / "metrics.json").write_text('{"config": ')
    text = report([good, damaged, tmp_path / "missing"])
    assert len(rows(text)) == 3
    assert f"not in the table: {damaged / 'metrics.json'}: not a finished run's record" in text
    assert f"{tmp_path / 'missing' / 'metrics.json'}: not there" in text


def test_a_run_without_a_validated_epoch_is_named(tmp_path):
    with pytest.raises(ReportError, match="no epoch has been validated"):
        report([write_run(tmp_path / "r", best=None)])


def test_a_damaged_reference_is_named(tmp_path, reference):
    reference.write_text("backbone,top1\nresnet26,77\n")
    with pytest.raises(ReportError, match=r"thesis.csv: not a table of backbone,activation,top1,top5"):
        report([write_run(tmp_path / "r")], reference)


def test_the_table_is_written_whole(tmp_path):
    text = report([write_run(tmp_path / "r")], out=tmp_path / "new" / "table.md")
    assert (tmp_path / "new" / "table.md").read_text() == text
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["table.md"]
