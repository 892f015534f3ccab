"""The exact store finds what the evaluator's nearest finds, in its order."""

import numpy as np
import pytest
import torch

from hybrid_sbir.retrieval.neighbours import nearest
from hybrid_sbir.search.stores import ExactStore, exact, scoring


def unit(rng, count, size=16):
    rows = rng.standard_normal((count, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def assert_same(vectors, queries, k):
    cosines, places = ExactStore(vectors).search(queries, k)
    expected, order = nearest(torch.from_numpy(queries), torch.from_numpy(vectors), min(k, len(vectors)))
    assert places.tolist() == order.tolist()
    assert cosines.tolist() == expected.float().tolist()
    assert (cosines.dtype, places.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("faiss", [True, False])
@pytest.mark.parametrize("k", [1, 10, 100, 999, 1000, 5000])
def test_the_order_is_the_evaluators(k, faiss, monkeypatch):
    if not faiss:
        monkeypatch.setattr(exact, "library", missing)
    rng = np.random.default_rng(k)
    assert_same(unit(rng, 1000), unit(rng, 7) * 3, k)


def missing():
    raise ImportError


def test_equal_and_nearly_equal_photos_stand_as_the_evaluator_puts_them():
    """Copies, copies a last bit away, and rows of zeros: more of them than are spare."""
    rng = np.random.default_rng(0)
    base = unit(rng, 20)
    nudged = np.nextafter(np.repeat(base, 30, axis=0), np.float32(2) * rng.choice([-1, 1], (600, 16)), dtype=np.float32)
    vectors = np.concatenate([base, nudged, base, np.zeros((50, 16), np.float32), unit(rng, 700)])
    vectors = np.ascontiguousarray(vectors[rng.permutation(len(vectors))])
    queries = np.concatenate([base[:5], unit(rng, 3), np.zeros((1, 16), np.float32)])
    for k in (1, 3, 31, 32, 60, 200, len(vectors)):
        assert_same(vectors, queries, k)


def test_all_photos_equal():
    assert_same(np.repeat(unit(np.random.default_rng(0), 1), 5000, axis=0), unit(np.random.default_rng(1), 2), 10)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    vectors, queries = unit(rng, 500), unit(rng, 9)
    monkeypatch.setattr(scoring, "BLOCK", 7)
    monkeypatch.setattr(exact, "_SCORES", 1200)
    for k in (5, 400, 500):
        assert_same(vectors, queries, k)


def test_vectors_stay_on_the_disk(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "v.npy", unit(rng, 300))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    cosines, places = ExactStore(mapped).search(unit(rng, 1), 300)
    assert sorted(places[0].tolist()) == list(range(300))
    assert (np.diff(cosines[0]) <= 0).all()


def test_float32_stays_within_its_bound():
    """Rows whose products cancel, where float32 does worst."""
    rng = np.random.default_rng(0)
    for size in (3, 128, 512):
        vectors = np.concatenate([unit(rng, 2000, size), np.repeat(unit(rng, 1, size), 2, axis=0)])
        vectors[:, 1::2] = vectors[:, ::2][:, : vectors[:, 1::2].shape[1]] * -1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        queries = np.abs(unit(rng, 20, size))
        coded = scoring.checked(queries, size)
        off = scoring.all_scores(coded, vectors).numpy() - (coded * 2.0**-26).float().numpy() @ vectors.T
        assert np.abs(off).max() < scoring.error_bound(size, scoring.farthest_norm(vectors))


def test_an_empty_catalogue_gives_nothing():
    cosines, places = ExactStore(np.zeros((0, 4), np.float32)).search(np.ones((2, 4), np.float32), 3)
    assert cosines.shape == places.shape == (2, 0)


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.full((3, 4), 0.7, np.float32), r"vector 0 has norm 1\.39.*give vectors of norm 1"),
        (np.array([[1, 0], [np.nan, 0]], np.float32), "vector 1 has norm nan"),
        (np.eye(3), r"\(3, 3\) float64; give rows of float32"),
    ],
)
def test_vectors_that_are_no_embeddings_are_refused(vectors, words):
    with pytest.raises(ValueError, match=words):
        ExactStore(vectors)


@pytest.mark.parametrize(
    ("queries", "k", "words"),
    [
        (np.ones((1, 4), np.float32), 0, "0 photos were asked for; give 1 or more"),
        (np.ones((1, 5), np.float32), 1, "queries have 5 dimensions, the catalogue 4"),
        (np.full((1, 4), np.inf, np.float32), 1, "1 of 1 queries are not finite"),
    ],
)
def test_queries_without_an_answer_are_refused(queries, k, words):
    with pytest.raises(ValueError, match=words):
        ExactStore(np.eye(4, dtype=np.float32)).search(queries, k)
