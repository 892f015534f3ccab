"""Runs read back: names taken apart, scores as fractions, what is missing or damaged named, no traceback ever."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_sbir.results.class_intervals import class_interval
from hybrid_sbir.results.records import RecordError, read_run, read_runs
from hybrid_sbir.results.report import report
from hybrid_sbir.results.settings import different
from tests.results.run_records import per_class, record, set_at, write_definition, write_run


def test_a_run_is_read_whole(tmp_path):
    name = "resnet26-pretrained-modern-seed2/stage3"
    details = {"test": per_class(0.1, 0.3)}
    run = read_run(
        write_run(tmp_path, name, "retrieval", seed=2, **{"test.details": details, "best": {"val/map": 0.4}})
    )
    assert (run.name, run.row, run.part, run.seed) == (name, "resnet26-pretrained-modern", "stage3", 2)
    assert (run.kind, run.backbone, run.activation) == ("retrieval", "resnet26", "pre")
    assert run.scores == {"val/map": 0.4, "test/map": 0.1, "test/mrr": 0.3, "test/p10": 0.2}
    assert (run.evaluated["val/map"], run.evaluated["test/map"]) == ("best", "test")
    assert run.details == details
    assert run.curve == [{"epoch": 0, "val/top1": 0.25}, {"epoch": 1}, {"epoch": 2, "val/top1": 0.5}]
    assert (run.finished, run.epochs, run.fingerprint) == (True, 3, "aaaa")


def test_a_later_validation_counts_more_than_the_best_epoch_and_losses_are_no_scores(tmp_path):
    best = {"val/top1": 0.9, "val/top5": 0.95, "val/loss": 0.5, "epoch": 1}
    run = read_run(write_run(tmp_path, "resnet26-pre-seed0", best=best))
    assert run.scores == {"val/top1": 0.5, "val/top5": 0.7}


def test_a_run_that_only_evaluates_has_its_backbone_from_its_name_and_its_classifiers_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs/table-4.2/quick", "san10_pair-post-seed1")
    run = read_run(write_run(tmp_path, "san10_pair-post-seed1", "unimodal"))
    assert (run.kind, run.backbone, run.activation) == ("unimodal", "san10_pair", "post")
    assert (run.finished, run.epochs, run.curve) == (True, 0, [])
    assert run.origin["config"]["trainer"] == {"max_epochs": 3}
    assert run.settings["origin.trainer.max_epochs"] == "3"


def test_runs_are_found_in_folders_of_folders(tmp_path):
    for name in ("a-seed0/stage2", "a-seed0/stage3", "b-seed0/stage3"):
        write_run(tmp_path, name, "retrieval")
    assert [run.name for run in read_runs([tmp_path / "a-seed0", tmp_path / "b-seed0/stage3"])[0]] == [
        "a-seed0/stage2",
        "a-seed0/stage3",
        "b-seed0/stage3",
    ]
    assert [len(part) for part in read_runs([tmp_path])] == [3, 0]


def test_what_is_missing_or_damaged_is_named_with_what_to_do(tmp_path):
    good, cut, bare = (write_run(tmp_path, f"{name}-seed0") for name in ("good", "cut", "bare"))
    (cut / "metrics.json").write_text((cut / "metrics.json").read_text()[:100])
    (bare / "metrics.json").unlink()
    found, problems = read_runs([tmp_path, tmp_path / "missing"])
    assert [run.folder for run in found] == [good]
    assert [problem.split(":")[0] for problem in problems] == [
        str(folder / "metrics.json") for folder in (bare, cut, tmp_path / "missing")
    ]
    assert "not there; give a run's folder, or train it (hybrid-sbir fit)" in problems[0]
    assert "damaged" in problems[1]
    assert "evaluate the run again (hybrid-sbir validate or test), or restore the file" in problems[1]


def test_a_damaged_curve_is_named(tmp_path):
    run = write_run(tmp_path, "a-seed0")
    (run / "metrics.csv").write_text("epoch,val/top1\n0,much\n")
    with pytest.raises(RecordError, match=r"metrics\.csv beside it: could not convert string to float: 'much'"):
        read_run(run)


@pytest.mark.parametrize("score", [64.7, -0.1, float("inf"), float("nan"), 10**400, True, "0.5"])
def test_a_score_that_is_no_fraction_is_damage(tmp_path, score):
    with pytest.raises(RecordError, match=r"validate's val/top1 is .*; a fraction from 0 to 1 was expected"):
        read_run(write_run(tmp_path, "a-seed0", scores={"top1": score, "top5": 0.5}))


class TestARunGivenTwice:
    def test_counts_once(self, tmp_path):
        run = write_run(tmp_path, "a-seed0")
        found, problems = read_runs([run, tmp_path])
        assert len(found) == 1
        assert problems == [f"{run / 'metrics.json'}: repeats seed 0 of {run / 'metrics.json'}, and so does not count"]

    def test_a_kept_copy_is_no_second_measurement(self, tmp_path):
        for place in ("runs", "kept"):
            write_run(tmp_path / place, "a-seed0", seed=0)
        assert len(read_runs([tmp_path / "runs", tmp_path / "kept"])[0]) == 1

    def test_runs_of_other_names_are_told_apart_by_backbone_and_settings_only(self, tmp_path):
        write_run(tmp_path, "mine", **{"config.model.init_args.backbone": "resnet26"})
        write_run(tmp_path, "again", **{"config.model.init_args.backbone": "resnet26"})
        write_run(
            tmp_path, "wider", **{"config.model.init_args.backbone": "resnet26", "config.model.init_args.width": 1}
        )
        assert len(read_runs([tmp_path])[0]) == 2

    def test_rows_of_different_names_with_equal_settings_are_two_rows(self, tmp_path):
        """The second switch of the ablation changes stage 3 only: its stage 2 is the first one's."""
        for row in ("resnet26-pretrained-01-seed0/stage2", "resnet26-pretrained-02-seed0/stage2"):
            write_run(tmp_path, row, "retrieval")
        assert len(read_runs([tmp_path])[0]) == 2


@pytest.mark.parametrize(
    ("path", "value", "alike"),
    [
        ("config.model.init_args.width", 0.5, False),
        ("config.trainer.max_epochs", 9, False),
        ("config.trainer.callbacks", [{"class_path": "lightning.EMAWeightAveraging"}], False),
        ("config.trainer.callbacks", [{"class_path": "lightning.RichProgressBar"}], True),
        ("config.data.init_args.num_workers", 8, True),
        ("config.data.init_args.root", "elsewhere", True),
        ("config.trainer.accelerator", "gpu", True),
        ("config.trainer.devices", 1, True),
        ("device.processes", 2, False),
        ("data.fingerprint", "bbbb", False),
        ("epochs", 2, False),
    ],
)
def test_what_makes_another_way_of_training(tmp_path, path, value, alike):
    one, other = write_run(tmp_path / "1", "a-seed0"), write_run(tmp_path / "2", "a-seed1", seed=1, **{path: value})
    assert (read_run(one).way == read_run(other).way) == alike


def of_two(tmp_path, name, processes, **changes):
    changes = {f"config.{path}": value for path, value in changes.items()}
    return read_run(write_run(tmp_path, name, "retrieval", device={"processes": processes}, **changes))


def test_processes_that_share_a_batch_train_as_one_where_they_act_as_one(tmp_path):
    batch, norm, gather = "data.init_args.batch_size", "trainer.sync_batchnorm", "model.init_args.gather"
    alone = of_two(tmp_path, "a-seed0", 1, **{batch: 64, norm: False, gather: True})
    as_one = of_two(tmp_path, "a-seed1", 2, **{batch: 32, norm: True, gather: True})
    assert alone.settings == as_one.settings
    whole = of_two(tmp_path, "a-seed2", 2, **{batch: 64, norm: True, gather: True})
    assert different([alone.settings, whole.settings]) == ["data.init_args.batch_size"]
    by_itself = of_two(tmp_path, "a-seed3", 2, **{batch: 32, gather: False})
    said = {name: by_itself.settings[name] for name in different([alone.settings, by_itself.settings])}
    own = "each process's 32 samples"
    assert said == {"batch norm over": own, "losses over": own, "model.init_args.gather": "False"}


def test_the_path_to_the_stage_before_differs_by_the_rows_own_names_only(tmp_path):
    def started(name, path):
        return read_run(write_run(tmp_path, name, "retrieval", **{"config.model.init_args.init_from": path}))

    first = started("resnet26-scratch-modern-seed0/stage3", "runs/resnet26-scratch-modern-seed0/stage2/best.ckpt")
    repeat = started("resnet26-scratch-modern-seed1/stage3", "runs/resnet26-scratch-modern-seed1/stage2/best.ckpt")
    hybrid = started("hib_nl_2_2-scratch-modern-seed0/stage3", "runs/hib_nl_2_2-scratch-modern-seed0/stage2/best.ckpt")
    other = started("resnet26-scratch-modern-seed2/stage3", "runs/resnet26-pretrained-modern-seed2/stage2/best.ckpt")
    assert first.way == repeat.way == hybrid.way != other.way


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(content, prefix=""):
    """Dotted paths of everything in a record."""
    for name, value in content.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from paths(value, f"{prefix}{name}.")


def text_or_error(runs, table):
    try:
        return report(runs, table)
    except ValueError as error:
        return str(error)


BASES = {
    kind: record("resnet26-pre-seed0", kind, **{"test.details": {"test": per_class(0.1, 0.3)}, "origin": {"data": {}}})
    for kind in ("classification", "retrieval", "unimodal")
}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_damage_ends_in_a_traceback(tmp_path, data):
    kind = data.draw(st.sampled_from(sorted(BASES)))
    content = json.loads(json.dumps(BASES[kind]))
    for path in data.draw(st.lists(st.sampled_from(sorted(paths(content))), min_size=1, max_size=3, unique=True)):
        try:
            set_at(content, path, data.draw(JSON))
        except (AttributeError, TypeError):
            continue  # its parent was replaced before
    text = json.dumps(content)
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    (run / "metrics.json").write_text(
        text[: data.draw(st.integers(0, len(text)))] if data.draw(st.booleans()) else text
    )
    regime = {
        "trainer.max_epochs": 100,
        "classes": 250,
        "test.queries": 9,
        "origin.classes": 3,
        "data.init_args.size": 9,
    }
    table = write_definition(tmp_path, regime=regime)
    for definition in (None, table):  # all three forms are made, whether they are written or not
        said = text_or_error([run], definition)
        assert "Percent" in said or str(run / "metrics.json") in said


@pytest.mark.parametrize("queries", [10**400, 2**63, -1, 0, 1.5, True, None])
def test_a_number_of_queries_that_none_can_be_gives_no_interval(tmp_path, queries):
    details = {"test": per_class(0.1, 0.3, queries=10)}
    for about in details["test"]["per_class"].values():
        about["queries"] = queries
    run = read_run(write_run(tmp_path, "a-seed0", "retrieval", **{"test.details": details}))
    assert class_interval([run], "test/map") == (None, None)


def test_a_report_is_made_without_pytorch(tmp_path):
    run = write_run(tmp_path, "resnet26-pre-seed0")
    table = write_definition(tmp_path)
    program = (
        "import sys; from hybrid_sbir.cli import main; main(sys.argv[1:]); "
        "print([name for name in ('torch', 'lightning', 'matplotlib') if name in sys.modules])"
    )
    words = ["report", str(run), "--table", str(table)]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
