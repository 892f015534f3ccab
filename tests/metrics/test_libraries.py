"""Values beside those of trec_eval (by two packages) and ranx, from cosines that NumPy computes by itself."""

import os

import numpy as np
import pytest
import torch

from hybrid_sbir.metrics import ranking_metrics

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # ranx would compile for half a minute to rank 30 queries

import ir_measures
import pytrec_eval
import ranx

# ours -> trec_eval's name, ir-measures's, ranx's
NAMES = {
    "ap": ("map", ir_measures.AP, "map"),
    "rr": ("recip_rank", ir_measures.RR, "mrr"),
    "p@10": ("P_10", ir_measures.P @ 10, "precision@10"),
    "ap@20/R": ("map_cut_20", ir_measures.AP @ 20, "map@20"),
}
QUERIES, PHOTOS, CLASSES = 30, 80, 6


@pytest.fixture(scope="module")
def sample():
    """Embeddings, labels, and the same as documents: relevance and scores by name. Scores apart, many negative."""
    random = np.random.default_rng(0)
    queries, catalogue = (random.standard_normal((n, 12)).astype(np.float32) for n in (QUERIES, PHOTOS))
    query_labels, labels = np.arange(QUERIES) % CLASSES, random.integers(CLASSES, size=PHOTOS)
    unit = [
        x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) for x in (queries, catalogue)
    ]
    scores = unit[0] @ unit[1].T
    assert np.diff(np.sort(scores, axis=1)).min() > 1e-6  # trec_eval rounds to float32 and breaks ties by name
    assert (scores < 0).mean() > 0.3
    relevance = {
        f"q{q:02}": {f"d{d:02}": 1 for d in range(PHOTOS) if labels[d] == query_labels[q]} for q in range(QUERIES)
    }
    run = {f"q{q:02}": {f"d{d:02}": float(scores[q, d]) for d in range(PHOTOS)} for q in range(QUERIES)}
    return [torch.from_numpy(x) for x in (queries, catalogue, query_labels, labels)], relevance, run


@pytest.fixture(scope="module")
def ours(sample):
    return ranking_metrics(*sample[0], metrics=tuple(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_trec_eval(sample, ours, name):
    _, relevance, run = sample
    theirs = pytrec_eval.RelevanceEvaluator(relevance, {"map", "recip_rank", "P", "map_cut"}).evaluate(run)
    assert ours[name].tolist() == pytest.approx([theirs[f"q{q:02}"][NAMES[name][0]] for q in range(QUERIES)], abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_ir_measures(sample, ours, name):
    _, relevance, run = sample
    measure = NAMES[name][1]
    theirs = {found.query_id: found.value for found in ir_measures.iter_calc([measure], relevance, run)}
    assert ours[name].tolist() == pytest.approx([theirs[f"q{q:02}"] for q in range(QUERIES)], abs=1e-12)
    assert ours.mean()[name] == pytest.approx(ir_measures.calc_aggregate([measure], relevance, run)[measure], abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_ranx(sample, ours, name):
    _, relevance, run = sample
    theirs = ranx.evaluate(ranx.Qrels(relevance), ranx.Run(run), NAMES[name][2], return_mean=False)
    assert ours[name].tolist() == pytest.approx(np.asarray(theirs).tolist(), abs=1e-12)


def test_a_tie_is_worth_what_trec_eval_gives_on_average_over_names():
    """trec_eval puts the larger name first; with every relevant photo once in each place that is our expectation."""
    queries, catalogue = torch.ones(1, 1), torch.ones(3, 1)
    ours = ranking_metrics(queries, catalogue, torch.tensor([1]), torch.tensor([1, 0, 0]))["ap"].item()
    evaluator = [pytrec_eval.RelevanceEvaluator({"q": {name: 1}}, {"map"}) for name in "abc"]
    theirs = [each.evaluate({"q": dict.fromkeys("abc", 0.5)})["q"]["map"] for each in evaluator]
    assert theirs == pytest.approx([1 / 3, 1 / 2, 1])
    assert ours == pytest.approx(sum(theirs) / 3)
