"""Label smoothing in both conventions: an explicit loop, their relation, the gradient; cross-entropies of branches."""

import math

import pytest
import torch
import torch.nn.functional as F

from hybrid_sbir.losses import classification_loss, smoothed_cross_entropy


def loop_oracle(logits, label, amount, smoothing):
    total = 0.0
    for row, right in zip(logits.tolist(), label.tolist(), strict=True):
        norm = math.log(sum(math.exp(value) for value in row))
        for place, value in enumerate(row):
            if smoothing == "published":
                target = 1 - amount if place == right else amount / (len(row) - 1)
            else:
                target = amount / len(row) + (1 - amount if place == right else 0)
            total -= target * (value - norm)
    return total / len(logits)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 5, generator=generator, dtype=torch.float64), torch.tensor([0, 4, 2, 2, 1, 3])


@pytest.mark.parametrize("smoothing", ["published", "pytorch"])
@pytest.mark.parametrize("amount", [0.0, 0.1, 0.7])
def test_agrees_with_an_explicit_loop(batch, amount, smoothing):
    loss = smoothed_cross_entropy(*batch, amount, smoothing)
    assert loss.item() == pytest.approx(loop_oracle(*batch, amount, smoothing), rel=1e-12)


def test_published_is_pytorchs_with_a_larger_amount(batch):
    published = smoothed_cross_entropy(*batch, 0.1, "published")
    assert torch.allclose(published, F.cross_entropy(*batch, label_smoothing=0.1 * 5 / 4), rtol=1e-12)
    assert not torch.allclose(published, F.cross_entropy(*batch, label_smoothing=0.1), rtol=1e-4)


@pytest.mark.parametrize("smoothing", ["published", "pytorch"])
def test_gradient(batch, smoothing):
    logits, label = batch
    assert torch.autograd.gradcheck(lambda x: smoothed_cross_entropy(x, label, 0.2, smoothing), logits.requires_grad_())


def test_huge_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4, 0.0]])
    assert smoothed_cross_entropy(logits, torch.tensor([1]), 0.1).isfinite()


@pytest.mark.parametrize(
    ("amount", "smoothing", "classes", "words"),
    [
        (1.0, "published", 5, "share of probability"),
        (-0.1, "pytorch", 5, "share of probability"),
        (0.1, "torch", 5, "no smoothing 'torch'; there are 'published'"),
        (0.1, "published", 1, "only 1 class"),
    ],
)
def test_refusals(amount, smoothing, classes, words):
    with pytest.raises(ValueError, match=words):
        smoothed_cross_entropy(torch.zeros(2, classes), torch.zeros(2, dtype=torch.int64), amount, smoothing)


def scored(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    return logits, torch.randint(5, (rows,), generator=generator)


@pytest.mark.parametrize("smoothing", ["published", "pytorch"])
def test_branches_share_the_loss_as_published(smoothing):
    sketch, positive, negative = scored(6, 0), scored(4, 1), scored(9, 2)
    entropy = [loop_oracle(*each, 0.1, smoothing) for each in (sketch, positive, negative)]
    pairs = classification_loss(sketch, positive, smoothing=smoothing)
    assert pairs.item() == pytest.approx(0.5 * (entropy[0] + entropy[1]), rel=1e-12)
    triplets = classification_loss(sketch, positive, negative, smoothing=smoothing)
    assert triplets.item() == pytest.approx(0.5 * entropy[0] + 0.25 * entropy[1] + 0.25 * entropy[2], rel=1e-12)
    plain = classification_loss(sketch, positive, amount=0.0)
    assert torch.allclose(plain, (F.cross_entropy(*sketch) + F.cross_entropy(*positive)) / 2, rtol=1e-12)


def test_branches_get_gradients():
    (sketch, sketch_label), (photo, photo_label) = scored(3, 0), scored(4, 1)
    inputs = sketch.requires_grad_(), photo.requires_grad_()
    assert torch.autograd.gradcheck(lambda s, p: classification_loss((s, sketch_label), (p, photo_label)), inputs)


def test_branches_need_photos():
    with pytest.raises(ValueError, match="needs the photos'"):
        classification_loss(scored(3, 0))
