"""The task: what a step changes, and scores that do not depend on the company of a sample."""

from types import SimpleNamespace

import pytest
import torch

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.models import StageSpec
from hybrid_sbir.tasks import ClassificationTask

STAGES = [StageSpec("resnet", 32, 1), StageSpec("san", 64, 1, "pairwise", 3)]


@pytest.fixture
def task():
    torch.manual_seed(0)
    built = ClassificationTask(5, 1, backbone=STAGES, stem="tiny")
    data = SimpleNamespace(batch_size=8, classes=list("abcde"))
    built.trainer = SimpleNamespace(max_epochs=10, sanity_checking=False, datamodule=data)
    return built


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(8, 1, 16, 16, generator=generator)
    return ClassificationBatch(image, torch.arange(8) % 5, torch.arange(8))


def test_a_step_moves_every_parameter(task, batch):
    optimizer = task.configure_optimizers()["optimizer"]
    before = {name: parameter.clone() for name, parameter in task.named_parameters()}
    for _ in range(2):  # what is multiplied by a zero gets its gradient in the second step
        optimizer.zero_grad()
        task.training_step(batch, 0).backward()
        optimizer.step()
    assert not [name for name, parameter in task.named_parameters() if torch.equal(parameter, before[name])]


def test_what_is_frozen_is_left_to_itself(task):
    task.model.head.requires_grad_(False)
    held = {id(p) for group in task.configure_optimizers()["optimizer"].param_groups for p in group["params"]}
    assert held == {id(p) for p in task.model.backbone.parameters()}


def test_logits_do_not_depend_on_the_rest_of_the_batch(task, batch):
    task.eval()
    with torch.no_grad():
        whole = task.predict_step(batch, 0)["probabilities"]
        alone = [task.predict_step(ClassificationBatch(*(v[i : i + 1] for v in batch)), 0) for i in range(8)]
    assert torch.equal(whole, torch.cat([part["probabilities"] for part in alone]))


def test_training_smooths_as_published_and_evaluation_does_not(task, batch):
    task.train()
    logits = task(batch.image).double()
    target = torch.full((8, 5), 0.1 / 4, dtype=torch.float64).scatter_(1, batch.label.unsqueeze(1), 0.9)
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    assert task.training_step(batch, 0).item() == pytest.approx(expected.item(), rel=1e-5)
    task.eval()
    with torch.no_grad():
        task.validation_step(batch, 0)
        plain = torch.nn.functional.cross_entropy(task(batch.image), batch.label).item()
    assert task.meter.compute().loss == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize(
    ("classes", "smoothing", "words"),
    [(1, 0.1, "num_classes is 1; a classifier needs 2"), (3, 1.5, r"label_smoothing is 1\.5; give a share")],
)
def test_refuses_what_cannot_be_trained(classes, smoothing, words):
    with pytest.raises(ValueError, match=words):
        ClassificationTask(classes, 1, backbone=STAGES, stem="tiny", label_smoothing=smoothing)


def test_samples_without_finite_outputs_are_counted_named_and_wrong(task):
    wide = ClassificationTask(8, 1, backbone=STAGES, stem="tiny").eval()
    wide.trainer = task.trainer
    wide.log = lambda *_, **__: None
    image = torch.zeros(4, 1, 16, 16)
    image[2] = float("nan")
    with torch.no_grad():
        right = wide(image[:1]).argmax()
        wide.validation_step(ClassificationBatch(image, right.repeat(4), torch.tensor([3, 5, 7, 9])), 0)
    scores = wide.meter.compute()
    assert (scores.samples, scores.top1, scores.top5) == (4, 3, 3)
    with pytest.warns(UserWarning, match=r"outputs for 1 of 4 samples are not finite \(indices \[7\]\)"):
        wide.on_validation_epoch_end()
    assert wide.non_finite == [7]


def test_an_untrained_model_is_not_reproached_in_the_sanity_check(task, recwarn):
    task.trainer.sanity_checking = True
    task.log = lambda *_, **__: None
    task.unsound.update(torch.full((2, 5), float("nan")), torch.arange(2))
    task.meter.update(torch.zeros(2, 5), torch.zeros(2, dtype=torch.int64), torch.arange(2))
    task.on_validation_epoch_end()
    assert not [w for w in recwarn if "not finite" in str(w.message)]
