"""The published weights at the numbers that the thesis's code reached, and the bounded ones."""

import math
from itertools import pairwise

import pytest
import torch

from hybrid_sbir.losses import BoundedWeights, LossWeight, PublishedWeights, total_loss


def test_published_in_stage_2():
    weights = [PublishedWeights()(epoch, 35) for epoch in range(35)]
    assert weights[0] == LossWeight(0.0, 1.0)
    assert weights[7] == pytest.approx((14.0, (1 + math.cos(math.pi / 5)) / 2))
    assert weights[34].metric == 68
    assert weights[34].classification == pytest.approx(0.002, abs=5e-5)
    assert all(later.classification < sooner.classification for sooner, later in pairwise(weights))


def test_published_in_stage_3_counts_on_and_jumps_back():
    weights = [PublishedWeights(first_epoch=35)(epoch, 10) for epoch in range(10)]
    assert [weights[0].metric, weights[-1].metric] == [70, 88]
    assert weights[0].classification == pytest.approx((1 + math.cos(math.pi * 35 / 45)) / 2)
    assert weights[0].classification > 50 * PublishedWeights()(34, 35).classification


def test_published_weights_need_the_stages_length():
    for epoch, length in ((35, 35), (0, -1), (-1, 5)):
        with pytest.raises(ValueError, match=rf"epoch {epoch} of {length}: .*set trainer.max_epochs"):
            PublishedWeights()(epoch, length)
    with pytest.raises(ValueError, match="first_epoch is -1"):
        PublishedWeights(-1)


def test_bounded_weights_ramp_up_and_stay():
    weights = [BoundedWeights(2.0, 0.5, warmup_epochs=3)(epoch, 8) for epoch in range(8)]
    assert [weight.metric for weight in weights] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0])
    assert {weight.classification for weight in weights} == {0.5}
    assert BoundedWeights()(0, 1) == LossWeight(1.0, 1.0)


@pytest.mark.parametrize("wrong", [{"metric": -0.1}, {"classification": math.inf}, {"warmup_epochs": -1}])
def test_bounded_refusals(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name} is {value}; give a finite number"):
        BoundedWeights(**wrong)


def test_total():
    metric, classification = torch.tensor(3.0), torch.tensor(5.0)
    assert total_loss(metric, classification) == 8
    assert total_loss(metric, classification, LossWeight(2.0, 0.1)) == 6.5
