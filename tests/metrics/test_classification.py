"""Top-1, top-5 and loss: exact counts, ties, repeats, and the same bits however the samples are shared out."""

import pytest
import torch

from hybrid_sbir.metrics import ClassificationMeter, label_place


def sorting_oracle(row, right):
    order = sorted(range(len(row)), key=lambda place: (-row[place], place))
    return order.index(right)


@pytest.fixture
def samples():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randint(-2, 3, (41, 9), generator=generator).float()  # few values: many ties
    return logits, torch.randint(9, (41,), generator=generator), torch.arange(41)


def scored(parts):
    meter = ClassificationMeter()
    for part in parts:
        meter.update(*part)
    return meter.compute()


def test_places_agree_with_sorting(samples):
    logits, label, _ = samples
    expected = [sorting_oracle(row, right) for row, right in zip(logits.tolist(), label.tolist(), strict=True)]
    assert label_place(logits, label).tolist() == expected


def test_counts_agree_with_the_places(samples):
    scores = scored([samples])
    places = [sorting_oracle(row, right) for row, right in zip(samples[0].tolist(), samples[1].tolist(), strict=True)]
    assert (scores.samples, scores.top1, scores.top5) == (41, places.count(0), sum(place < 5 for place in places))
    assert scores.rates()["top1"] == places.count(0) / 41
    assert scores.loss == pytest.approx(torch.nn.functional.cross_entropy(*samples[:2]).item(), rel=1e-6)


def test_the_same_bits_in_any_order_and_with_repeats(samples):
    whole = scored([samples])
    shuffled = torch.randperm(41, generator=torch.Generator().manual_seed(1))
    parts = [tuple(values[rows] for values in samples) for rows in (shuffled[:7], shuffled[7:], shuffled[3:12])]
    assert scored(parts) == whole


def test_a_constant_output_is_no_success():
    label = torch.arange(10)
    assert scored([(torch.zeros(10, 10), label, label)])[:3] == (10, 1, 5)


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_what_is_not_finite_is_never_right(classes):
    logits = torch.zeros(3, classes)
    logits[0, 0], logits[1, 1], logits[2, 0] = float("nan"), float("nan"), float("inf")
    label = torch.zeros(3, dtype=torch.int64)
    assert (label_place(logits, label) >= 5).all()
    assert scored([(logits, label, torch.arange(3))])[:3] == (3, 0, 0)


def test_no_sample_scores_nothing():
    scores = scored([(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))])
    assert scores.samples == 0
    assert scores.rates()["top1"] != scores.rates()["top1"]
