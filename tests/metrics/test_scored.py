"""Metrics of given scores: bit for bit those of the embeddings that the scores were made from."""

import pytest
import torch

from hybrid_sbir.metrics import ranking_metrics, scored, scored_metrics
from hybrid_sbir.metrics.similarity import Scorer
from tests.metrics.ranking_oracle import ranking
from tests.metrics.test_streaming import METRICS, bits, sample


def exact_scores(queries, catalogue, similarity):
    """The scores that ranking_metrics ranks by, whole numbers."""
    scorer = Scorer(similarity, float(catalogue.double().norm(dim=1).max()))
    return scorer.scores(scorer.queries(queries), scorer.photos(catalogue))


@pytest.mark.parametrize("ties", ["expected", "best", "worst"])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_the_same_bits_as_from_embeddings(similarity, ties):
    (queries, catalogue, labels, photo_labels), exclude = sample()
    options = {"metrics": METRICS, "ties": ties, "exclude": exclude}
    expected = ranking_metrics(queries, catalogue, labels, photo_labels, similarity=similarity, **options)
    found = scored_metrics(exact_scores(queries, catalogue, similarity), labels, photo_labels, **options)
    assert bits(found) == bits(expected)
    assert (found.photos, found.ties, found.similarity) == (311, ties, "given")
    assert found.mean() == expected.mean()
    assert found.per_class().keys() == expected.per_class().keys()
    assert found.remarks() == expected.remarks()


@pytest.mark.parametrize("numbers", [1, 400, 2000])
def test_blocks_leave_no_trace(numbers, monkeypatch):
    (queries, catalogue, labels, photo_labels), exclude = sample()
    scores = exact_scores(queries, catalogue, "cosine")
    expected = bits(scored_metrics(scores, labels, photo_labels, METRICS, exclude=exclude))
    monkeypatch.setattr(scored, "_NUMBERS", numbers)
    assert bits(scored_metrics(scores, labels, photo_labels, METRICS, exclude=exclude)) == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_floating_type_ties_and_negative_scores_agree_with_loops(dtype):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randint(-3, 3, (12, 9), generator=generator).to(dtype) / 2
    labels = torch.randint(3, (12,), generator=generator)
    photo_labels = torch.tensor([0, 1, 0, 1, 1, 0, 1, 0, 0])  # class 2 has no photo
    found = scored_metrics(scores, labels, photo_labels, ("ap", "rr", "p@4", "ap@4/min(R,K)"))
    names = {"ap": "ap", "rr": "rr", "p@4": "p@K", "ap@4/min(R,K)": "ap@K/min(R,K)"}
    for name, theirs in names.items():
        expected = [
            ranking(theirs, row, [label == own for own in photo_labels.tolist()], 4)
            for row, label in zip(scores.tolist(), labels.tolist(), strict=True)
        ]
        assert found[name].tolist() == pytest.approx(expected, nan_ok=True)
    assert "have no relevant photo" in " ".join(found.remarks())


def test_one_score_for_all_says_nothing():
    found = scored_metrics(torch.zeros(2, 4), torch.tensor([0, 1]), torch.tensor([0, 0, 1, 1]))
    assert found.undecided.tolist() == [True, True]


def test_no_query_has_no_value():
    found = scored_metrics(torch.zeros(0, 4), torch.arange(0), torch.arange(4))
    assert found.remarks() == ["there is no query"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": torch.zeros(2, 3).long()}, r"scores are \(2, 3\) torch.int64; give floating point"),
        ({"scores": torch.zeros(3)}, r"scores are \(3,\)"),
        ({"scores": torch.zeros(2, 0), "catalogue_labels": torch.arange(0)}, "the catalogue is empty"),
        ({"scores": torch.tensor([[0.0] * 3, [0, float("nan"), 0]])}, "1 of 2 queries have a score .* is row 1"),
        ({"query_labels": torch.arange(3)}, r"query_labels is \(3,\) .* need whole numbers, \(2,\)"),
        ({"catalogue_labels": torch.zeros(3)}, "catalogue_labels is .*float32"),
        ({"exclude": torch.tensor([0, 3])}, "places in the catalogue, 0 to 2, or -1"),
        ({"exclude": torch.tensor([0, -2])}, "places in the catalogue"),
        ({"ties": "first"}, "ties is 'first'; it can be expected, best, worst"),
        ({"metrics": ("map",)}, "there is no metric 'map'"),
    ],
)
def test_mistakes_are_refused_in_words(change, words):
    arguments = {"scores": torch.zeros(2, 3), "query_labels": torch.arange(2), "catalogue_labels": torch.arange(3)}
    with pytest.raises(ValueError, match=words):
        scored_metrics(**{**arguments, **change})
