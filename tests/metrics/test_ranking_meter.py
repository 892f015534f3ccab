"""The meter: what the function gives for the samples each once, in whatever batches they come."""

import math

import pytest
import torch

from hybrid_sbir.metrics import RankingMeter, ranking_metrics
from tests.metrics.test_streaming import METRICS, bits, sample


def fed(meter, parts, role, embeddings, labels, index):
    for rows in parts:
        meter.update(embeddings[rows], labels[rows], index[rows], role)


def in_parts(count, seed):
    """All samples in some order, in batches, one empty, some samples twice."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return [order[:7], order[:0], order[7:], order[count // 2 :]]


def test_batches_repeats_and_order_do_not_show():
    (queries, catalogue, query_labels, labels), _ = sample()
    meter = RankingMeter(METRICS, "dot", "worst")
    fed(meter, in_parts(37, 1), "query", queries, query_labels, torch.arange(37) * 3)
    fed(meter, in_parts(311, 2), "photo", catalogue, labels, torch.arange(311) + 5)
    found = ranking_metrics(queries, catalogue, query_labels, labels, METRICS, similarity="dot", ties="worst")
    assert meter.compute() == found.mean()
    assert bits(meter.values) == bits(found)


def test_of_one_data_set_each_sample_is_left_out_of_its_own_ranking():
    (_, embeddings, _, labels), _ = sample()
    meter = RankingMeter(leave_one_out=True)
    fed(meter, in_parts(311, 1), "both", embeddings, labels, torch.arange(311) * 2)
    found = ranking_metrics(embeddings, embeddings, labels, labels, exclude=torch.arange(311))
    assert meter.compute() == found.mean()
    assert bits(meter.values) == bits(found)


def test_some_queries_may_be_none_of_the_photos():
    embeddings, labels = torch.eye(3), torch.tensor([0, 0, 0])
    meter = RankingMeter(("p@10",), leave_one_out=True)
    meter.update(embeddings, labels, torch.tensor([4, 9, 11]), "query")
    meter.update(embeddings, labels, torch.tensor([4, 5, 9]), "photo")
    meter.compute()
    assert meter.values.relevant.tolist() == [2, 2, 3]


def test_an_epoch_ends_with_a_reset():
    meter = RankingMeter(("ap",))
    for _ in range(2):
        meter.update(torch.eye(2), torch.arange(2), torch.arange(2), "both")
        assert meter.compute() == {"ap": 1.0}
        meter.reset()


def test_gradients_are_not_kept():
    meter = RankingMeter()
    meter.update(torch.eye(2, requires_grad=True), torch.arange(2), torch.arange(2), "both")
    assert not meter.query_embedding[0].requires_grad
    assert not math.isnan(meter.compute()["ap"])


def test_mistakes_are_refused_in_words():
    meter = RankingMeter(leave_one_out=True)
    with pytest.raises(ValueError, match="role is 'sketch'; it can be query, photo, both"):
        meter.update(torch.eye(2), torch.arange(2), torch.arange(2), "sketch")
    meter.update(torch.eye(2), torch.arange(2), torch.arange(2), "query")
    with pytest.raises(ValueError, match="no photo was given; call update with role 'photo' or 'both' first"):
        meter.compute()
    meter.update(torch.zeros(0, 2), torch.arange(0), torch.arange(0), "photo")
    with pytest.raises(ValueError, match="the catalogue is empty"):
        meter.compute()
