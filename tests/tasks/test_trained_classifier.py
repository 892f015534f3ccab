"""Classifiers from their files, built as these say."""

from dataclasses import asdict

import pytest
import torch

from hybrid_sbir.checkpoint_io import DurableCheckpointIO
from hybrid_sbir.models import Classifier, StageSpec, create_backbone
from hybrid_sbir.models.published import published_names
from hybrid_sbir.models.weights import save_classifier
from hybrid_sbir.tasks.trained_classifier import load_trained

STAGES = [StageSpec("resnet", 32, 1), StageSpec("san", 64, 1, "pairwise", 3)]


def small(seed=0, **options):
    torch.manual_seed(seed)
    return Classifier(create_backbone(STAGES, **{"in_channels": 1, "stem": "tiny", **options}), 4)


def plan(model):
    backbone = model.backbone
    return {"spec": asdict(backbone.spec), "options": backbone.options(), "num_classes": model.num_classes}


def write_run(model, path, classes=("a", "b", "c", "d")):
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    checkpoint = {"state_dict": state, "classifier": {"plan": plan(model), "classes": list(classes), "data": "x"}}
    DurableCheckpointIO().save_checkpoint(checkpoint, path)
    return path


def same(a, b):
    image = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return torch.equal(a.eval()(image), b.eval()(image))


@pytest.mark.parametrize("options", [{"activation": "pre"}, {"activation": "post", "width": 0.5, "stem": "small"}])
def test_a_runs_checkpoint_says_all_that_is_needed(options, tmp_path):
    model = small(**options)
    found = load_trained(write_run(model, tmp_path / "best.ckpt"))
    assert same(found.model, model)
    assert not found.model.training
    assert found.classes == ("a", "b", "c", "d")


def test_of_a_runs_folder_the_best_then_the_last(tmp_path):
    last, best = small(1), small(2)
    write_run(last, tmp_path / "run/checkpoints/last.ckpt")
    assert same(load_trained(tmp_path / "run").model, last)
    write_run(best, tmp_path / "run/checkpoints/best.ckpt")
    found = load_trained(tmp_path / "run")
    assert same(found.model, best)
    assert found.path == tmp_path / "run/checkpoints/best.ckpt"


def test_a_file_of_this_package(tmp_path):
    model = small()
    save_classifier(model, tmp_path / "model.safetensors")
    found = load_trained(tmp_path / "model.safetensors")
    assert same(found.model, model)
    assert found.classes == ()


@pytest.mark.parametrize("name", ["best.pth", "best.safetensors"])
def test_a_published_file(name, tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = Classifier(create_backbone("resnet26", in_channels=1, activation="post"), 3)
    names = published_names(model.backbone)
    state = {names[key]: value for key, value in model.state_dict().items()}
    if name.endswith(".pth"):
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / name)
    else:
        save_file(state, tmp_path / name)
    found = load_trained(tmp_path / name).model
    assert found.backbone.activation == "post"
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found(image), model.eval()(image))


def test_what_is_no_classifier_is_refused_in_words(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_trained(tmp_path / "nothing.ckpt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no checkpoint of a run in .*neither .*best.ckpt nor last.ckpt"):
        load_trained(tmp_path / "empty")
    DurableCheckpointIO().save_checkpoint({"state_dict": small().state_dict(), "epoch": 3}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"does not say which classifier it holds \(it has epoch\)"):
        load_trained(tmp_path / "other.ckpt")


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path):
    model = small()
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    del state["model.head.bias"]
    described = {"plan": plan(model), "classes": [], "data": None}
    DurableCheckpointIO().save_checkpoint({"state_dict": state, "classifier": described}, tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match=r"missing head\.bias"):
        load_trained(tmp_path / "x.ckpt")
