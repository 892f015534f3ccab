"""What a run leaves behind, and what the verbs make of it."""

import json

import numpy as np
import pytest
import torch
import yaml

from hybrid_sbir.models.weights import save_classifier
from hybrid_sbir.tasks import ClassificationTask


@pytest.fixture
def finished(call, tiny, runs):
    assert call(tiny("fit")) == 0
    return runs / "run"


def record(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_the_folder_of_a_run(finished):
    files = sorted(str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file())
    assert files == ["checkpoints/best.ckpt", "checkpoints/last.ckpt", "config.yaml", "metrics.csv", "metrics.json"]
    rows = (finished / "metrics.csv").read_text().splitlines()
    assert rows[0] == "epoch,step,lr,train/loss,val/loss,val/top1,val/top5"
    rates = [float(row.split(",")[2]) for row in rows[1:]]
    assert rates == pytest.approx([0.05 * (1 + np.cos(np.pi * epoch / 3)) for epoch in range(3)])
    written = record(finished)
    assert (written["finished"], written["epochs"], written["steps"], written["seed"]) == (True, 3, 18, 0)
    assert written["last"]["epoch"] == 2
    assert written["best"]["val/top1"] == max(float(row.split(",")[5]) for row in rows[1:])
    assert len(written["data"]["fingerprint"]) == 64
    assert written["data"]["classes"] == 3
    assert written["versions"]["torch"] == torch.__version__.split("+")[0]
    assert {"git", "device", "parameters", "wall_time_s", "config"} <= written.keys()
    assert written["config"] == yaml.safe_load((finished / "config.yaml").read_text())


def test_two_runs_of_one_configuration_are_the_same(finished, call, tiny, runs, outcome):
    assert call(tiny("fit", name="again")) == 0
    assert outcome(runs / "again") == outcome(finished)
    assert call(tiny("fit", "--seed_everything", 1, name="other")) == 0
    assert outcome(runs / "other")["weights"] != outcome(finished)["weights"]
    other = torch.load(runs / "other/checkpoints/last.ckpt", weights_only=True)
    assert other["loops"]["fit_loop"]["state_dict"]["combined_loader"][0]["seed"] == 1  # the order has the run's seed


def test_a_run_is_not_overwritten_unless_asked(finished, call, tiny, capsys, outcome):
    before = outcome(finished)
    assert call(tiny("fit")) == 1
    assert "already holds a run (finished, 3 of 3 epochs); continue it with --ckpt_path last" in capsys.readouterr().err
    assert call(tiny("fit", "--ckpt_path", "last")) == 0  # nothing is left to do
    assert outcome(finished) == before
    assert record(finished)["finished"]
    assert call(tiny("fit", "--ckpt_path", "last", "--trainer.max_epochs", 5)) == 1
    assert "cosine ends at epoch 3, but trainer.max_epochs is 5" in capsys.readouterr().err
    assert call([*tiny("fit", "--overwrite", "true"), "--data.init_args.root", "nowhere"]) == 1
    assert call(tiny("fit", "--overwrite", "true", "--model.init_args.init_from", "nowhere.ckpt")) == 1
    assert outcome(finished) == before
    assert call(tiny("fit", "--overwrite", "true", "--trainer.max_epochs", 1)) == 0
    assert record(finished)["epochs"] == 1


def test_the_recorded_configuration_evaluates_the_run(finished, call, capsys):
    fit = record(finished)
    config = ["--config", str(finished / "config.yaml")]
    assert call(["validate", *config]) == 0
    assert call(["test", *config, "--ckpt_path", "last"]) == 0
    both = record(finished)
    assert both["validate"]["checkpoint"].endswith("best.ckpt")
    for name in ("val/top1", "val/top5", "val/loss"):
        assert both["validate"][name] == fit["best"][name]
    assert both["test"]["test/top1"] == fit["last"]["val/top1"]  # the folder has no test part: validation's
    assert {name: both[name] for name in fit} == fit


def test_predictions(finished, call, pictures):
    assert call(["predict", "--config", str(finished / "config.yaml")]) == 0
    with np.load(finished / "predictions.npz") as file:
        saved = dict(file)
    assert saved["index"].tolist() == list(range(13))
    assert saved["label"].tolist() == [0] * 5 + [1] * 5 + [2] * 3
    assert saved["probabilities"].dtype == np.float32
    assert saved["probabilities"].sum(axis=1) == pytest.approx(np.ones(13))
    assert saved["classes"].tolist() == ["class0", "class1", "class2"]
    assert (saved["thumbnails"].shape, saved["thumbnails"].dtype) == ((13, 16, 16, 1), np.uint8)
    assert saved["thumbnail_rows"].tolist() == list(range(13))
    right = saved["probabilities"].argmax(axis=1) == saved["label"]
    assert right.mean() == pytest.approx(record(finished)["best"]["val/top1"])


def test_an_untrained_model_is_not_evaluated(call, tiny, capsys):
    assert call(tiny("validate")) == 1
    assert "no checkpoint in" in capsys.readouterr().err


def test_fine_tuning_with_and_without_the_head(finished, call, tiny, runs, capsys, caplog):
    start = ["--model.init_args.init_from", finished / "checkpoints/last.ckpt", "--trainer.max_epochs", 1]
    frozen = ["--model.init_args.optimizer.init_args.lr", 0]
    assert call(tiny("fit", *start, *frozen, name="with")) == 0
    loaded = [r.getMessage() for r in caplog.records if "initial weights from" in r.getMessage()]
    total = len(torch.load(finished / "checkpoints/last.ckpt", weights_only=True)["state_dict"])
    assert loaded[0].endswith(f"loaded {total} of {total} tensors")
    assert call(tiny("fit", *start, *frozen, "--model.init_args.init_head", "false", name="without")) == 0
    loaded = [r.getMessage() for r in caplog.records if "initial weights from" in r.getMessage()]
    counts = f"loaded {total - 2} of {total} tensors"
    assert loaded[1].endswith(f"{counts}; skipped head.bias, head.weight; starting afresh: head.weight, head.bias")
    old, both, body = (
        torch.load(runs / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("run", "with", "without")
    )
    (finished / "checkpoints/last.ckpt").unlink()
    assert call(["validate", "--config", str(runs / "with/config.yaml")]) == 0  # a run does not need what it came from
    weights = [name for name in old if name.endswith("weight")]
    assert all(torch.equal(old[name], both[name]) for name in weights)
    assert all(torch.equal(old[name], body[name]) == (name != "model.head.weight") for name in weights)


def test_other_weights_are_refused_in_words(finished, call, tiny, capsys):
    start = ["--model.init_args.init_from", finished / "checkpoints/last.ckpt"]
    assert call(tiny("fit", *start, "--model.init_args.width", 0.5, name="narrow")) == 1
    assert "wrong shapes: backbone.stem" in capsys.readouterr().err
    assert call(tiny("fit", *start, "--data.init_args.max_classes", 2, name="fewer")) == 1
    assert "--model.init_args.init_head false" in capsys.readouterr().err
    checkpoint = ["--ckpt_path", finished / "checkpoints/last.ckpt"]
    assert call(tiny("validate", *checkpoint, "--data.init_args.max_classes", 2)) == 1
    assert (
        "trained on 3 classes, the data has 2 (missing in the data: class2; new in the data: none)"
        in capsys.readouterr().err
    )
    assert call(tiny("validate", *checkpoint, "--model.init_args.activation", "post")) == 1
    assert 'holds another backbone: activation is "pre" there and "post" here' in capsys.readouterr().err


def test_a_damaged_checkpoint_is_refused(finished, call, tiny, capsys):
    last = finished / "checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:-3000])
    assert call(tiny("fit", "--ckpt_path", "last")) == 1
    error = capsys.readouterr().err
    assert "last.ckpt" in error
    assert f"whole checkpoints beside it: {finished / 'checkpoints/best.ckpt'}" in error


def test_weights_of_this_package_are_evaluated(tiny, call, runs, tmp_path, finished):
    stages = yaml.safe_load((finished / "config.yaml").read_text())["model"]["init_args"]["backbone"]
    from hybrid_sbir.models import StageSpec

    task = ClassificationTask(3, 1, backbone=[StageSpec(**stage) for stage in stages], stem="tiny")
    saved = torch.load(finished / "checkpoints/best.ckpt", weights_only=True)
    task.load_state_dict(saved["state_dict"])
    save_classifier(task.model, tmp_path / "best.safetensors")
    assert call(tiny("validate", "--model.init_args.init_from", tmp_path / "best.safetensors", name="file")) == 0
    assert record(runs / "file")["validate"]["val/loss"] == record(finished)["best"]["val/loss"]


def test_a_class_without_training_samples_is_named(call, tiny, pictures, tmp_path, capsys):
    import shutil

    root = tmp_path / "lacking"
    shutil.copytree(pictures, root)
    shutil.rmtree(root / "train" / "class1")
    (root / "train" / "class1").mkdir()
    assert call([*tiny("fit"), "--data.init_args.root", str(root)]) == 1
    assert "class1" in capsys.readouterr().err


def test_a_result_survives_a_damaged_record(finished, call):
    damaged = (finished / "metrics.json").read_text()[:-100]
    (finished / "metrics.json").write_text(damaged)
    assert call(["validate", "--config", str(finished / "config.yaml")]) == 0
    assert record(finished)["validate"]["non_finite"] == 0
    assert [p.read_text() for p in finished.glob("metrics.json.damaged-*")] == [damaged]
