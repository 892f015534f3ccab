"""The front door: values against loops over every order, policies for ties, what is left out, what is refused."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_sbir.metrics import ranking_metrics
from tests.metrics import ranking_oracle


def named(k):
    return tuple(name.replace("K", str(k), 1) if "@" in name else name for name in ranking_oracle.METRICS)


def whole_scores(queries, catalogue, similarity):
    """Scores of embeddings of small whole numbers; such numbers are exact anywhere."""
    q, c = queries.long(), catalogue.long()
    if similarity == "dot":
        return (q @ c.T).tolist()
    return (-(q[:, None] - c[None]).square().sum(dim=2)).tolist()


@st.composite
def rankings(draw):
    photos, count, dimension = draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    few = st.integers(-2, 2).map(float)  # few values: many ties
    queries, catalogue = (
        torch.tensor(draw(st.lists(few, min_size=n * dimension, max_size=n * dimension))).view(n, dimension)
        for n in (count, photos)
    )
    labels = [torch.tensor(draw(st.lists(st.integers(-1, 1), min_size=n, max_size=n))) for n in (count, photos)]
    exclude = torch.tensor(draw(st.lists(st.integers(-1, photos - 1), min_size=count, max_size=count)))
    return queries, catalogue, *labels, exclude


@settings(max_examples=300)
@given(rankings(), st.sampled_from(["dot", "euclidean"]), st.sampled_from(["expected", "best", "worst"]), st.data())
def test_values_agree_with_a_loop_over_every_order(sample, similarity, ties, data):
    queries, catalogue, query_labels, labels, exclude = sample
    k, chunk = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    found = ranking_metrics(
        queries,
        catalogue,
        query_labels,
        labels,
        named(k),
        similarity=similarity,
        ties=ties,
        exclude=exclude,
        chunk=chunk,
    )
    for row, scores in enumerate(whole_scores(queries, catalogue, similarity)):
        kept = [place for place in range(len(scores)) if place != exclude[row]]
        ranked = [scores[place] for place in kept]
        relevant = [bool(labels[place] == query_labels[row]) for place in kept]
        shared = {score for score, hit in zip(ranked, relevant, strict=True) if not hit}
        assert found.relevant[row] == sum(relevant)
        assert found.tied[row] == sum(hit and score in shared for score, hit in zip(ranked, relevant, strict=True))
        assert found.undecided[row] == (any(relevant) and len(set(ranked)) == 1)
        for name, plain in zip(named(k), ranking_oracle.METRICS, strict=True):
            expected = ranking_oracle.ranking(plain, ranked, relevant, k, ties)
            assert found[name][row].item() == pytest.approx(expected, rel=1e-13, abs=1e-15, nan_ok=True), name


def test_a_large_ranking_agrees_with_sorting():
    generator = torch.Generator().manual_seed(0)
    queries, catalogue = torch.randn(20, 48, generator=generator), torch.randn(3000, 48, generator=generator)
    query_labels, labels = torch.arange(20) % 7, torch.randint(7, (3000,), generator=generator)
    found = ranking_metrics(queries, catalogue, query_labels, labels, ("ap", "rr", "p@10", "ap@200/R"))
    normal = torch.nn.functional.normalize
    scores = normal(queries.double()) @ normal(catalogue.double()).T
    order = scores.argsort(dim=1, descending=True)
    hit = (labels[order] == query_labels[:, None]).double()
    precision = hit.cumsum(1) / torch.arange(1, 3001) * hit
    first = hit.argmax(dim=1) + 1
    torch.testing.assert_close(found["ap"], precision.sum(1) / hit.sum(1), rtol=1e-7, atol=0)
    torch.testing.assert_close(found["ap@200/R"], precision[:, :200].sum(1) / hit.sum(1), rtol=1e-7, atol=0)
    torch.testing.assert_close(found["rr"], 1 / first.double(), rtol=0, atol=0)
    torch.testing.assert_close(found["p@10"], hit[:, :10].sum(1) / 10, rtol=0, atol=0)


def test_a_collapsed_model_scores_what_chance_gives_in_any_order_of_files():
    labels = torch.arange(40) // 10  # sorted by class, as folders are
    query_labels = torch.tensor([0, 3])
    chance = ranking_metrics(torch.ones(2, 8), torch.ones(40, 8), query_labels, labels)
    assert chance["ap"][0] == chance["ap"][1]
    assert chance.mean()["p@10"] == pytest.approx(0.25)
    generator = torch.Generator().manual_seed(0)
    tries = torch.stack([torch.randperm(40, generator=generator) for _ in range(20_000)]) < 10
    precision = tries.cumsum(1) / torch.arange(1, 41) * tries
    assert chance.mean()["ap"] == pytest.approx((precision.sum(1) / 10).mean().item(), rel=0.01)
    assert chance.mean()["rr"] == pytest.approx((1 / (tries.byte().argmax(1) + 1.0)).mean().item(), rel=0.01)
    assert chance.undecided.all()
    assert "for 2 of 2 queries all photos have one score: their order says nothing" in chance.remarks()


def test_bounds_of_ties_enclose_the_expectation():
    generator = torch.Generator().manual_seed(0)
    sample = [torch.randint(-1, 2, (n, 3), generator=generator).float() for n in (30, 200)]
    sample += [torch.randint(4, (n,), generator=generator) for n in (30, 200)]
    worst, middle, best = (ranking_metrics(*sample, ties=ties) for ties in ("worst", "expected", "best"))
    for name in ("ap", "rr", "p@10"):
        assert (worst[name] <= middle[name]).all()
        assert (middle[name] <= best[name]).all()
        assert worst.mean()[name] < middle.mean()[name] < best.mean()[name]


def test_one_group_of_half_a_million_has_its_closed_form():
    """Expected AP and reciprocal rank where all photos tie and one is relevant: H(n) / n."""
    count = 500_000
    labels = torch.zeros(count, dtype=torch.int64)
    labels[123] = 1
    found = ranking_metrics(torch.ones(1, 1), torch.ones(count, 1), torch.ones(1, dtype=torch.int64), labels)
    expected = math.fsum(1 / i for i in range(1, count + 1)) / count
    assert found.mean()["ap"] == pytest.approx(expected, rel=1e-12, abs=0)
    assert found.mean()["rr"] == pytest.approx(expected, rel=1e-12, abs=0)


def test_a_repeated_photo_counts_as_often_as_it_is_there():
    catalogue = torch.tensor([[3.0], [2.0], [2.0], [1.0]])
    found = ranking_metrics(
        torch.ones(1, 1), catalogue, torch.tensor([1]), torch.tensor([0, 1, 1, 1]), similarity="dot"
    )
    assert found["ap"].item() == pytest.approx((1 / 2 + 2 / 3 + 3 / 4) / 3)
    assert found.tied.item() == 0  # the two differ in nothing that matters


def test_a_query_left_out_of_its_own_ranking_is_leave_one_out():
    generator = torch.Generator().manual_seed(0)
    embeddings, labels = torch.randn(30, 6, generator=generator), torch.arange(30) % 3
    found = ranking_metrics(embeddings, embeddings, labels, labels, exclude=torch.arange(30))
    for row in range(30):
        others = torch.arange(30) != row
        alone = ranking_metrics(embeddings[row : row + 1], embeddings[others], labels[row : row + 1], labels[others])
        assert all(found[name][row] == alone[name][0] for name in found.values)
    assert (found.relevant == 9).all()


def test_queries_without_relevant_photos_are_counted_and_left_out():
    generator = torch.Generator().manual_seed(0)
    queries, catalogue = torch.randn(4, 5, generator=generator), torch.randn(9, 5, generator=generator)
    labels = torch.arange(9) % 2
    found = ranking_metrics(queries, catalogue, torch.tensor([0, 7, 1, 7]), labels)
    assert found["ap"].isnan().tolist() == [False, True, False, True]
    assert found.relevant.tolist() == [5, 0, 4, 0]
    assert found.mean()["ap"] == pytest.approx(found["ap"][[0, 2]].mean().item())
    assert math.isnan(found.per_class()[7]["ap"])
    assert found.macro()["ap"] == pytest.approx(found["ap"][[0, 2]].mean().item())
    assert found.remarks() == ["2 of 4 queries have no relevant photo and are left out of the means"]
    assert math.isnan(ranking_metrics(queries, catalogue, torch.full((4,), 7), labels).mean()["rr"])


def test_the_last_relevant_photo_may_be_excluded():
    found = ranking_metrics(
        torch.ones(1, 1), torch.ones(2, 1), torch.tensor([1]), torch.tensor([1, 0]), exclude=torch.tensor([0])
    )
    assert found.relevant.tolist() == [0]
    assert found["ap"].isnan().all()


def test_macro_counts_each_class_once():
    catalogue, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    queries = torch.tensor([[1.0, 0.1], [1.0, 0.2], [1.0, 0.3]])
    found = ranking_metrics(queries, catalogue, torch.tensor([0, 0, 1]), labels)
    assert found["ap"].tolist() == [1.0, 1.0, 0.5]
    assert found.per_class() == {0: {"ap": 1.0, "rr": 1.0, "p@10": 0.1}, 1: {"ap": 0.5, "rr": 0.5, "p@10": 0.1}}
    assert found.mean()["ap"] == pytest.approx(2.5 / 3)
    assert found.macro()["ap"] == 0.75


def test_the_order_of_queries_does_not_show_in_a_mean():
    generator = torch.Generator().manual_seed(0)
    sample = [torch.randn(n, 5, generator=generator) for n in (300, 90)] + [torch.arange(n) % 4 for n in (300, 90)]
    found = ranking_metrics(*sample)
    for _ in range(5):
        order = torch.randperm(300, generator=generator)
        moved = replace(found, values={k: v[order] for k, v in found.values.items()}, labels=found.labels[order])
        assert (moved.mean(), moved.macro()) == (found.mean(), found.macro())


def test_no_query_is_no_error():
    found = ranking_metrics(torch.zeros(0, 2), torch.ones(3, 2), torch.zeros(0, dtype=torch.int64), torch.arange(3))
    assert math.isnan(found.mean()["ap"])
    assert found.remarks() == ["there is no query"]


def test_what_was_not_computed_is_named():
    found = ranking_metrics(torch.ones(1, 2), torch.ones(3, 2), torch.tensor([0]), torch.arange(3), ("ap",))
    with pytest.raises(KeyError, match="'rr' was not computed; there are: ap"):
        found["rr"]


GOOD = {
    "queries": torch.ones(2, 3),
    "catalogue": torch.ones(4, 3),
    "query_labels": torch.zeros(2, dtype=torch.int64),
    "catalogue_labels": torch.zeros(4, dtype=torch.int64),
}


def spoilt(value):
    embeddings = torch.ones(4, 3)
    embeddings[2, 1] = value
    return embeddings


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"catalogue": spoilt(math.nan)}, r"1 of 4 rows of catalogue are not finite .* the first is row 2"),
        ({"catalogue": spoilt(math.inf)}, r"1 of 4 rows of catalogue are not finite"),
        ({"queries": spoilt(-math.inf)[1:3]}, r"1 of 2 rows of queries are not finite .* the first is row 1"),
        ({"queries": torch.ones(2)}, r"queries are \(2,\) torch.float32; give floating-point rows"),
        ({"catalogue": torch.ones(4, 3, dtype=torch.int64)}, r"catalogue are \(4, 3\) torch.int64; give floating"),
        ({"catalogue": torch.ones(4, 2)}, "queries have 3 dimensions and the catalogue has 2"),
        ({"queries": torch.ones(2, 0), "catalogue": torch.ones(4, 0)}, "queries have 0 dimensions"),
        ({"query_labels": torch.zeros(2)}, r"query_labels is \(2,\) torch.float32; give a whole number for each row"),
        ({"query_labels": torch.zeros(2, dtype=torch.bool)}, r"query_labels is \(2,\) torch.bool"),
        ({"catalogue_labels": torch.arange(3)}, r"catalogue_labels is \(3,\) torch.int64; .* for each row, \(4,\)"),
        ({"exclude": torch.tensor([0, 4])}, "exclude reaches from 0 to 4; give places in the catalogue, 0 to 3"),
        ({"exclude": torch.tensor([-2, 0])}, "exclude reaches from -2 to 0"),
        ({"exclude": torch.tensor([0])}, r"exclude is \(1,\) torch.int64"),
        ({"catalogue": torch.ones(0, 3), "catalogue_labels": torch.arange(0)}, "the catalogue is empty"),
        ({"similarity": "cosinus"}, "similarity is 'cosinus'; it can be cosine, dot, euclidean"),
        ({"ties": "index"}, "ties is 'index'; it can be expected, best, worst"),
        ({"chunk": 0}, "chunk is 0; give a number of photos from 1 on"),
        ({"metrics": ("ap", "ap@200")}, "there is no metric 'ap@200'; there are ap, rr, p@K"),
        ({"metrics": ("map",)}, "there is no metric 'map'"),
        ({"metrics": ("p@0",)}, "there is no metric 'p@0'"),
        ({"metrics": ("p@10/hits",)}, "there is no metric 'p@10/hits'"),
        ({"metrics": ("p",)}, "there is no metric 'p'"),
        ({"metrics": ("ap/R",)}, "there is no metric 'ap/R'"),
        ({"metrics": ("ap", "ap")}, r"metrics are \['ap', 'ap'\]; give at least one, and each once"),
        ({"metrics": ()}, r"metrics are \[\]"),
        ({"catalogue": torch.ones(4, 3, device="meta")}, "on cpu and meta"),
    ],
)
def test_bad_arguments_are_refused_in_words(changed, words):
    with pytest.raises(ValueError, match=words):
        ranking_metrics(**{**GOOD, **changed})
