"""Ranking again with the catalogue's help: what is measured, and that each number says what it used."""

import json

import numpy as np
import pytest
import torch

from hybrid_sbir.metrics import ranking_metrics, scored_metrics
from hybrid_sbir.results.refinement import refine
from hybrid_sbir.retrieval import augment_catalogue, expand_queries, rerank
from tests.results.retrieval_runs import arrays, leave_retrieval


@pytest.fixture
def run(tmp_path):
    return leave_retrieval(tmp_path / "run")


def parts():
    read = arrays()
    return [
        torch.from_numpy(read[f"{role}_{part}"]) for part in ("embedding", "label") for role in ("query", "catalogue")
    ]


def results(run):
    return {result["name"]: result for result in json.loads((run / "refined.json").read_text())["results"]}


def test_each_way_of_ranking_is_what_its_function_gives(run):
    lines = refine(run, expand=4, alpha=2, augment=3, k1=6, k2=3, weight=0.5)
    queries, photos, labels, photo_labels = parts()
    more = augment_catalogue(photos, 3, 2)
    wide = expand_queries(queries, more, 4, 2)
    expected = {
        "plain": ranking_metrics(queries, photos, labels, photo_labels),
        "augmented catalogue": ranking_metrics(queries, more, labels, photo_labels),
        "expanded queries": ranking_metrics(wide, more, labels, photo_labels),
        "re-ranked": scored_metrics(rerank(queries, photos, 6, 3, 0.5), labels, photo_labels),
        "both": scored_metrics(rerank(wide, more, 6, 3, 0.5), labels, photo_labels),
    }
    found = results(run)
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert [found[name][key] for key in ("map", "mrr", "p10")] == list(values.mean().values())
    assert len({found[name]["map"] for name in found}) > 3
    assert [line.partition(":")[0] for line in lines[:-1]] == list(expected)
    assert lines[0].startswith(f"plain: map {100 * expected['plain'].mean()['ap']:.2f} %")


def test_what_used_the_catalogue_says_so(run):
    lines = refine(run, k1=6, k2=3)
    found = results(run)
    assert "uses the catalogue" not in lines[0]
    assert found["plain"]["remarks"] == []
    assert found["plain"]["settings"] == {}
    for line, name in zip(lines[1:-1], list(found)[1:], strict=True):
        assert line.endswith("(uses the catalogue)")
        assert found[name]["remarks"][0] == "uses the catalogue"
    assert found["both"]["settings"] == {"expand": 10, "alpha": 3.0, "k1": 6, "k2": 3, "weight": 0.3}


def test_only_what_was_asked_for(run):
    refine(run, expand=0, rerank=False)
    assert list(results(run)) == ["plain"]
    refine(run, expand=0, k1=5, k2=2)
    assert list(results(run)) == ["plain", "re-ranked"]


def test_a_small_catalogue_is_used_whole(tmp_path):
    refine(leave_retrieval(tmp_path / "few", **arrays(photos=5)))
    used = {"expand": 5, "alpha": 3.0, "k1": 4, "k2": 4, "weight": 0.3}
    assert results(tmp_path / "few")["both"]["settings"] == used


def test_one_photo_has_no_neighbours(tmp_path):
    run = leave_retrieval(tmp_path / "one", **arrays(photos=1))
    with pytest.raises(ValueError, match="the catalogue has 1: give 2 or more"):
        refine(run)
    assert not (run / "refined.json").exists()


def test_what_does_not_fit_leaves_the_older_results(run):
    refine(run, rerank=False)
    older = (run / "refined.json").read_text()
    with pytest.raises(ValueError, match="k1 is 30 and k2 is 6 with 30 photos"):
        refine(run, k1=30)
    with pytest.raises(ValueError, match="31 neighbours were asked for among 30 photos"):
        refine(run, expand=31)
    with pytest.raises(ValueError, match="expand is -1"):
        refine(run, expand=-1)
    assert (run / "refined.json").read_text() == older


def test_an_embedding_that_is_no_number_is_like_nothing(tmp_path):
    embedding = arrays()["catalogue_embedding"]
    embedding[4] = np.nan
    refine(leave_retrieval(tmp_path / "broken", catalogue_embedding=embedding), k1=6, k2=3)
    assert len(results(tmp_path / "broken")) == 4
