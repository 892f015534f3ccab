"""Triplet losses: equation 2.10 by hand and by loop, PyTorch's for the published one, gradients, the refusals."""

import pytest
import torch
import torch.nn.functional as F

from hybrid_sbir.losses import TripletLoss, triplet_loss
from tests.losses import oracle
from tests.losses.batches import lists, unit


def triplets(rows=9, size=5, seed=0):
    return [unit(rows, size, seed + part) for part in range(0, 300, 100)]


def test_by_hand():
    sketch, positive, negative = (torch.tensor([row]) for row in ([1.0, 0.0], [0.6, 0.8], [0.0, 1.0]))  # D^2 0.8, 2
    assert triplet_loss(sketch, positive, negative, 0.7).item() == 0
    assert triplet_loss(sketch, positive, negative, 1.5).item() == pytest.approx((1.5 + 0.8 - 2) / 2)
    assert triplet_loss(sketch, negative, positive, 0.7).item() == pytest.approx((0.7 + 2 - 0.8) / 2)
    plain = triplet_loss(sketch, negative, positive, 0.7, squared=False)
    assert plain.item() == pytest.approx(0.7 + 2**0.5 - 0.8**0.5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("margin", [0.1, 0.7, 2.0])
def test_as_a_loop(seed, margin):
    one = triplets(seed=seed)
    assert TripletLoss(margin)(*one).item() == pytest.approx(oracle.triplet(*lists(*one), margin), rel=1e-12)
    plain = TripletLoss(margin, squared=False)(*one).item()
    assert plain == pytest.approx(oracle.plain_triplet(*lists(*one), margin), rel=1e-12)


def test_the_published_one_is_pytorchs():
    one = triplets()
    expected = F.triplet_margin_loss(*one, margin=0.7)
    assert torch.allclose(TripletLoss(0.7, squared=False)(*one), expected, rtol=1e-5)  # it adds 1e-6 to differences


@pytest.mark.parametrize("squared", [True, False])
def test_gradient(squared):
    inputs = [tensor.requires_grad_() for tensor in triplets(6)]
    assert torch.autograd.gradcheck(TripletLoss(0.7, squared), inputs)


@pytest.mark.parametrize("squared", [True, False])
def test_coinciding_embeddings_have_a_finite_gradient(squared):
    inputs = [unit(1, 5).expand(4, 5).clone().requires_grad_() for _ in range(3)]
    value = TripletLoss(0.7, squared)(*inputs)
    value.backward()
    assert value.item() == pytest.approx(0.35 if squared else 0.7)
    assert all((tensor.grad == 0).all() for tensor in inputs)


@pytest.mark.parametrize("squared", [True, False])
def test_the_order_of_triplets_does_not_matter_and_none_is_zero(squared):
    one, order = triplets(), torch.randperm(9, generator=torch.Generator().manual_seed(1))
    loss = TripletLoss(0.7, squared)
    assert torch.allclose(loss(*one), loss(*(tensor[order] for tensor in one)), rtol=1e-12)
    assert loss(*(tensor[:0] for tensor in one)) == 0


def test_half_precision_is_computed_in_full():
    one = [tensor.bfloat16() for tensor in triplets()]
    assert TripletLoss()(*one) == TripletLoss()(*(tensor.float() for tensor in one))


def test_refusals():
    with pytest.raises(ValueError, match="margin is nan"):
        TripletLoss(float("nan"))
    sketch, positive, negative = triplets()
    with pytest.raises(ValueError, match=r"'sketch': \(9, 5\), 'positive': \(8, 5\), 'negative': \(9, 5\)"):
        TripletLoss()(sketch, positive[:8], negative)
