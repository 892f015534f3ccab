"""The same bits for any tiles, blocks, threads, orders and ways to count; memory that follows from none of Q x N."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hybrid_sbir.metrics import ranking_metrics, streaming
from hybrid_sbir.metrics.counting import SortingCounter, count_by_searching

METRICS = ("ap", "rr", "p@10", "ap@20/hits")


def sample():
    """Classes of unequal size, one with no photo, one with no query; repeated photos, and so ties; one far longer."""
    generator = torch.Generator().manual_seed(0)
    queries, catalogue = torch.randn(37, 24, generator=generator), torch.randn(311, 24, generator=generator)
    query_labels = torch.randint(5, (37,), generator=generator)
    labels = torch.randint(1, 7, (311,), generator=generator).square() // 6
    catalogue[200:] = catalogue[:111]
    catalogue[3] *= 50  # in one process's share, or one tile, only
    exclude = torch.randint(-1, 311, (37,), generator=generator)
    return [queries, catalogue, query_labels, labels], exclude


def bits(found):
    return {name: values.numpy().tobytes() for name, values in found.values.items()} | {
        "counts": (found.relevant.tolist(), found.tied.tolist(), found.undecided.tolist())
    }


@pytest.fixture(scope="module", params=["cosine", "dot", "euclidean"])
def reference(request):
    arguments, exclude = sample()
    options = {"metrics": METRICS, "similarity": request.param, "exclude": exclude}
    found = ranking_metrics(*arguments, **options)
    assert found.tied.sum() > 0
    assert (found.relevant == 0).any()
    return arguments, options, bits(found)


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 8, 17, 64, 100, 310, 311, 312, 5000])
def test_any_tile(reference, chunk):
    arguments, options, expected = reference
    assert bits(ranking_metrics(*arguments, **options, chunk=chunk)) == expected


@pytest.mark.parametrize("threads", [2, 3, 50])
def test_any_number_of_threads(reference, threads):
    arguments, options, expected = reference
    torch.set_num_threads(threads)
    assert bits(ranking_metrics(*arguments, **options, chunk=90)) == expected


@pytest.mark.parametrize(("block", "levels", "numbers"), [(1, 1, 1), (3, 200, 500), (256, 150, 10_000), (5, 10_000, 1)])
def test_any_blocks_and_passes(reference, block, levels, numbers, monkeypatch):
    arguments, options, expected = reference
    monkeypatch.setattr(streaming, "_BLOCK", block)
    monkeypatch.setattr(streaming, "_BLOCK_LEVELS", levels)
    monkeypatch.setattr(streaming, "_PASS_NUMBERS", numbers)
    assert bits(ranking_metrics(*arguments, **options)) == expected


def test_any_order_of_photos_and_queries(reference):
    (queries, catalogue, query_labels, labels), options, expected = reference
    generator = torch.Generator().manual_seed(1)
    rows, photos = torch.randperm(37, generator=generator), torch.randperm(311, generator=generator)
    moved = torch.cat([photos.argsort(), torch.tensor([-1])])[options["exclude"]]
    found = ranking_metrics(
        queries[rows],
        catalogue[photos],
        query_labels[rows],
        labels[photos],
        **{**options, "exclude": moved[rows]},
    )
    back = rows.argsort()
    for name in METRICS:
        assert found[name][back].numpy().tobytes() == expected[name]


def test_a_query_does_not_depend_on_the_others(reference):
    (queries, catalogue, query_labels, labels), options, _ = reference
    together = ranking_metrics(queries, catalogue, query_labels, labels, **options)
    for row in (0, 5, 36):
        one = slice(row, row + 1)
        own = {**options, "exclude": options["exclude"][one]}
        alone = ranking_metrics(queries[one], catalogue, query_labels[one], labels, **own)
        for name in METRICS:
            assert alone[name].numpy().tobytes() == together[name][one].numpy().tobytes()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_types_count_as_the_numbers_they_hold(dtype):
    arguments, _ = sample()
    arguments[:2] = [each.to(dtype) for each in arguments[:2]]
    same = [arguments[0].double(), arguments[1].double(), arguments[2].int(), arguments[3].to(torch.uint8)]
    before = [each.clone() for each in arguments]
    found = bits(ranking_metrics(*arguments))
    assert all(torch.equal(*pair) for pair in zip(arguments, before, strict=True))  # nothing was computed in place
    assert found == bits(ranking_metrics(*same))


def test_views_gradients_autocast_and_determinism_change_nothing(reference):
    (queries, catalogue, query_labels, labels), options, expected = reference
    strided = catalogue.T.contiguous().T.requires_grad_()
    torch.use_deterministic_algorithms(True)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            found = ranking_metrics(queries.repeat_interleave(2, 0)[::2], strided, query_labels, labels, **options)
    finally:
        torch.use_deterministic_algorithms(False)
    assert bits(found) == expected
    assert not found["ap"].requires_grad


def test_both_ways_to_count_agree():
    generator = torch.Generator().manual_seed(0)
    tile = torch.randint(-9, 10, (12, 50), generator=generator).double()
    tile[3, 7] = -torch.inf
    levels = torch.randint(-10, 11, (12, 9), generator=generator).double().sort(dim=1).values
    levels[::2, 6:] = torch.inf
    expected = [
        (tile[:, :, None] >= levels[:, None]).sum(1) + 1,
        (tile[:, :, None] > levels[:, None]).sum(1) + 1,
    ]
    for count in (count_by_searching, SortingCounter(None, 1)):
        counts = [torch.ones(12, 9, dtype=torch.int64) for _ in range(2)]
        count(tile.clone(), levels, *counts)
        assert torch.equal(counts[0], expected[0])
        assert torch.equal(counts[1], expected[1])


def test_the_way_of_other_devices_gives_the_same_bits(reference, monkeypatch):
    arguments, options, expected = reference
    monkeypatch.setattr(SortingCounter, "__call__", lambda self, *tensors: count_by_searching(*tensors))
    assert bits(ranking_metrics(*arguments, **options, chunk=70)) == expected


class LargestTensor(TorchDispatchMode):
    """Notes the largest result of any operation."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_no_tensor_grows_with_the_whole_ranking():
    largest = []
    for photos in (3000, 12_000):
        queries, catalogue = torch.randn(300, 4), torch.randn(photos, 4)
        with LargestTensor() as noted:  # 300 x 3000 is 900,000, a tile 256 x 100 is 25,600
            ranking_metrics(queries, catalogue, torch.arange(300), torch.arange(photos) % 1000, chunk=100)
        largest.append(noted.elements)
    assert largest[0] < 40_000
    assert largest[1] <= 4 * 12_000  # the catalogue itself


@pytest.mark.gpu
def test_a_gpu_gives_the_same_bits(reference):
    arguments, options, _ = reference
    arguments = [torch.rand(37, 24), torch.rand(311, 24), *arguments[2:]]  # no ties
    there = [each.cuda() for each in arguments]
    found = ranking_metrics(*there, **{**options, "exclude": options["exclude"].cuda()})
    assert bits(found) == bits(ranking_metrics(*arguments, **options))
