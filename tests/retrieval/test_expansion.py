"""Neighbours and query expansion beside explicit loops."""

import numpy as np
import pytest
import torch

from hybrid_sbir.retrieval import augment_catalogue, expand_queries, nearest, neighbours


def sample(queries=9, photos=40, dimension=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(count, dimension, generator=generator) for count in (queries, photos)]
    return [torch.nn.functional.normalize(rows) for rows in draw]


def by_hand(query, photos, k):
    """Cosines and places of the nearest photos, equal ones in order."""
    cosines = photos.double().numpy() @ query.double().numpy()
    order = sorted(range(len(photos)), key=lambda place: (-round(cosines[place], 7), place))[:k]
    return cosines[order], order


def test_the_nearest_photos_in_order():
    queries, photos = sample()
    near, places = nearest(queries, photos, 7)
    for query, row, place in zip(queries, near, places, strict=True):
        cosines, order = by_hand(query, photos, 7)
        assert place.tolist() == order
        assert row.tolist() == pytest.approx(cosines, abs=1e-7)


def test_equally_near_photos_come_in_the_order_of_the_catalogue():
    queries, photos = sample(photos=10)
    repeated = torch.cat([photos, photos, photos])
    _, once = nearest(queries, photos, 4)
    _, places = nearest(queries, repeated, 11)
    expected = [[place + 10 * copy for place in row for copy in range(3)][:11] for row in once.tolist()]
    assert places.tolist() == expected


def test_no_photo_is_its_own_neighbour():
    _, photos = sample()
    near, places = nearest(photos, photos, 39, leave_one_out=True)
    assert all(set(row) == set(range(40)) - {own} for own, row in enumerate(places.tolist()))
    assert near.max() < 1


@pytest.mark.parametrize("numbers", [1, 45, 200])
def test_blocks_leave_no_trace(numbers, monkeypatch):
    queries, photos = sample()
    expected = [*nearest(queries, photos, 5), *nearest(photos, photos, 5, True), expand_queries(queries, photos, 5)]
    monkeypatch.setattr(neighbours, "_SCORES", numbers)
    monkeypatch.setattr(neighbours.blocks, "__defaults__", (numbers,))
    found = [*nearest(queries, photos, 5), *nearest(photos, photos, 5, True), expand_queries(queries, photos, 5)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("alpha", [0, 1, 3])
def test_expansion_is_the_weighted_sum(alpha):
    queries, photos = sample(photos=9)  # so few that the last are on the other side of the sphere
    found = expand_queries(queries, photos, 9, alpha)
    assert (queries @ photos.T).amin(dim=1).max() < 0
    for query, row in zip(queries.double().numpy(), found.numpy(), strict=True):
        total = query.copy()
        cosines, order = by_hand(torch.from_numpy(query), photos, 9)
        for cosine, place in zip(cosines, order, strict=True):
            total += (max(cosine, 0) ** alpha if alpha else 1) * photos[place].double().numpy()
        assert row == pytest.approx(total / np.linalg.norm(total), abs=1e-6)


def test_augmentation_expands_each_photo_by_the_others():
    _, photos = sample()
    found = augment_catalogue(photos, 4, 2)
    for own in range(40):
        others = torch.cat([photos[:own], photos[own + 1 :]])
        assert torch.allclose(found[own], expand_queries(photos[own : own + 1], others, 4, 2)[0], atol=1e-6)


def test_lengths_do_not_count():
    queries, photos = sample()
    assert torch.allclose(expand_queries(queries * 3, photos * 0.1, 5), expand_queries(queries, photos, 5), atol=1e-6)
    assert torch.allclose(expand_queries(queries, photos, 5).norm(dim=1), torch.ones(9))


def test_zeros_are_like_nothing():
    """What stands in the place of an embedding that was no number."""
    queries, photos = sample()
    photos[3], queries[0] = 0, 0
    near, places = nearest(queries, photos, 40)
    assert near[0].tolist() == [0] * 40
    assert places[0].tolist() == list(range(40))
    assert all(row[place.tolist().index(3)] == 0 for row, place in zip(near, places, strict=True))
    others = torch.cat([photos[:3], photos[4:]])
    assert torch.allclose(expand_queries(queries[1:], photos, 5), expand_queries(queries[1:], others, 5), atol=1e-6)


def test_no_query():
    _, photos = sample()
    assert expand_queries(photos[:0], photos, 5).shape == (0, 6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 0}, "0 neighbours were asked for among 40 photos; give 1 to 40"),
        ({"k": 41}, "41 neighbours"),
        ({"alpha": -1}, r"alpha is -1; give a power from 0 on"),
        ({"queries": torch.ones(2, 5)}, "queries have 5 dimensions, the catalogue 6"),
        ({"queries": torch.ones(6)}, r"queries are \(6,\)"),
        ({"catalogue": torch.ones(4, 6).long()}, "catalogue are .* torch.int64; give floating-point rows"),
        ({"catalogue": torch.zeros(0, 6)}, "the catalogue is empty"),
        (
            {"queries": torch.tensor([[1.0] * 6, [float("nan")] * 6])},
            "1 of 2 queries are not finite, the first in row 1",
        ),
    ],
)
def test_mistakes_are_refused_in_words(change, words):
    queries, photos = sample()
    with pytest.raises(ValueError, match=words):
        expand_queries(**{"queries": queries, "catalogue": photos, "k": 5, **change})
