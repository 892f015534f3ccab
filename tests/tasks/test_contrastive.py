"""Stage 2: its start from classifiers' files, and what it freezes."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn

from hybrid_sbir.models import Classifier, StageSpec, create_backbone, save_classifier
from hybrid_sbir.tasks import ContrastiveTask

STAGES = [StageSpec("resnet", 32, 1), StageSpec("san", 32, 1, "patchwise", 3)]


def task(seed=0, **options):
    torch.manual_seed(seed)
    options = {"backbone": STAGES, "stem": "tiny", "shared_stages": 1, "embedding_size": 8} | options
    return ContrastiveTask(num_classes=4, **options)


def classifier(seed, path, stages=STAGES):
    """A stage-1 file with weights of its own."""
    torch.manual_seed(seed)
    model = Classifier(create_backbone(stages, stem="tiny"), 3)
    if path.suffix == ".safetensors":
        save_classifier(model, path)
    else:
        torch.save({"state_dict": {f"model.{name}": value for name, value in model.state_dict().items()}}, path)
    return model


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("shared_from", ["photo", "sketch", "none"])
def test_the_files_of_stage_1(suffix, shared_from, tmp_path):
    files = {domain: tmp_path / f"{domain}{suffix}" for domain in ("sketch", "photo")}
    models = {domain: classifier(seed, file) for seed, (domain, file) in enumerate(files.items(), 1)}
    started = task(**{f"init_{domain}": str(file) for domain, file in files.items()}, shared_from=shared_from)
    before = {name: value.clone() for name, value in started.model.state_dict().items()}
    said = started.start()
    for domain, branch in (("sketch", started.model.sketch), ("photo", started.model.photo)):
        for name, value in branch.state_dict().items():
            origin = domain if name.startswith(("stem", "stages.0")) else shared_from
            expected = (
                before[f"{domain}.{name}"] if origin == "none" else models[origin].state_dict()[f"backbone.{name}"]
            )
            assert torch.equal(value, expected), name
    assert said.startswith(f"initial weights of sketches from {files['sketch']}, of photos from {files['photo']}")
    assert f"shared from {shared_from}: loaded " in said
    assert "photo_head" in said.partition("starting afresh: ")[2]


def test_one_sample_has_nothing_to_be_compared_with():
    started = task()
    data = SimpleNamespace(batch_size=1)
    started.trainer = SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.FITTING), datamodule=data, callbacks=[])
    with pytest.raises(ValueError, match="batch_size is 1; batch norms and losses of embeddings need 2 or more"):
        started.setup("fit")


def test_smoothing_is_a_share():
    with pytest.raises(ValueError, match=r"label_smoothing is 1\.5; give a share from 0 to below 1"):
        task(label_smoothing=1.5)


def test_without_files_nothing_is_said():
    assert task().start() is None


@pytest.mark.parametrize("freeze", [True, False])
def test_what_is_frozen_at_random_is_said(freeze):
    started = task(freeze_private=freeze)
    started.trainer = SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.FITTING), ckpt_path=None, datamodule=None)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        started.setup("fit")
    assert any("frozen as they are, at random" in str(each.message) for each in said) == freeze


def test_a_classifier_of_another_geometry_is_refused(tmp_path):
    model = Classifier(create_backbone(STAGES, stem="small"), 3)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    about = {"plan": model.plan(), "classes": list("abc"), "data": "a"}
    torch.save({"state_dict": state, "classifier": about}, tmp_path / "small.ckpt")
    file = str(tmp_path / "small.ckpt")
    with pytest.raises(ValueError, match=r"another backbone: stem is \"small\" there and \"tiny\" here"):
        task(init_sketch=file, init_photo=file).start()
    started = task(init_sketch=file, init_photo=file, stem="small")
    assert started.start()
    assert started.trained_on == ("a", "b", "c")


@pytest.mark.parametrize("given", ["init_sketch", "init_photo"])
def test_one_file_only_is_refused(given):
    with pytest.raises(ValueError, match="give both init_sketch and init_photo"):
        task(**{given: "stage1.ckpt"})


def test_what_does_not_fit_is_named_and_changes_nothing(tmp_path):
    classifier(1, tmp_path / "good.ckpt")
    classifier(2, tmp_path / "wide.ckpt", [StageSpec("resnet", 64, 1), *STAGES[1:]])
    started = task(init_sketch=str(tmp_path / "good.ckpt"), init_photo=str(tmp_path / "wide.ckpt"))
    before = {name: value.clone() for name, value in started.model.state_dict().items()}
    with pytest.raises(ValueError, match=r"the classifier of photos has another backbone: .*wrong shapes"):
        started.start()
    assert all(torch.equal(value, before[name]) for name, value in started.model.state_dict().items())
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*gone\.ckpt"):
        task(init_sketch=str(tmp_path / "good.ckpt"), init_photo=str(tmp_path / "gone.ckpt")).start()


@pytest.mark.parametrize(
    ("options", "trains", "normalises_by_batch"),
    [
        ({}, False, False),
        ({"frozen_norms_move": True}, False, True),
        ({"freeze_private": False}, True, True),
    ],
)
def test_what_is_frozen(options, trains, normalises_by_batch):
    model = task(**options).train().model
    private = [model.sketch.stem, model.sketch.stages[0], model.photo.stem, model.photo.stages[0]]
    assert {p.requires_grad for part in private for p in part.parameters()} == {trains}
    assert {part.training for part in private} == {normalises_by_batch}
    shared = [model.sketch.stages[1], model.photo.stages[1], model.sketch_head, model.photo_head]
    assert all(p.requires_grad for part in shared for p in part.parameters())
    assert all(part.training for part in shared)
