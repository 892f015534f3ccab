"""One evaluation's scores: by hand, by group, with what is no number, and with the whole catalogue."""

import math

import pytest
import torch
import torch.nn.functional as F

from hybrid_sbir.batch import RetrievalSet
from hybrid_sbir.tasks.retrieval_scores import RetrievalScores

CLASSES = ("ant", "bee", "cat", "dog")


def scores(groups=None, name="test", size=2):
    return RetrievalScores(RetrievalSet(name, CLASSES, groups or {}), size)


def at(*degrees):
    """Unit vectors (N, 2) at these angles."""
    angle = torch.tensor(degrees, dtype=torch.float32).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def fill(meter, queries, photos):
    """Give pairs of (angles, labels); indices count up."""
    for role, (degrees, labels) in (("query", queries), ("photo", photos)):
        meter.update(at(*degrees), torch.tensor(labels), torch.arange(len(labels)), role)
    return meter


QUERIES = ((0, 90), (0, 1))
PHOTOS = ((10, 20, 30, 80), (1, 0, 0, 1))
# Query 0, class 0: photos at 10 (1), 20 (0), 30 (0), 80 (1): AP = (1/2 + 2/3) / 2, RR = 1/2, P@10 = 2/10.
# Query 1, class 1: photos at 80 (1), 30 (0), 20 (0), 10 (1): AP = (1 + 2/4) / 2, RR = 1.
AP = {0: (1 / 2 + 2 / 3) / 2, 1: (1 + 2 / 4) / 2}


def test_means_by_hand_and_of_groups():
    meter = fill(scores({"seen": (0, 2), "unseen": (1,), "absent": (3,)}), QUERIES, PHOTOS)
    found = meter.compute()
    assert found["test/map"] == pytest.approx((AP[0] + AP[1]) / 2)
    assert found["test/mrr"] == pytest.approx(0.75)
    assert found["test/p10"] == pytest.approx(0.2)
    assert found["test/seen_map"] == pytest.approx(AP[0])  # against the whole catalogue
    assert found["test/unseen_map"] == pytest.approx(AP[1])
    assert (found["test/seen_mrr"], found["test/unseen_mrr"]) == (0.5, 1.0)
    assert all(math.isnan(found[f"test/absent_{metric}"]) for metric in ("map", "mrr", "p10"))
    assert set(meter.found) == {"test"}


def test_batches_of_any_size_and_repeats_give_the_same():
    whole = fill(scores(), QUERIES, PHOTOS).compute()
    meter = scores()
    for role, (degrees, labels) in (("photo", PHOTOS), ("query", QUERIES)):
        for place in [*range(len(labels)), 0]:  # the first one once more, as a padded sampler gives it
            meter.update(at(degrees[place]), torch.tensor(labels)[[place]], torch.tensor([place]), role)
    assert meter.compute() == whole


def test_queries_that_find_nothing_are_left_out_and_said():
    meter = fill(scores(), ((0, 90), (0, 3)), PHOTOS)
    with pytest.warns(UserWarning, match="test: "):
        found = meter.compute()
    assert found["test/map"] == pytest.approx(AP[0])


class TestNoNumbers:
    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_it_counts_as_unlike_everything(self, value):
        """A cosine of 0: behind what is alike, before what is opposite."""
        meter = scores()
        meter.update(at(0), torch.tensor([0]), torch.tensor([0]), "query")
        photos = torch.cat([at(60), torch.full((1, 2), value), at(120)])
        meter.update(photos, torch.tensor([1, 0, 1]), torch.arange(3), "photo")
        with pytest.warns(UserWarning, match=r"1 photo images are not finite \(indices \[1\]\); they count as unlike"):
            found = meter.compute()
        assert found["test/map"] == 1 / 2
        assert meter.non_finite == 1

    def test_one_bad_entry_spoils_its_row_only(self):
        meter = fill(scores(), QUERIES, PHOTOS)
        bad = torch.tensor([[1.0, float("nan")]])
        meter.update(bad, torch.tensor([1]), torch.tensor([7]), "query")
        with pytest.warns(UserWarning, match=r"1 query images are not finite \(indices \[7\]\)"):
            meter.compute()
        # Equal similarities: the mean over the orders of 2 relevant among 4.
        rows = meter.found["test"]
        assert rows["ap"][:2].tolist() == pytest.approx([AP[0], AP[1]])
        assert 0 < rows["ap"][2] < 1

    def test_many_are_named_in_part(self):
        meter = fill(scores(), QUERIES, PHOTOS)
        meter.update(
            torch.full((12, 2), float("nan")), torch.zeros(12, dtype=torch.int64), torch.arange(4, 16), "photo"
        )
        with pytest.warns(UserWarning, match=r"12 photo images .*\[4, 5, 6, 7, 8, 9, 10, 11, 12, 13\] and more"):
            meter.compute()
        assert meter.non_finite == 12

    def test_a_new_start_forgets_them(self, recwarn):
        meter = fill(scores(), QUERIES, PHOTOS)
        meter.update(torch.full((1, 2), float("nan")), torch.tensor([0]), torch.tensor([4]), "photo")
        meter.reset()
        assert fill(meter, QUERIES, PHOTOS).compute()["test/map"] == pytest.approx((AP[0] + AP[1]) / 2)
        assert meter.non_finite == 0
        assert not [w for w in recwarn if "not finite" in str(w.message)]


class TestWithTheCatalogue:
    def random(self, photos=60, queries=12, groups=None):
        generator = torch.Generator().manual_seed(0)
        meter = scores(groups, "val", size=6)
        centres = torch.randn(4, 6, generator=generator)
        for role, count in (("query", queries), ("photo", photos)):
            label = torch.arange(count) % 4
            embedding = F.normalize(centres[label] + 1.5 * torch.randn(count, 6, generator=generator))
            meter.update(embedding, label, torch.arange(count), role)
        return meter

    def test_names(self):
        groups = {"seen": (0, 1), "unseen": (2, 3)}
        found = self.random(groups=groups).compute(["expansion", "reranking"])
        starts, parts = ("val", "val_expanded", "val_reranked"), ("", "seen_", "unseen_")
        assert set(found) == {f"{s}/{p}{m}" for s in starts for p in parts for m in ("map", "mrr", "p10")}
        plain = self.random(groups=groups).compute()
        assert {name: found[name] for name in plain} == plain

    def test_they_are_other_rankings_of_the_same_queries(self):
        meter = self.random()
        found = meter.compute(["expansion", "reranking"])
        assert len({found[f"{name}/map"] for name in ("val", "val_expanded", "val_reranked")}) == 3
        assert found["val_expanded/map"] > found["val/map"]  # four clear groups: their middles are better queries
        assert found["val_reranked/map"] > found["val/map"]
        assert all(values.labels.equal(meter.found["val"].labels) for values in meter.found.values())

    @pytest.mark.parametrize("photos", [2, 3, 7])
    def test_a_catalogue_smaller_than_the_neighbourhoods(self, photos):
        found = self.random(photos=photos, queries=2).compute(["expansion", "reranking"])
        assert all(0 <= value <= 1 for value in found.values())

    def test_with_an_embedding_that_is_no_number(self):
        meter = self.random()
        meter.update(torch.full((1, 6), float("nan")), torch.tensor([0]), torch.tensor([60]), "photo")
        with pytest.warns(UserWarning, match="not finite"):
            found = meter.compute(["expansion", "reranking"])
        assert all(math.isfinite(value) for value in found.values())
