"""Re-ranking beside an oracle of sets and loops, written from the paper's equations 1 to 12."""

import math

import pytest
import torch

from hybrid_sbir.retrieval import neighbours, rerank, reranking


def sample(queries=7, photos=60, seed=0):
    """Photos in clouds, so that neighbourhoods overlap."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(6, 8, generator=generator)

    def drawn(count):
        rows = centres[torch.randint(6, (count,), generator=generator)] + torch.randn(count, 8, generator=generator)
        return torch.nn.functional.normalize(rows)

    return drawn(queries), drawn(photos)


def oracle(query, photos, k1, k2, weight):
    """Scores of all photos for one query that comes alone."""
    count = len(photos)
    cosine = [[neighbour(a, b) for b in photos] for a in photos]
    own = [neighbour(query, b) for b in photos]
    half = round(k1 / 2)

    def ranked(row, others):
        return sorted(others, key=lambda place: (-row[place], place))

    def near(g, k):
        return {g, *ranked(cosine[g], [h for h in range(count) if h != g])[:k]}

    def mutual(g, k):
        return {h for h in near(g, k) if g in near(h, k)}

    def extended(members):
        grown = set(members)
        for c in members:
            theirs = mutual(c, half)
            if 3 * len(theirs & members) >= 2 * len(theirs):
                grown |= theirs
        return grown

    def weights(row, members):
        raw = {g: math.exp(-(1 - row[g])) for g in members}
        return {g: value / math.fsum(raw.values()) for g, value in raw.items()}

    def mean(codes):
        return {g: math.fsum(code.get(g, 0) for code in codes) / len(codes) for code in codes for g in code}

    def reaches(g):
        """Whether the query is among the k1 nearest of a photo: fewer than k1 others are nearer to it."""
        return sum(cosine[g][h] > own[g] for h in range(count) if h != g) < k1

    code = [weights(cosine[g], extended(mutual(g, k1))) for g in range(count)]
    asked = weights(own, extended({g for g in ranked(own, range(count))[:k1] if reaches(g)}))
    order = [[g, *ranked(cosine[g], [h for h in range(count) if h != g])] for g in range(count)]
    averaged = [mean([code[h] for h in order[g][:k2]]) for g in range(count)]
    asked = mean([asked, *(code[g] for g in ranked(own, range(count))[: k2 - 1])])
    scores = []
    for g in range(count):
        either = asked.keys() | averaged[g].keys()
        least = math.fsum(min(asked.get(h, 0), averaged[g].get(h, 0)) for h in either)
        most = math.fsum(max(asked.get(h, 0), averaged[g].get(h, 0)) for h in either)
        scores.append(-((1 - weight) * (1 - least / most) + weight * (1 - own[g])))
    return scores


def neighbour(a, b):
    """The cosine, rounded as the product does, so that both see the same order."""
    return float(neighbours.codes(a[None]) @ neighbours.codes(b[None]).T) / 2**52


@pytest.mark.parametrize(("k1", "k2", "weight"), [(8, 3, 0.3), (5, 1, 0), (1, 1, 0.5), (13, 6, 0.3), (29, 20, 0.1)])
def test_agrees_with_sets_and_loops(k1, k2, weight):
    queries, photos = sample(queries=4, photos=30 if k1 > 20 else 40)
    found = rerank(queries, photos, k1, k2, weight)
    for query, row in zip(queries, found.tolist(), strict=True):
        assert row == pytest.approx(oracle(query, photos, k1, k2, weight), abs=1e-9)


def test_repeated_photos_agree_with_the_oracle_too():
    queries, photos = sample(queries=3, photos=12)
    photos = torch.cat([photos, photos[:8], photos[:8]])
    queries[0] = photos[3]  # as near to others as they are to each other
    for query, row in zip(queries, rerank(queries, photos, 6, 3).tolist(), strict=True):
        assert row == pytest.approx(oracle(query, photos, 6, 3, 0.3), abs=1e-9)


def test_zeros_stand_for_what_is_like_nothing():
    queries, photos = sample()
    photos[5], queries[2] = 0, 0
    for query, row in zip(queries, rerank(queries, photos, 8, 3).tolist(), strict=True):
        assert row == pytest.approx(oracle(query, photos, 8, 3, 0.3), abs=1e-9)


def test_a_query_knows_nothing_of_the_others():
    queries, photos = sample()
    together = rerank(queries, photos, 8, 3)
    assert torch.equal(together, torch.cat([rerank(query[None], photos, 8, 3) for query in queries]))


@pytest.mark.parametrize("cells", [1, 500, 20_000])
def test_blocks_leave_no_trace(cells, monkeypatch):
    queries, photos = sample()
    expected = rerank(queries, photos, 8, 3)
    monkeypatch.setattr(reranking, "_CELLS", cells)
    assert torch.equal(rerank(queries, photos, 8, 3), expected)


def test_the_whole_weight_is_the_original_order():
    queries, photos = sample()
    found = rerank(queries, photos, 8, 3, weight=1)
    assert torch.allclose(found, queries.double() @ photos.double().T - 1, atol=1e-7)


def test_a_stranger_without_reciprocal_neighbours_keeps_the_original_order():
    """Nobody's neighbour: its code is empty, and all overlaps are those of its nearest photos' codes."""
    photos = torch.nn.functional.normalize(torch.eye(6)[torch.arange(60) % 5] + 0.01 * torch.eye(60, 6))
    stranger = torch.eye(6)[5:] + 0.001 * torch.eye(6)[:1]
    found = rerank(stranger, photos, 5, 1)
    assert torch.equal(found.argsort(dim=1, stable=True), (stranger @ photos.T).double().argsort(dim=1, stable=True))
    assert found.isfinite().all()


def test_those_who_know_the_query_pass_one_that_is_only_near():
    """The nearest photo has six others nearer to itself than the query; each of a crowd has the query among its six."""
    generator = torch.Generator().manual_seed(0)
    place = 0.28 * torch.eye(9)[[1]], 0.45 * torch.eye(9)[[1] * 7], 0.3 * torch.eye(9)[[2] * 6]
    noise = 0.005 * torch.randn(14, 9, generator=generator)
    photos = torch.nn.functional.normalize(torch.eye(9)[0] + torch.cat(place) + noise)
    query = torch.eye(9)[:1]
    plain, again = (query @ photos.T)[0], rerank(query, photos, 6, 1)[0]
    assert plain.argmax() == 0
    assert again[0] < again[8:].min()


def test_no_query():
    _, photos = sample()
    assert rerank(photos[:0], photos).shape == (0, 60)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k1": 60}, "k1 is 60 and k2 is 6 with 60 photos; give 1 <= k2 <= k1 and k1 < 60"),
        ({"k1": 0}, "k1 is 0"),
        ({"k1": 5, "k2": 6}, "k2 is 6"),
        ({"weight": 1.5}, r"weight is 1\.5; give the share of the original distance"),
        ({"queries": torch.full((1, 8), torch.inf)}, "1 of 1 queries are not finite"),
    ],
)
def test_mistakes_are_refused_in_words(options, words):
    queries, photos = sample()
    with pytest.raises(ValueError, match=words):
        rerank(**{"queries": queries, "catalogue": photos, **options})
