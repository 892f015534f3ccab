"""Codes and scores: exact as whole numbers, near to the true similarities, the same bits in any shape and order."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hybrid_sbir.metrics.similarity import SIMILARITIES, Scorer, norms
from hybrid_sbir.metrics.summation import ordered_sum

LIMIT = 2**53


def embeddings(count, dimension, seed, dtype=torch.float32):
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed)).to(dtype)


def whole(codes):
    assert (codes.components == codes.components.round()).all()
    return codes.components.long().tolist()


def hard_rows():
    """Rows whose codes are as long as codes get: one component, equal ones, near a power of two, uneven ones."""
    rows = [[1.0] + [0.0] * 15, [1.0] * 16, [-1.0] * 16, [math.nextafter(2.0, 0)] + [0.0] * 15, [0.0] * 16]
    rows += [[2.0**-i for i in range(16)], [1e-30] * 16, [1e30] * 16, [3.0, -4.0] * 8]
    return torch.tensor(rows)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("sample", [hard_rows(), embeddings(9, 16, 0), embeddings(9, 16, 1, torch.float16)])
def test_scores_are_the_exact_sums_of_the_codes(similarity, sample):
    scorer = Scorer(similarity, norms(sample).amax().item())
    queries, photos = scorer.queries(sample), scorer.photos(sample)
    scores = scorer.scores(queries, photos)
    for q, query in enumerate(whole(queries)):
        for p, photo in enumerate(whole(photos)):
            assert sum(abs(a * b) for a, b in zip(query, photo, strict=True)) < LIMIT  # no partial sum is rounded
            exact = sum(a * b for a, b in zip(query, photo, strict=True))
            if similarity == "euclidean":
                half = sum(a * a for a in photo) / 2 * queries.weight[q].item()
                exact -= round(half)
            assert abs(exact) < LIMIT
            assert scores[q, p].item() == exact


@pytest.mark.parametrize("shift", [0.0, 1.5])
@pytest.mark.parametrize("dimension", [64, 512])
def test_a_cosine_moves_less_than_float32_products_move_it(dimension, shift):
    queries, photos = embeddings(50, dimension, 0) + shift, embeddings(500, dimension, 1) + shift
    scorer = Scorer("cosine", 1.0)
    normal = torch.nn.functional.normalize
    true = normal(queries.double()) @ normal(photos.double()).T
    error = (scorer.scores(scorer.queries(queries), scorer.photos(photos)) / 2.0**52 - true).square().mean().sqrt()
    assert error < 2.0**-27
    assert error < ((normal(queries) @ normal(photos).T).double() - true).square().mean().sqrt()


def test_a_vector_of_zeros_has_a_cosine_of_zero():
    scorer = Scorer("cosine", 1.0)
    photos = scorer.photos(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert scorer.scores(scorer.queries(torch.tensor([[0.0, 0.0], [-1.0, 0.0]])), photos).sign().tolist() == [
        [0.0, 0.0],
        [0.0, -1.0],
    ]


@pytest.mark.parametrize("length", [1e-6, 1.0, 1e6])
def test_distances_rank_queries_of_any_length(length):
    """A query far outside the catalogue is shrunk; the order by distance must stay."""
    photos = embeddings(200, 8, 0)
    queries = embeddings(20, 8, 1) * length
    scorer = Scorer("euclidean", norms(photos).amax().item())
    scores = scorer.scores(scorer.queries(queries), scorer.photos(photos))
    near = (photos.double() * queries.double()[:, None]).sum(2) - photos.double().square().sum(1) / 2
    ours = near.gather(1, scores.argsort(dim=1, descending=True))
    assert (ours.diff(dim=1) <= 1e-6 * max(1.0, length)).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_scores_have_the_same_bits_in_any_shape_order_and_number_of_threads(similarity):
    queries, photos = embeddings(13, 300, 0), embeddings(70, 300, 1)
    scorer = Scorer(similarity, norms(photos).amax().item())
    whole_scores = scorer.scores(scorer.queries(queries), scorer.photos(photos))
    for step in (1, 3, 7, 32):
        parts = [scorer.scores(scorer.queries(queries), scorer.photos(part)) for part in photos.split(step)]
        assert torch.equal(torch.cat(parts, dim=1), whole_scores)
        parts = [scorer.scores(scorer.queries(part), scorer.photos(photos)) for part in queries.split(step)]
        assert torch.equal(torch.cat(parts), whole_scores)
    torch.set_num_threads(2)
    assert torch.equal(scorer.scores(scorer.queries(queries), scorer.photos(photos)), whole_scores)
    codes, own = scorer.photos(photos), scorer.queries(queries)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(2))
    products = own.components @ codes.components.T
    assert torch.equal(own.components[:, order] @ codes.components[:, order].T, products)


@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.integers(0, 30))
def test_an_ordered_sum_is_near_and_ignores_zeros_behind(values, zeros):
    found = ordered_sum(torch.tensor(values, dtype=torch.float64))
    assert found.item() == pytest.approx(math.fsum(values), rel=1e-12, abs=1e-7)
    assert ordered_sum(torch.tensor([*values, *[0.0] * zeros], dtype=torch.float64)).item() == found.item()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_an_ordered_sum_has_the_bits_of_halves_added_one_by_one(values):
    def halves(numbers):
        half = len(numbers) // 2
        return halves([a + b for a, b in zip(numbers[:half], numbers[half:], strict=True)]) if half else numbers[0]

    padded = [*values, *[0.0] * ((1 << (len(values) - 1).bit_length()) - len(values))]
    assert ordered_sum(torch.tensor(values, dtype=torch.float64)).item() == halves(padded)


def test_norms_of_a_row_do_not_depend_on_the_others():
    rows = embeddings(700, 513, 0)
    assert torch.equal(norms(rows), torch.cat([norms(row[None]) for row in rows]))
    assert torch.equal(norms(rows), ordered_sum(rows.double().square()).sqrt())
    assert norms(torch.tensor([[math.nan, 1.0], [math.inf, 0.0], [3.0, 4.0]])).isfinite().tolist() == [
        False,
        False,
        True,
    ]


@pytest.mark.gpu
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_gpu_gives_the_same_bits(similarity):
    queries, photos = embeddings(50, 300, 0), embeddings(900, 300, 1)
    scorer = Scorer(similarity, norms(photos).amax().item())
    there = scorer.scores(scorer.queries(queries.cuda()), scorer.photos(photos.cuda()))
    assert torch.equal(there.cpu(), scorer.scores(scorer.queries(queries), scorer.photos(photos)))
