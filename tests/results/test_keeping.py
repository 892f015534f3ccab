"""Results kept in the repository: what is read back is what was measured; nothing of another run is lost."""

import errno
import json
from pathlib import Path

import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.results import keeping
from hybrid_sbir.results.class_intervals import class_interval
from hybrid_sbir.results.keeping import keep
from hybrid_sbir.results.records import read_run
from hybrid_sbir.results.report import report
from tests.results.run_records import per_class, write_run


def write_tested(runs, name="resnet26-pretrained-modern-seed0/stage3", /, **changes):
    details = {
        "test": per_class(0.123456789, 0.3),
        "test_reranked": per_class(0.2, 0.4) | {"remarks": ["uses the catalogue"]},
    }
    return write_run(runs, name, "retrieval", **{"test.details": details, **changes})


def test_a_kept_run_reads_as_the_run(tmp_path, capsys):
    run = write_tested(tmp_path / "runs")
    main(["keep", str(tmp_path / "runs"), "--into", str(tmp_path / "kept")])
    place = tmp_path / "kept" / "resnet26-pretrained-modern-seed0" / "stage3"
    assert capsys.readouterr().out == f"kept {place}\n"
    assert sorted(path.name for path in place.iterdir()) == ["metrics.csv", "metrics.json"]
    own, kept = read_run(run), read_run(place)
    assert (kept.name, kept.way, kept.scores, kept.curve) == (own.name, own.way, own.scores, own.curve)
    assert class_interval([kept], "test/map") == pytest.approx(class_interval([own], "test/map"), abs=1e-4)


def test_details_are_reduced_and_what_was_left_out_is_named(tmp_path):
    changes = {"confusion": [[0] * 300] * 300, "small": [[1, 2], [3, 4]]}
    run = write_tested(
        tmp_path / "runs",
        **{"test.details": {"test": per_class(1 / 3, 0.3) | changes, "test_expanded": per_class(0.1, 0.2)}},
    )
    keep([run], tmp_path / "kept")
    record = json.loads(next((tmp_path / "kept").rglob("metrics.json")).read_text())
    assert record["test"]["details"]["test"]["per_class"]["class 0"] == {"queries": 10, "map": 0.333333}
    assert record["test"]["details"]["test"]["small"] == [[1, 2], [3, 4]]
    assert "per_class" not in record["test"]["details"]["test_expanded"]
    assert record["reduced"] == ["test.confusion", "test_expanded.per_class"]
    keep([next((tmp_path / "kept").rglob("metrics.json")).parent], tmp_path / "again")
    assert json.loads(next((tmp_path / "again").rglob("metrics.json")).read_text()) == record


def test_no_path_of_this_machine_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = str(tmp_path / "runs/stage2/best.ckpt")
    changes = {"config.model.init_args.init_from": inside, "config.data.init_args.root": "/data/of/somebody"}
    keep([write_tested(tmp_path / "runs", **changes)], tmp_path / "kept")
    text = next((tmp_path / "kept").rglob("metrics.json")).read_text()
    assert '"init_from": "runs/stage2/best.ckpt"' in text
    assert '"root": ".../somebody"' in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"finished": False}, "stopped after 3 of 3 epochs; go on with it (hybrid-sbir fit --ckpt_path last)"),
        ({"test": None, "best": {"val/map": 0.1}}, "not tested yet (hybrid-sbir test)"),
        ({"test": {"details": {}}}, "without a score"),
        ({"name": "../../elsewhere"}, "leads out of the folder"),
    ],
)
def test_what_is_not_ready_is_named_and_the_rest_is_kept(tmp_path, changes, said):
    good = write_tested(tmp_path / "runs", "good-seed0/stage3")
    bad = write_tested(tmp_path / "runs", "bad-seed0/stage3", **changes)
    lines = keep([good, bad, tmp_path / "missing"], tmp_path / "kept")
    assert [line.split(" ")[0] for line in lines] == ["kept", "not", "not"]
    assert lines[1].startswith(f"not kept: {bad}: ")
    assert said in lines[1]
    assert "not there" in lines[2]
    assert len(list(tmp_path.rglob("kept/**/metrics.json"))) == 1
    with pytest.raises(ValueError, match="not kept"):
        keep([bad], tmp_path / "kept")


class TestWhatIsThere:
    def test_of_the_same_run_is_brought_up_to_date(self, tmp_path):
        run = write_tested(tmp_path / "runs")
        (run / "metrics.csv").write_text("epoch,val/loss\n0,nan\n1,inf\n")
        keep([run], tmp_path / "kept")
        record = json.loads((run / "metrics.json").read_text())
        record["test"]["test/seen_map"] = 0.25
        (run / "metrics.json").write_text(json.dumps(record))
        keep([run], tmp_path / "kept")
        place = tmp_path / "kept" / "resnet26-pretrained-modern-seed0" / "stage3"
        assert read_run(place).scores["test/seen_map"] == 0.25

    @pytest.mark.parametrize("changes", [{"wall_time_s": 9.0}, {"seed": 1}, {"data.fingerprint": "bbbb"}])
    def test_of_another_run_stays_unless_one_says_so(self, tmp_path, changes):
        keep([write_tested(tmp_path / "runs")], tmp_path / "kept")
        before = {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*.*")}
        other = write_tested(tmp_path / "again", **changes)
        third = write_tested(tmp_path / "again", "san10_pair-pretrained-modern-seed0/stage3")
        with pytest.raises(
            ValueError, match=r"kept 1; not kept, for another run's result is there \(--overwrite true\)"
        ):
            keep([other, third], tmp_path / "kept")
        assert {path: path.read_bytes() for path in before} == before
        assert (tmp_path / "kept/san10_pair-pretrained-modern-seed0/stage3/metrics.json").exists()
        keep([other], tmp_path / "kept", overwrite=True)
        assert {path: path.read_bytes() for path in before} != before


def test_a_unimodal_result_keeps_what_its_classifier_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(Path("runs/table-4.2/quick"), "resnet26-pre-seed0", **{"best": {"val/top1": 0.4, "val/top5": 0.5}})
    write_run(Path("runs/table-4.3/quick"), "resnet26-pre-seed0", "unimodal")
    keep([Path("runs/table-4.3/quick")], Path("kept"))
    own, kept = (read_run(Path(p) / "resnet26-pre-seed0") for p in ("runs/table-4.3/quick", "kept"))
    (tmp_path / "runs/table-4.2/quick/resnet26-pre-seed0/metrics.json").unlink()
    assert kept.origin["epochs"] == 3
    assert "best" not in kept.origin
    assert read_run(Path("kept/resnet26-pre-seed0")).settings == own.settings
    assert not (tmp_path / "kept/resnet26-pre-seed0/metrics.csv").exists()


def test_a_run_moved_below_another_folder_is_called_by_its_place(tmp_path):
    run = write_run(tmp_path / "runs" / "pretrained", "resnet26")
    keep([tmp_path / "runs"], tmp_path / "kept")
    assert read_run(tmp_path / "kept" / "pretrained" / "resnet26").name == "resnet26"
    assert read_run(run).seed == 0


def test_a_folder_to_keep_in_is_needed(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["keep", str(write_tested(tmp_path / "runs"))])
    assert "add --into experiments/table_4_1/quick" in capsys.readouterr().err


def test_runs_and_kept_results_make_the_same_table(tmp_path):
    for seed in (0, 1):
        write_tested(tmp_path / "runs", f"resnet26-pretrained-modern-seed{seed}/stage3", seed=seed)
    keep([tmp_path / "runs"], tmp_path / "kept")
    kept, own = report([tmp_path / "kept"]), report([tmp_path / "runs"])
    assert kept.replace("20.00 [20.00", "") == own.replace("20.00 [20.00", "")


def test_a_call_cut_off_between_two_files_is_simply_made_again(tmp_path, monkeypatch):
    run, place = write_run(tmp_path / "runs", "a-seed0"), tmp_path / "kept" / "a-seed0"
    monkeypatch.setattr(keeping, "write_durably", cut_off_after_one(keeping.write_durably))
    with pytest.raises(KeyboardInterrupt):
        keep([run], tmp_path / "kept")
    assert len(list(place.iterdir())) == 1
    monkeypatch.undo()
    assert keep([run], tmp_path / "kept") == [f"kept {place}"]
    assert read_run(place).curve == read_run(run).curve


def cut_off_after_one(write):
    written = []

    def writing(path, content):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    return writing


def test_a_full_disk_is_named_with_the_file_and_what_was_kept_stays(tmp_path, monkeypatch, capsys):
    run, place = write_run(tmp_path / "runs", "a-seed0"), tmp_path / "kept" / "a-seed0"
    keep([run], tmp_path / "kept")
    before = (place / "metrics.json").read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hybrid_sbir.durable.os.fsync", full)
    with pytest.raises(SystemExit):
        main(["keep", str(run), "--into", str(tmp_path / "kept")])
    assert f"No space left on device: '{place / 'metrics.csv'}'" in capsys.readouterr().err
    assert sorted(file.name for file in place.iterdir()) == ["metrics.csv", "metrics.json"]
    assert (place / "metrics.json").read_bytes() == before
