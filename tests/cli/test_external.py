"""Other libraries' models from the command line: trained, evaluated, gone on with, searched with, listed."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from torchvision import models as zoo

from hybrid_sbir.models import create_backbone

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
MODELS = ["torchvision:shufflenet_v2_x0_5", "timm:resnet10t", "timm:test_vit@32"]


@pytest.mark.parametrize("name", MODELS)
def test_a_classifier_is_trained_and_scored(name, tiny, call, runs, capsys):
    words = ["--model.init_args.backbone", name, "--model.init_args.stem", "imagenet", "--data.init_args.size", "32"]
    assert call(tiny("fit", *words, "--trainer.max_epochs", "1")) == 0
    assert call(["validate", "--config", str(runs / "run/config.yaml"), "--runs", str(runs), "--name", "run"]) == 0
    assert 0 <= json.loads((runs / "run/metrics.json").read_text())["validate"]["val/top1"] <= 1
    plan = torch.load(runs / "run/checkpoints/last.ckpt", weights_only=True)["classifier"]["plan"]
    assert plan["spec"]["library"] == name.partition(":")[0]


def test_a_librarys_file_starts_a_run(tiny, call, runs, tmp_path, caplog):
    torch.manual_seed(0)
    torch.save(zoo.shufflenet_v2_x0_5(weights=None).state_dict(), tmp_path / "theirs.pth")
    words = ["--model.init_args.backbone", MODELS[0], "--model.init_args.stem", "imagenet"]
    words += ["--data.init_args.size", "32", "--data.init_args.channels", "1"]
    words += ["--model.init_args.init_from", tmp_path / "theirs.pth", "--model.init_args.init_head", "false"]
    with caplog.at_level("INFO"):
        assert call(tiny("fit", *words, "--trainer.max_epochs", "1")) == 0
    assert "the kernels of the three channels were summed for one" in caplog.text


def test_a_stem_without_effect_is_refused_in_words(tiny, call, capsys):
    assert call(tiny("fit", "--model.init_args.backbone", MODELS[0], "--model.init_args.stem", "tiny")) != 0
    assert "has a stem of its own" in capsys.readouterr().err


def test_the_listing_has_a_librarys_models(call, capsys):
    assert call(["models", "--pattern", "torchvision:resnet18", "--classes", "1000"]) == 0
    assert "11,689,512    1.8141" in capsys.readouterr().out


@pytest.mark.parametrize("file", sorted((EXPERIMENTS / "backbones").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_are_read_over_a_base_and_its_data(file, call, capsys):
    files = [EXPERIMENTS / "base/classification.yaml", EXPERIMENTS / "data/embedded.yaml", file]
    assert call(["fit", *(word for each in files for word in ("--config", str(each))), "--print_config"]) == 0
    task = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    assert create_backbone(task["backbone"], width=task["width"], stem=task["stem"]).num_features > 100
