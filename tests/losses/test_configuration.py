"""Every loss and weighting as a configuration file names it, and one contract for all losses of pairs."""

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import nn

from hybrid_sbir.losses import BoundedWeights, PublishedWeights, TripletLoss
from tests.losses.batches import batch, gradients, unit

ROOM = "hybrid_sbir.losses."
OF_PAIRS = {
    "ContrastiveLoss": "{margin: 0.5}",
    "HardNegativeContrastiveLoss": "{margin: 0.9}",
    "SupervisedContrastive": "{temperature: 0.07, within: true}",
    "MultiSimilarity": "{alpha: 2, beta: 40, base: 0.5, epsilon: 0.1}",
    "LibraryLoss": "{kind: CircleLoss, settings: {m: 0.4, gamma: 80}, within: true}",
    "ProxyAnchor": "{num_classes: 3, embedding_size: 5, margin: 0.1, alpha: 32}",
    "CrossBatchMemory": "{embedding_size: 5, size: 16, loss: {class_path: hybrid_sbir.losses.MultiSimilarity}}",
}


def built(tmp_path, kind, name, settings):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--part", type=kind)
    (tmp_path / "part.yaml").write_text(f"part:\n  class_path: {ROOM}{name}\n  init_args: {settings}\n")
    return parser.instantiate_classes(parser.parse_args(["--config", str(tmp_path / "part.yaml")])).part


@pytest.mark.parametrize("name", OF_PAIRS)
def test_a_loss_of_pairs_trains_from_its_configuration(tmp_path, name):
    torch.manual_seed(0)
    loss = built(tmp_path, nn.Module, name, OF_PAIRS[name])
    assert type(loss).__name__ == name
    sketch, photo, label, _ = batch(8, 8, dtype=torch.float32)
    value, *grads = gradients(loss, sketch, photo, label, label.roll(1))
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value > 0
    assert all(grad.isfinite().all() and grad.any() for grad in grads)


@pytest.mark.parametrize(
    "name", [name for name in OF_PAIRS if name not in ("ContrastiveLoss", "HardNegativeContrastiveLoss")]
)
def test_the_numbers_of_sketches_and_photos_may_differ(tmp_path, name):
    torch.manual_seed(0)
    loss = built(tmp_path, nn.Module, name, OF_PAIRS[name])
    for sizes in ((5, 9), (9, 5)):
        value, *grads = gradients(loss, *batch(*sizes, dtype=torch.float32))
        assert value > 0
        assert all(grad.isfinite().all() and grad.any() for grad in grads)


@pytest.mark.parametrize("name", OF_PAIRS)
def test_descending_brings_a_class_together(tmp_path, name):
    """Forty steps on free embeddings: positives end nearer than negatives, across domains."""
    torch.manual_seed(0)
    loss = built(tmp_path, nn.Module, name, OF_PAIRS[name])
    label = torch.arange(12) % 3
    free = [nn.Parameter(unit(12, 5, seed, torch.float32)) for seed in (0, 50)]
    optimiser = torch.optim.Adam([*free, *loss.parameters()], lr=0.1)
    drawn = torch.Generator().manual_seed(0)
    for _ in range(40):
        order = torch.randperm(12, generator=drawn)
        sketch, photo = (nn.functional.normalize(each) for each in free)
        optimiser.zero_grad()
        loss(sketch, photo[order], label, label[order]).backward()
        optimiser.step()
    similarity = nn.functional.normalize(free[0]) @ nn.functional.normalize(free[1]).T
    alike = label.unsqueeze(1) == label
    assert similarity[alike].mean() > similarity[~alike].mean() + 0.5


def test_triplets_and_weights_from_their_configuration(tmp_path):
    loss = built(tmp_path, nn.Module, "TripletLoss", "{margin: 0.3, squared: false}")
    assert isinstance(loss, TripletLoss)
    assert (loss.margin, loss.squared) == (0.3, False)
    either = BoundedWeights | PublishedWeights
    published = built(tmp_path, either, "PublishedWeights", "{first_epoch: 35}")
    bounded = built(tmp_path, either, "BoundedWeights", "{metric: 0.5, classification: 0.1, warmup_epochs: 4}")
    assert published(1, 10) == PublishedWeights(35)(1, 10)
    assert bounded(0, 10) == BoundedWeights(0.5, 0.1, 4)(0, 10)
