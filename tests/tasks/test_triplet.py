"""Stages 3 and 4: their start from the stage before, and whose parameters the optimiser holds."""

from types import SimpleNamespace

import pytest
import torch

from hybrid_sbir.checkpoint_io import DurableCheckpointIO
from hybrid_sbir.models import StageSpec
from hybrid_sbir.tasks import ContrastiveTask, TripletTask

STAGES = [StageSpec("resnet", 32, 1), StageSpec("san", 32, 1, "patchwise", 3)]


def task(kind=TripletTask, seed=0, classes=4, **options):
    torch.manual_seed(seed)
    options = {"backbone": STAGES, "stem": "tiny", "shared_stages": 1, "embedding_size": 8} | options
    return kind(num_classes=classes, **options)


@pytest.fixture
def stage2(tmp_path):
    """The task of stage 2 and its file, as a run writes it."""
    before = task(ContrastiveTask, seed=1)
    path = tmp_path / "stage2.ckpt"
    DurableCheckpointIO().save_checkpoint({"state_dict": before.state_dict()}, path)
    return before, path


def test_all_of_stage_2_is_taken(stage2):
    before, path = stage2
    started = task(init_from=str(path))
    said = started.start()
    expected = before.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in started.model.state_dict().items())
    assert said == f"initial weights from {path}: loaded {len(expected)} tensors; none starts afresh"
    assert all(p.requires_grad for p in started.model.parameters())


def test_other_classes_take_all_but_their_scores(stage2):
    before, path = stage2
    with pytest.raises(ValueError, match=r"classifier\.weight is \(4, 8\) .*init_classifier false"):
        task(classes=7, init_from=str(path)).start()
    started = task(classes=7, init_from=str(path), init_classifier=False)
    scores = started.model.sketch_head.classifier.weight.clone()
    said = started.start()
    expected = before.model.state_dict()
    taken = [name for name in expected if "classifier" not in name]
    own = started.model.state_dict()
    assert all(torch.equal(own[name], expected[name]) for name in taken)
    assert torch.equal(started.model.sketch_head.classifier.weight, scores)
    assert said.endswith(
        f"loaded {len(taken)} tensors; starting afresh: 1 of sketch_head, 1 of photo_head; "
        "skipped 1 of sketch_head, 1 of photo_head"
    )


@pytest.mark.parametrize("options", [{"embedding_size": 9}, {"head": "published"}, {"width": 2.0}])
def test_another_model_is_refused(options, stage2):
    started = task(init_from=str(stage2[1]), **options)
    before = {name: value.clone() for name, value in started.model.state_dict().items()}
    with pytest.raises(ValueError, match=r"cannot start from .*stage2\.ckpt: the checkpoint does not fit"):
        started.start()
    assert all(torch.equal(value, before[name]) for name, value in started.model.state_dict().items())


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"no checkpoint nowhere\.ckpt"):
        task(init_from="nowhere.ckpt").start()
    assert task().start() is None


@pytest.mark.parametrize(("optimised", "own"), [("own", True), ("previous", False)])
def test_whose_parameters_the_optimiser_holds(optimised, own):
    built = task(optimised=optimised, lr_scheduler="constant")
    built.trainer = SimpleNamespace(max_epochs=2, estimated_stepping_batches=4)
    held = [p for group in built.configure_optimizers()["optimizer"].param_groups for p in group["params"]]
    ours = {id(p) for p in built.model.parameters()}
    assert len(held) == len(ours)
    assert ({id(p) for p in held} == ours) == own
    assert not own or held
    assert own or not ours & {id(p) for p in held}
