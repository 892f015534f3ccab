"""The top level: help without waiting, verbs, and errors of a line."""

import signal
import subprocess
import sys
import time

import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.cli.messages import shorten
from hybrid_sbir.cli.verbs import VERBS


def test_help_answers_at_once_and_names_every_verb():
    start = time.process_time()
    command = [sys.executable, "-X", "importtime", "-m", "hybrid_sbir", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert time.process_time() - start < 1
    assert all(verb in done.stdout for verb in VERBS)
    assert not [line for line in done.stderr.splitlines() if line.endswith((" torch", " lightning", " jsonargparse"))]


def test_version_and_nothing(capsys):
    main(["--version"])
    assert capsys.readouterr().out.startswith("hybrid-sbir ")
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fitt"], "no verb 'fitt'; did you mean 'fit'? there are: fit, validate"),
        (
            ["data", "prepaer"],
            "no verb 'data prepaer'; did you mean 'data prepare'? there are: data prepare, data download",
        ),
        (["data", "fetch"], "there are: data prepare, data download"),
    ],
)
def test_an_unknown_verb_names_the_nearest(words, expected, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("words", [["data"], ["data", "--help"]])
def test_a_family_of_verbs_lists_its_members(words, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert "'data' is one of: data prepare, data download, data draw (each has --help)" in capsys.readouterr().err


def test_models_lists_backbones(capsys):
    main(["models", "--pattern", "hib_patch_2*"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["hib_patch_2_2", "hib_patch_2_2_nl"]


def test_a_reader_that_leaves_early_is_no_error():
    child = subprocess.Popen(
        [sys.executable, "-m", "hybrid_sbir", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.close()  # as `| head -0` does, before anything is printed
    words = child.stderr.read().decode()
    assert child.wait() == 128 + signal.SIGPIPE
    assert not words


def test_a_verb_of_several_runs_takes_them_as_words(tmp_path, capsys):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path / "first"), str(tmp_path / "second"), "--out", str(tmp_path / "t.md")])
    error = capsys.readouterr().err
    assert "first/metrics.json: not there" in error
    assert "second/metrics.json: not there" in error
    assert not (tmp_path / "t.md").exists()


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict", "models", "convert"])
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: hybrid-sbir {verb}")


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (["--config", "nowhere.yaml"], 2, "File does not exist"),
        (["--trainer.max_epochs", "many"], 2, "\"trainer.max_epochs\": Expected a <class 'int'>; Given value: many"),
        (["--model.init_args.bakcbone", "resnet26"], 2, "Option 'bakcbone' is not accepted"),
        (["--model.init_args.activation", "relu"], 2, "['pre', 'post']. Got value: relu"),
        (["--model.init_args.backbone", "resnet27"], 1, "no backbone 'resnet27'; did you mean one of resnet26"),
        (["--data", "Foldr"], 2, "no class 'Foldr'; there are: Folder"),
        (["--model.init_args.lr_scheduler", "cos"], 2, "no class 'cos'"),
        (["--seed_everything", "-1"], 2, "--seed_everything is -1; give 0 or more"),
        (["--name", "../../escaped"], 1, "--name is '../../escaped'; give a folder's name"),
        (["--trainer.overfit_batches", "1"], 1, "overfit_batches"),
        (["--trainer.accelerator", "gpu", "--trainer.devices", "2"], 1, "gpu"),
        (["--trainer.use_distributed_sampler", "true"], 1, "leave it false"),
        (["--checkpoints.every_n_steps", "-1"], 1, "checkpoints.every_n_steps is -1; give 0"),
        (["--data.init_args.root", "nowhere"], 1, "no folder nowhere"),
        (["--ckpt_path", "nowhere.ckpt"], 1, "no checkpoint 'nowhere.ckpt'"),
        (["--ckpt_path", "last", "--overwrite", "true"], 1, "give one of them"),
        (
            ["--model.init_args.lr_scheduler", "cosine", "--trainer.max_epochs", "-1"],
            1,
            "trainer.max_epochs is -1; set it",
        ),
    ],
)
def test_a_wrong_configuration_is_told_in_a_line(options, code, expected, call, tiny, capsys, runs):
    assert call([*tiny("fit"), *options]) == code
    error = capsys.readouterr().err
    message = next(line for line in error.splitlines() if line.startswith("hybrid-sbir fit: error:"))
    assert expected in message
    assert len(message) < 400
    assert "Traceback" not in error
    assert not list(runs.glob("**/*.ckpt"))


def test_a_traceback_can_be_asked_for(call, tiny, monkeypatch):
    monkeypatch.setenv("HYBRID_SBIR_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no backbone 'resnet27'"):
        call([*tiny("fit"), "--model.init_args.backbone", "resnet27"])


def test_shorten_keeps_what_is_wrong():
    long = (
        'Parser key "x":\n  Does not validate against any of the Union subtypes\n  Subtypes: [a]\n  Errors:\n    - Bad'
    )
    assert (
        shorten(long + "\n    - Expected a <class 'NoneType'>\n  Given value: Namespace(a=1)") == 'Parser key "x": Bad'
    )


def test_a_scheduler_is_no_task_and_data_come_before_overlays():
    classes = ["ClassificationTask", "Folder"]
    said = shorten('Parser key "model.init_args.lr_scheduler":\n Expected a dot import path string: cos', classes)
    assert said.endswith("no class 'cos'")
    late = "Problem with given class_path 'lightning.LightningDataModule': Option 'size' is not accepted"
    assert shorten(late, classes).endswith("name the data file (experiments/data/...) before overlays")
