"""Weights from the three kinds of files; whatever does not fit is named, and changes nothing."""

import pytest
import torch

from hybrid_sbir.models import Classifier, StageSpec, create_backbone
from hybrid_sbir.models.published import published_names
from hybrid_sbir.models.weights import save_classifier
from hybrid_sbir.tasks.initial_weights import load_initial_weights


def small(classes=4, seed=0, width=32):
    torch.manual_seed(seed)
    return Classifier(create_backbone([StageSpec("resnet", width, 1)], in_channels=1, stem="tiny"), classes)


def equal(a, b, names=None):
    a, b = a.state_dict(), b.state_dict()
    return all(torch.equal(a[name], b[name]) for name in names or a)


def write(model, path):
    if path.suffix == ".safetensors":
        save_classifier(model, path)
    else:
        torch.save({"state_dict": {f"model.{name}": value for name, value in model.state_dict().items()}}, path)
    return path


@pytest.mark.parametrize("name", ["run.ckpt", "model.safetensors"])
def test_own_files(name, tmp_path):
    source, target = small(), small(seed=1)
    said = load_initial_weights(target, write(source, tmp_path / name), head=True)
    assert equal(source, target)
    assert said.endswith(f"loaded {len(source.state_dict())} of {len(source.state_dict())} tensors")


def test_a_published_file(tmp_path):
    torch.manual_seed(0)
    source = Classifier(create_backbone("resnet26"), 3)
    state = source.state_dict()
    names = published_names(source.backbone)
    torch.save({"state_dict": {f"module.{names[name]}": state[name] for name in state}}, tmp_path / "best.pth")
    target = Classifier(create_backbone("resnet26"), 3)
    load_initial_weights(target, tmp_path / "best.pth", head=True)
    assert equal(source, target)


def test_without_the_head_the_classes_may_differ(tmp_path):
    source, target = small(4), small(7, seed=1)
    head = target.head.weight.clone()
    said = load_initial_weights(target, write(source, tmp_path / "run.ckpt"), head=False)
    assert torch.equal(target.head.weight, head)
    assert equal(source, target, [name for name in source.state_dict() if name.startswith("backbone.")])
    assert "skipped head.bias, head.weight; starting afresh: head.weight, head.bias" in said


@pytest.mark.parametrize(
    ("target", "head", "words"),
    [
        (lambda: small(7), True, r"head\.weight is \(4, .*init_head false"),
        (lambda: small(width=64), False, r"wrong shapes: backbone\.stages\.0"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(target, head, words, tmp_path):
    model = target()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=words):
        load_initial_weights(model, write(small(seed=5), tmp_path / "run.ckpt"), head)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_damaged_run_is_noticed(tmp_path):
    from hybrid_sbir.checkpoint_io import DurableCheckpointIO

    path = tmp_path / "run.ckpt"
    DurableCheckpointIO().save_checkpoint({"state_dict": small().state_dict()}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="is damaged"):
        load_initial_weights(small(), path, head=True)


def test_no_file():
    with pytest.raises(FileNotFoundError, match=r"no checkpoint nowhere\.ckpt"):
        load_initial_weights(small(), "nowhere.ckpt", head=True)
