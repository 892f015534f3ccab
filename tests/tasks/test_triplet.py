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


def described(path, before, classes):
    """Stage 2's file as its run writes it: with its plan, its classes and those of stage 1."""
    about = {"plan": before.model.plan(), "classes": classes, "data": "a", "trained_on": ["z"]}
    DurableCheckpointIO().save_checkpoint({"state_dict": before.state_dict(), "two_branch": about}, path)


def test_scores_of_other_classes_are_refused_even_where_there_are_as_many(stage2):
    before, path = stage2
    described(path, before, list("abcd"))
    for names, options, refused in (
        ("abcd", {}, False),
        ("abce", {}, True),
        ("abce", {"init_classifier": False}, False),
    ):
        started = task(init_from=str(path), **options)
        started.trainer = SimpleNamespace(datamodule=SimpleNamespace(classes=tuple(names)))
        if refused:
            with pytest.raises(
                ValueError, match=r"class scores are of a, b, c, d \(4 classes\).*init_classifier false"
            ):
                started.start()
        else:
            assert started.start()
            assert started.trained_on == (*"abcd", "z")


def test_a_model_of_the_same_shapes_but_another_plan_is_refused(stage2):
    before, path = stage2
    described(path, before, list("abcd"))
    with pytest.raises(ValueError, match=r"another backbone: stem is \"tiny\" there and \"small\" here"):
        task(init_from=str(path), stem="small").start()


def test_held_out_classes_of_earlier_stages_are_said(stage2):
    before, path = stage2
    described(path, before, list("abcd"))
    started = task(init_from=str(path))
    started.trainer = SimpleNamespace(
        datamodule=SimpleNamespace(classes=tuple("abcd"), held_out=("y", "z")), state=SimpleNamespace(fn="validate")
    )
    assert started.remarks(("y", "z")) == []
    started.start()
    assert started.remarks(("y", "z")) == [
        "1 of the 2 classes held out were trained on in an earlier stage (z): they are not unseen"
    ]
    assert started.remarks(("a", "y")) == []


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
