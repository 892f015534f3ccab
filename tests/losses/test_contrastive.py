"""Contrastive losses: the equation by hand and by loop, the hard negatives, gradients where the root has none."""

import pytest
import torch

from hybrid_sbir.losses import (
    ContrastiveLoss,
    HardNegativeContrastiveLoss,
    contrastive_loss,
    hard_negative_contrastive_loss,
)
from hybrid_sbir.losses.distance import nearest_pairs
from tests.losses import oracle
from tests.losses.batches import batch, gradients, lists, unit

LOSSES = [ContrastiveLoss(0.7), HardNegativeContrastiveLoss(0.7)]


def test_by_hand():
    sketch = torch.tensor([[1.0, 0.0]] * 4)
    photo = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])  # D^2 = 0, 2, 0, 0.8
    different = torch.tensor([False, False, True, True])
    # 0, 2 / 2, 0.7 / 2, and a negative beyond the margin
    assert contrastive_loss(sketch, photo, different, 0.7).item() == pytest.approx((1 + 0.35) / 4)
    assert contrastive_loss(sketch, photo, different, 1.0).item() == pytest.approx((1 + 0.5 + 0.1) / 4)


def test_the_margin_is_of_the_squared_distance():
    near = torch.tensor([[0.5, 0.0]])
    value = contrastive_loss(near, torch.zeros(1, 2), torch.tensor([True]), 0.7)
    assert value.item() == pytest.approx((0.7 - 0.25) / 2)  # not (0.7 - 0.5)^2 / 2


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.3, 0.7, 2.0])
def test_equation_as_a_loop(seed, margin):
    sketch, photo, sketch_label, photo_label = batch(9, 9, seed=seed)
    expected = oracle.contrastive(*lists(sketch, photo, sketch_label != photo_label), margin)
    found = ContrastiveLoss(margin)(sketch, photo, sketch_label, photo_label)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_hard_negatives_by_hand():
    sketch = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    photo = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]])
    sketch_label, photo_label = torch.tensor([0, 1, 2, 3]), torch.tensor([0, 5, 6, 7])
    # Row 0 is positive, D^2 = 2. The two closest negatives are sketches 1 and 3 with photos 0 and 1, D = 0 (three such:
    # sketch 1 with photo 0 and 1, sketch 3 with photo 0 and 1 make four): both terms are margin^2.
    value = hard_negative_contrastive_loss(sketch, photo, sketch_label, photo_label, 0.7)
    assert value.item() == pytest.approx((2 + 2 * 0.49) / 2 / 3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", [1, 2, 5, 8, 9])
def test_hard_negatives_as_a_loop(seed, rows):
    one = batch(rows, rows, classes=3, seed=seed)
    expected = oracle.hard_negative(*lists(*one), 1.1)
    assert HardNegativeContrastiveLoss(1.1)(*one).item() == pytest.approx(expected, rel=1e-12)


def test_hard_negatives_come_from_the_whole_batch():
    """A negative that no row pairs is pushed too."""
    sketch, photo = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    label = torch.tensor([0, 1])  # both rows are positive; sketch 0 is 0.63 from photo 1
    _, at_sketch, at_photo = gradients(HardNegativeContrastiveLoss(0.7), sketch, photo, label, label)
    assert at_sketch[0].abs().sum() > 0
    assert at_photo[0].abs().sum() == 0  # its own sketch lies on it, and photo 1 is nearer to sketch 0 than 0 to 1


def test_close_negatives_are_told_apart_in_single_precision():
    """Distances through a product of unit vectors are 3e-4 off; these are 1e-4 apart."""
    step = torch.arange(16, dtype=torch.float64)[torch.randperm(16, generator=torch.Generator().manual_seed(0))] * 1e-4
    photo = torch.stack([step, (1 - step**2).sqrt()], dim=1).float()
    sketch, label = torch.tensor([[0.0, 1.0]]).expand(16, 2), torch.arange(16)
    expected = oracle.hard_negative(sketch.tolist(), photo.tolist(), label.tolist(), (label + 16).tolist(), 0.7)
    found = HardNegativeContrastiveLoss(0.7)(sketch, photo, label, label + 16)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    row, column, _ = nearest_pairs(sketch[:1], photo, torch.zeros(1, 16, dtype=torch.bool), 8)
    assert step[column].sort().values == pytest.approx((torch.arange(8) * 1e-4).tolist())
    assert not row.any()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_gradient(loss):
    sketch, photo, *label = batch(8, 8, seed=1)
    inputs = sketch.requires_grad_(), photo.requires_grad_()
    assert torch.autograd.gradcheck(lambda s, p: loss(s, p, *label), inputs)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("labels", [(0, 0), (0, 1)], ids=["one class", "other classes"])
def test_coinciding_embeddings_have_a_finite_gradient(loss, labels):
    same = unit(1, 5).expand(6, 5)
    label = [torch.full((6,), value) for value in labels]
    value, *found = gradients(loss, same, same, *label)
    assert value.isfinite()
    assert all((grad == 0).all() for grad in found)


def test_a_batch_of_negatives_beyond_the_margin_is_zero():
    sketch, photo = torch.eye(4), -torch.eye(4)
    for loss in LOSSES:
        value, *found = gradients(loss, sketch, photo, torch.arange(4), torch.arange(4) + 10)
        assert value == 0
        assert all((grad == 0).all() for grad in found)


def test_a_batch_without_negatives_only_pulls():
    sketch, photo, label, _ = batch(6, 6)
    one_class = torch.zeros_like(label)
    expected = (sketch - photo).square().sum(1).mean() / 2
    for loss in (ContrastiveLoss(9.0), HardNegativeContrastiveLoss(9.0)):  # a margin that no pair is beyond
        assert torch.allclose(loss(sketch, photo, one_class, one_class), expected)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_an_empty_batch_is_zero(loss):
    empty, label = torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64)
    value, *found = gradients(loss, empty, empty, label, label)
    assert value == 0
    assert found[0].shape == (0, 5)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_the_order_of_the_rows_does_not_matter(loss):
    one = batch(9, 9, seed=3)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    value, at_sketch, at_photo = gradients(loss, *one)
    moved = gradients(loss, *(tensor[order] for tensor in one))
    assert torch.allclose(moved[0], value, rtol=1e-12)
    assert torch.allclose(moved[1], at_sketch[order], rtol=1e-12)
    assert torch.allclose(moved[2], at_photo[order], rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_full(loss, dtype):
    sketch, photo, *label = batch(8, 8, dtype=dtype)
    value = loss(sketch, photo, *label)
    assert value.dtype == torch.float32
    assert torch.allclose(value, loss(sketch.float(), photo.float(), *label), rtol=0)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_a_bad_embedding_shows(loss):
    sketch, photo, label, _ = batch(6, 6)
    sketch[2, 1] = torch.nan
    assert loss(sketch, photo, label, label).isnan()


def test_refusals():
    with pytest.raises(ValueError, match="margin is 0; give a distance above 0"):
        ContrastiveLoss(0)
    with pytest.raises(ValueError, match="margin is -1"):
        HardNegativeContrastiveLoss(-1)
    sketch, photo, sketch_label, photo_label = batch(4, 5)
    for loss in LOSSES:
        with pytest.raises(ValueError, match=r"row by row.*\(4, 5\).*\(5, 5\)"):
            loss(sketch, photo, sketch_label, photo_label)
        with pytest.raises(ValueError, match=r"sketch_label \(N,\).*'sketch_label': \(3,\)"):
            loss(sketch, photo[:4], sketch_label[:3], photo_label[:4])
