"""Supervised contrastive loss: the paper's formula as a loop, the library's value, and the corners of its masks."""

from functools import partial

import pytest
import torch
from pytorch_metric_learning.losses import SupConLoss

from hybrid_sbir.losses import SupervisedContrastive
from tests.losses import oracle
from tests.losses.batches import batch, gradients, lists


def formula(temperature):
    return partial(oracle.supervised_contrastive, temperature=temperature)


def test_by_hand():
    sketch, photo = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    label = torch.tensor([0]), torch.tensor([0, 1])
    # The sketch: -log(e^2 / (e^2 + e^0)). Neither photo is an anchor with a positive and a negative.
    expected = torch.tensor(1 + torch.e**-2).log() / 2
    assert torch.allclose(SupervisedContrastive(0.5)(sketch, photo, *label), expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_across_domains_as_a_loop(seed, temperature):
    one = batch(seed=seed, classes=4)
    expected = oracle.both_ways(formula(temperature), *lists(*one))
    assert SupervisedContrastive(temperature)(*one).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_within_domains_too_as_a_loop(seed):
    one = batch(seed=seed)
    expected = oracle.among_all(formula(0.1), *lists(*one))
    assert SupervisedContrastive(0.1, within=True)(*one).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_library_in_value_and_gradient(seed):
    one, theirs = batch(12, 16, seed=seed), SupConLoss(0.1)

    def both_ways(sketch, photo, sketch_label, photo_label):
        to_photos = theirs(sketch, sketch_label, ref_emb=photo, ref_labels=photo_label)
        return (to_photos + theirs(photo, photo_label, ref_emb=sketch, ref_labels=sketch_label)) / 2

    value, *_ = found = gradients(SupervisedContrastive(0.1), *one)
    expected = gradients(both_ways, *one)
    assert torch.allclose(value, expected[0], rtol=1e-10)
    # The library normalises, so its gradient has no part along the embedding; nor has ours, after the network's own.
    for ours, other, embedding in zip(found[1:], expected[1:], one[:2], strict=True):
        tangent = ours - (ours * embedding).sum(1, keepdim=True) * embedding
        assert torch.allclose(tangent, other, rtol=1e-8, atol=1e-12)


def test_one_tensor_of_labels_for_both_sides():
    """The library would take it for one set, and leave out every row's own pair."""
    sketch, photo, label, _ = batch(10, 10)
    loss = SupervisedContrastive()
    assert loss(sketch, photo, label, label) == loss(sketch, photo, label, label.clone())


@pytest.mark.parametrize("within", [False, True])
def test_gradient(within):
    sketch, photo, *label = batch(6, 8)
    loss = SupervisedContrastive(0.3, within)
    assert torch.autograd.gradcheck(lambda s, p: loss(s, p, *label), (sketch.requires_grad_(), photo.requires_grad_()))


@pytest.mark.parametrize("within", [False, True])
def test_the_order_does_not_matter(within):
    sketch, photo, sketch_label, photo_label = one = batch()
    loss, generator = SupervisedContrastive(within=within), torch.Generator().manual_seed(0)
    there, back = torch.randperm(7, generator=generator), torch.randperm(10, generator=generator)
    value, at_sketch, at_photo = gradients(loss, *one)
    moved = gradients(loss, sketch[there], photo[back], sketch_label[there], photo_label[back])
    assert torch.allclose(moved[0], value, rtol=1e-12)
    assert torch.allclose(moved[1], at_sketch[there], rtol=1e-10)
    assert torch.allclose(moved[2], at_photo[back], rtol=1e-10)


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("case", ["no positive", "no negative", "nothing"])
def test_a_batch_without_pairs_of_a_kind_is_zero(case, within):
    rows = 0 if case == "nothing" else 4
    sketch, photo, *_ = batch(rows, rows)
    first = torch.zeros(rows, dtype=torch.int64) if case == "no negative" else torch.arange(rows)
    second = first if case == "no negative" else first + rows
    value, *found = gradients(SupervisedContrastive(within=within), sketch, photo, first, second)
    assert value == 0
    assert all((grad == 0).all() for grad in found)


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("sizes", [(1, 0), (0, 1), (3, 0), (1, 1)])
def test_one_domain_may_be_empty(sizes, within):
    with torch.autograd.detect_anomaly(check_nan=True):
        value, *found = gradients(SupervisedContrastive(within=within), *batch(*sizes, classes=1))
    assert value == 0
    assert all((grad == 0).all() for grad in found)


def test_an_anchor_without_a_positive_is_left_out():
    sketch, photo, sketch_label, photo_label = batch(seed=2)
    lonely = torch.cat([sketch_label, torch.tensor([9])])
    loss = SupervisedContrastive()
    there = loss.against(torch.cat([sketch, -sketch[:1]]), lonely, photo, photo_label)
    assert torch.allclose(there, loss.against(sketch, sketch_label, photo, photo_label), rtol=1e-12)


def test_a_small_temperature_stays_finite():
    sketch, photo, *label = batch(dtype=torch.float32)
    value, *found = gradients(SupervisedContrastive(1e-3), sketch, photo, *label)
    assert value.isfinite()
    assert all(grad.isfinite().all() for grad in found)


@pytest.mark.parametrize("within", [False, True])
def test_autocast_and_half_precision_change_nothing(within):
    sketch, photo, *label = batch(dtype=torch.float32)
    loss = SupervisedContrastive(within=within)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(sketch, photo, *label) == loss.cpu()(sketch, photo, *label)
        found = loss(sketch.bfloat16(), photo.bfloat16(), *label)
    assert found == loss(sketch.bfloat16().float(), photo.bfloat16().float(), *label)


def test_a_bad_embedding_shows():
    sketch, photo, *label = batch()
    photo[0, 0] = torch.nan
    assert SupervisedContrastive()(sketch, photo, *label).isnan()


def test_refusals():
    with pytest.raises(ValueError, match="temperature is 0; give a number above 0"):
        SupervisedContrastive(0)
    sketch, photo, sketch_label, photo_label = batch()
    with pytest.raises(ValueError, match=r"'photo_label': \(7,\)"):
        SupervisedContrastive()(sketch, photo, photo_label, sketch_label)
    with pytest.raises(ValueError, match=r"'photo': \(10, 4\)"):
        SupervisedContrastive()(sketch, photo[:, :4], sketch_label, photo_label)
