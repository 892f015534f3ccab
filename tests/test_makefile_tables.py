"""The tables by make: what is trained, in which folders, from which settings, and what is refused before it begins."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import experiment_files as files
from tests.test_makefile import make, plan

ROOT = Path(__file__).parents[1]
TABLES = ("4.1", "4.2", "4.3", "4.4")
DONE_BY = {"4.1": "fit", "4.2": "fit", "4.3": "test", "4.4": "fit"}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def folder(table):
    return ROOT / "experiments" / f"table_{table.replace('.', '_')}"


def listed(table):
    return yaml.safe_load((folder(table) / "table.yaml").read_text())["rows"]


@pytest.fixture
def elsewhere(tmp_path):
    """Words that put runs into a folder without any, so that nothing counts as done, and DATA into one of archives."""
    files.archives(tmp_path)
    (tmp_path / "simplified.zip").touch()
    runs = [f"T{table.replace('.', '')}_RUNS={tmp_path}/{table}" for table in TABLES]
    return [*runs, f"DATA={tmp_path}", "VENV=nowhere"]


def lines(text, verb):
    """Words of each call of a verb."""
    whole = text.replace("\\\n", " ").splitlines()
    return [line.split()[2:] for line in whole if line.startswith(f"nowhere/bin/hybrid-sbir {verb} ")]


def value(words, option):
    return words[words.index(option) + 1]


def trained(text, verb="fit"):
    return [f"{value(words, '--runs')}/{value(words, '--name')}" for words in lines(text, verb)]


@pytest.mark.parametrize("preset", ["quick", "thesis"])
@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_every_row_with_every_seed_and_a_report(table, preset, elsewhere, tmp_path):
    steps = plan(f"table-{table}", f"PRESET={preset}", "SEEDS=0 3", *elsewhere)
    own = folder(table) / f"{preset}_rows.txt"
    rows = own.read_text().split() if own.exists() else listed(table)
    assert set(rows) <= set(listed(table))
    last = "/stage3" if table == "4.4" else ""
    folders = [
        run for run in trained(steps, DONE_BY[table]) if run.startswith(f"{tmp_path}/{table}/") and run.endswith(last)
    ]
    expected = [f"{tmp_path}/{table}/{row}-seed{seed}{last}" for row in rows for seed in (0, 3)]
    assert sorted(f for f in folders if "/stage1/" not in f and "/pretrained/" not in f) == sorted(expected)
    assert len(trained(steps)) == len(set(trained(steps))), "two runs in one folder"
    for run in expected:
        assert f"touch {run}/.done" in steps
    report = lines(steps, "report")[-1]
    assert value(report, "--table") == f"experiments/table_{table.replace('.', '_')}/table.yaml"
    assert value(report, "--out") == f"{tmp_path}/{table}/table.md"


def test_what_is_finished_is_not_done_again(elsewhere, tmp_path):
    words = ["table-4.3", "VARIANTS=resnet26-pre san10_pair-pre", "SEEDS=0 1", *elsewhere]
    for run in ("4.2/resnet26-pre-seed0", "4.3/resnet26-pre-seed0", "4.2/san10_pair-pre-seed1"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / ".done").touch()
    steps = plan(*words)
    assert sorted(trained(steps)) == [f"{tmp_path}/4.2/resnet26-pre-seed1", f"{tmp_path}/4.2/san10_pair-pre-seed0"]
    tested = [f"{tmp_path}/4.3/{run}" for run in ("resnet26-pre-seed1", "san10_pair-pre-seed0", "san10_pair-pre-seed1")]
    assert sorted(trained(steps, "test")) == tested


def test_table_4_3_tests_the_classifier_of_its_name(elsewhere, tmp_path):
    steps = plan("table-4.3", "VARIANTS=hib_patch_2_2-post", *elsewhere)
    (words,) = lines(steps, "test")
    assert (
        value(words, "--model.init_args.init_from") == f"{tmp_path}/4.2/hib_patch_2_2-post-seed0/checkpoints/best.ckpt"
    )
    assert steps.index(" fit ") < steps.index(" validate ") < steps.index(" test ") < steps.index(" report ")


@pytest.mark.parametrize(("table", "row", "epochs"), [("4.1", "post", 100), ("4.2", "post", 40), ("4.2", "pre", 50)])
def test_the_thesis_preset_is_the_theses_regime(table, row, epochs, elsewhere):
    (words,) = lines(plan(f"table-{table}", "PRESET=thesis", f"VARIANTS=resnet26-{row}", *elsewhere), "fit")
    settings = files.settings(words)
    data, model = settings["data"]["init_args"], settings["model"]["init_args"]
    assert (data["size"], data["batch_size"], data["max_classes"]) == (224, 64, None)
    assert (model["activation"], model["width"], model["stem"]) == (row, 1.0, "imagenet")
    assert settings["trainer"]["max_epochs"] == epochs
    assert settings["trainer"]["accelerator"] == "auto"


@pytest.mark.parametrize("table", ["4.1", "4.2"])
def test_the_quick_preset_cuts_size_width_and_epochs_only(table, elsewhere):
    """As its README says; the optimiser, its rate and the batch stay the thesis's."""
    made = [
        lines(plan(f"table-{table}", f"PRESET={p}", "VARIANTS=resnet26-pre", *elsewhere), "fit")
        for p in ("quick", "thesis")
    ]
    quick, thesis = (files.settings(words) for (words,) in made)
    assert quick["model"]["init_args"] | {"stem": "imagenet", "width": 1.0} == thesis["model"]["init_args"]
    changed = {name for name, found in quick["data"]["init_args"].items() if found != thesis["data"]["init_args"][name]}
    assert changed == {"size", "max_classes", "num_workers", "pack"}
    assert quick["trainer"]["precision"] == "bf16-mixed"


def test_devices_share_the_batch(elsewhere):
    (words,) = lines(
        plan("table-4.1", "VARIANTS=resnet26-pre", "PRESET=thesis", "DEVICES=4", "ACCELERATOR=gpu", *elsewhere), "fit"
    )
    settings = files.settings(words)
    trainer = {name: settings["trainer"][name] for name in ("devices", "strategy", "sync_batchnorm", "accelerator")}
    assert trainer == {"devices": "4", "strategy": "ddp", "sync_batchnorm": True, "accelerator": "gpu"}
    assert settings["data"]["init_args"]["batch_size"] == 16
    steps = plan("table-4.4", "VARIANTS=resnet26-pretrained-modern", "PRESET=thesis", "DEVICES=2", *elsewhere)
    shares = [value(words, "--data.init_args.batch_size") for words in lines(steps, "fit")]
    assert shares == ["128", "32", "32", "64", "64"]  # of 256, 64, 64, 128, 128
    quick = lines(plan("table-4.1", "VARIANTS=resnet26-pre", "DEVICES=2", *elsewhere), "fit")[0]
    assert "--trainer.sync_batchnorm" not in quick, "there is none on a CPU"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["VARIANTS=resnet27-pre"], r"no variant 'resnet27-pre' here; there are: .*resnet26-pre"),
        (["VARIANTS="], r"VARIANTS is empty; leave it out, or choose from: .*resnet26-pre"),
        (["VARIANTS=resnet26-pre resnet26:pre"], r"VARIANTS has resnet26-pre twice"),
        (["SEEDS="], r"SEEDS is empty"),
        (["SEEDS=0 1 0"], r"SEEDS has 0 twice"),
        (["SEEDS=0 one"], r"SEEDS must be whole numbers, got '0 one'"),
        (["PRESET=full"], r"no preset 'full'; there are: quick .*, thesis"),
        (["DEVICES=3"], r"DEVICES=3: a batch of 64 is shared by 1, 2, 4"),
    ],
)
@pytest.mark.parametrize("target", ["table-4.1", "tables", "plan-4.1"])
def test_a_wrong_choice_ends_with_words(target, words, said, elsewhere):
    with pytest.raises(AssertionError, match=said):
        plan(target, *words, *elsewhere)


def test_all_tables_make_the_variants_that_they_have(elsewhere):
    steps = plan("tables", "VARIANTS=resnet26-pre hib_patch_2_2_nl-scratch-modern", *elsewhere)
    runs = [Path(run).relative_to(Path(elsewhere[-2].removeprefix("DATA="))) for run in trained(steps)]
    assert {run.parts[0] for run in runs} == {"4.1", "4.2", "4.4"}
    assert {run.parts[1] for run in runs if run.parts[0] != "4.4"} == {"resnet26-pre-seed0"}
    (measured,) = lines(steps, "bench")
    assert " ".join(measured).count("'hib_patch_2_2_nl resnet26'") == 1
    assert [value(words, "--out").split("/")[-2] for words in lines(steps, "report")] == ["4.1", "4.2", "4.3", "4.4"]


def test_table_3_1_is_measured_as_the_preset_says():
    (quick,), (thesis,) = (
        lines(plan("table-3.1", f"PRESET={p}", "VENV=nowhere"), "bench") for p in ("quick", "thesis")
    )
    assert "--size" not in quick
    assert (value(thesis, "--size"), value(thesis, "--batch")) == ("'224'", "'64'")


@pytest.mark.parametrize(
    ("target", "archive"),
    [("table-4.1", "sketches_png.zip"), ("table-4.2", "simplified.zip"), ("table-4.4", "sketchy_85.zip")],
)
def test_a_missing_archive_is_named_before_anything_is_trained(target, archive, elsewhere, tmp_path):
    (tmp_path / archive).unlink()
    nothing = tmp_path / "prepared"
    words = [target, *elsewhere, f"ROOT={nothing}", f"TU_BERLIN={nothing}/tu", f"QUICKDRAW={nothing}/qd"]
    if target == "table-4.4":  # one that this checkout may have prepared: ask make to make it anyway
        words += ["-W", "nothing", "-B"]
    steps = plan(*words, "-o", "setup")
    assert f"no {archive} in DATA={tmp_path}" in steps
    assert steps.index(f"no {archive}") < steps.index(" fit ")


def test_several_that_stand_on_one_run_make_it_one_after_the_other(tmp_path):
    """Two tables ask for the same classifier at the same time: its commands never overlap."""
    fake = tmp_path / "fake.sh"
    fake.write_text(
        "#!/bin/bash\nverb=$1\n"
        'while [ $# -gt 1 ]; do [ "$1" = --runs ] && runs=$2; [ "$1" = --name ] && name=$2; shift; done\n'
        f'mkdir -p "$runs/$name"; echo "begin $verb" >> {tmp_path}/log; sleep 0.4; echo "end $verb" >> {tmp_path}/log\n'
    )
    fake.chmod(0o755)
    nothing = [f"T42_RUNS={tmp_path}/4.2", f"T43_RUNS={tmp_path}/4.3", f"QUICKDRAW={fake}", f"RUN={fake}"]
    words = ["make", "-s", "-o", "setup", "VARIANTS=resnet26-pre", "SEEDS=0", *nothing]
    goals = [f"{tmp_path}/{table}/resnet26-pre-seed0/.done" for table in ("4.2", "4.3")]
    started = [subprocess.Popen([*words, goal], cwd=ROOT) for goal in goals]
    assert [each.wait(60) for each in started] == [0, 0]
    events = (tmp_path / "log").read_text().split("\n")[:-1]
    assert {event.split()[1] for event in events} == {"fit", "validate", "test"}
    assert [event.split()[0] for event in events] == ["begin", "end"] * (len(events) // 2)


@pytest.mark.parametrize("table", TABLES)
def test_a_plan_passes_on_what_was_asked_for(table):
    words = [
        f"plan-{table}",
        "VENV=nowhere",
        "PRESET=thesis",
        "SEEDS=1 2",
        "DATA=d",
        "DEVICES=2",
        "VARIANTS=" + listed(table)[0],
    ]
    (planned,) = lines(plan(*words), "plan")
    said = " ".join(planned)
    assert said.startswith(f"table-{table} --preset thesis --seeds 1 2 --variants {listed(table)[0]} ")
    assert re.search(r"--make 'make DATA=\"d\" DEVICES=\"2\" *'", said)


def test_old_names_of_variants_still_work(elsewhere):
    """``resnet26:pre``, as the first Makefile had it."""
    assert trained(plan("table-4.1", "VARIANTS=resnet26:pre", *elsewhere))[0].endswith("/resnet26-pre-seed0")


def test_the_help_names_the_tables_and_plans():
    said = make("help")
    assert all(f"  {verb}-{table} " in said for verb in ("table", "plan") for table in TABLES)
