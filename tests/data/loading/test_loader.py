"""Stopping and continuing a loader changes nothing in what comes, whatever the number of workers."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, SequentialSampler

from hybrid_sbir.data.images import ImageProblem
from hybrid_sbir.data.loading.dataset import KeyedDataset
from hybrid_sbir.data.loading.loader import ResumableLoader, as_is
from hybrid_sbir.data.loading.sampler import EpochSampler
from hybrid_sbir.data.transforms import preset


class Squares:
    """Grey noise of several sizes; sample 13 may be unreadable."""

    def __init__(self, length, broken=None, classes=("a", "b", "c"), first=0, turn=0):
        self.classes = classes
        self.labels = (np.arange(length) + turn) % 3
        self.broken = broken
        self.first = first

    def __len__(self):
        return len(self.labels)

    def name(self, index):
        return f"{index or self.first}.png"

    def read(self, index):
        if index == self.broken:
            raise ImageProblem(self.name(index), "truncated: 3 bytes")
        pixels = np.random.default_rng(index).integers(0, 256, (20 + index % 3, 24), dtype=np.uint8)
        return Image.fromarray(pixels)


def loader(length=22, batch_size=4, workers=0, shuffle=True, seed=5, size=16, store=None, **options):
    dataset = KeyedDataset(Squares(length, **(store or {})), preset("classification_train", size), seed)
    sampler = EpochSampler(length, seed=seed, shuffle=shuffle)
    return ResumableLoader(dataset, sampler, batch_size, num_workers=workers, **options)


def passes(loader, count):
    return [[tuple(map(torch.clone, batch)) for batch in loader] for _ in range(count)]


def same(left, right):
    return len(left) == len(right) and all(
        torch.equal(a, b) for batches in zip(left, right, strict=True) for a, b in zip(*batches, strict=True)
    )


@pytest.fixture(scope="module")
def uninterrupted():
    return passes(loader(), 3)


@pytest.mark.parametrize(
    "options",
    [{"workers": 1}, {"workers": 2}, {"workers": 2, "persistent_workers": True, "prefetch_factor": 3}],
    ids=str,
)
def test_workers_change_nothing(uninterrupted, options):
    for left, right in zip(passes(loader(**options), 2), uninterrupted, strict=False):
        assert same(left, right)


def test_each_pass_is_a_new_epoch(uninterrupted):
    orders = [torch.cat([index for _, _, index in epoch]).tolist() for epoch in uninterrupted]
    assert orders[0] != orders[1] != orders[2]
    assert all(sorted(order) == list(range(22)) for order in orders)
    assert len(uninterrupted[0][-1][1]) == 2, "the last, partial batch is kept"


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [0, 1, 3, 5, 6])
def test_continuing_after_any_batch(uninterrupted, workers, done):
    first = loader(workers=workers)
    passes(first, 1)
    stream = iter(first)
    for _ in range(done):
        next(stream)
    state = copy.deepcopy(first.state_dict())
    del stream

    torch.manual_seed(123)
    second = loader(workers=2 - workers)
    second.load_state_dict(state)
    assert second.state_dict() == state
    if done < 6:
        assert same(passes(second, 1)[0], uninterrupted[1][done:])
    assert same(passes(second, 1)[0], uninterrupted[2])


def test_state_counts_what_was_handed_out_and_not_what_workers_prepared():
    stream = loader(workers=2, prefetch_factor=3)
    iterator = iter(stream)
    assert (stream.state_dict()["epoch"], stream.state_dict()["batches"]) == (0, 0)
    next(iterator)
    next(iterator)
    assert stream.state_dict()["batches"] == 2


def test_an_announced_epoch_wins_over_an_iterator_made_before(uninterrupted):
    stream = loader()
    iterator = iter(stream)
    stream.sampler.set_epoch(2)
    assert same([tuple(batch) for batch in iterator], uninterrupted[2])


def test_starting_again_inside_an_epoch_starts_at_its_beginning(uninterrupted):
    stream = loader()
    next(iter(stream))
    assert same(passes(stream, 1)[0], uninterrupted[0])


def test_another_setting_cannot_continue_inside_an_epoch():
    first = loader()
    next(iter(first))
    for options, words in (
        ({"batch_size": 5}, "batch_size was 4 and is 5"),
        ({"length": 21}, "length was 22 and is 21"),
        ({"seed": 6}, "seed was 5 and is 6"),
        ({"store": {"first": 99}}, "the samples are others than they were"),
        ({"store": {"turn": 1}}, "the labels are others than they were"),
        ({"store": {"classes": ("b", "a", "c")}}, "the classes are others than they were"),
        ({"size": 18}, r"transform was Transform\(.*size=16.*\) and is Transform\(.*size=18.*\)"),
    ):
        with pytest.raises(
            ValueError, match=rf"inside epoch 0 after 1 batches: .*{words}.*; resume with the same settings"
        ):
            loader(**options).load_state_dict(first.state_dict())


def test_another_setting_continues_at_an_epochs_end():
    first = loader()
    passes(first, 1)
    second = loader(batch_size=5)
    second.load_state_dict(first.state_dict())
    assert second.state_dict()["epoch"] == 1
    assert len(passes(second, 1)[0]) == 5


def test_iterating_leaves_the_global_random_numbers_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    passes(loader(workers=1), 1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("length", "sizes"), [(0, []), (1, [1]), (4, [4]), (5, [4, 1])])
def test_few_samples(length, sizes):
    stream = loader(length=length)
    assert [len(label) for _, label, _ in passes(stream, 1)[0]] == sizes
    assert stream.state_dict()["batches"] == 0


def test_drop_last():
    assert [len(label) for _, label, _ in passes(loader(drop_last=True), 1)[0]] == [4] * 5


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_unreadable_image_is_named_in_one_sentence(workers):
    with pytest.raises(
        ImageProblem, match=r"^13\.png: truncated: 3 bytes; .hybrid-sbir data prepare folder. finds.*run$"
    ):
        passes(loader(workers=workers, store={"broken": 13}), 1)


def test_other_samplers_are_refused():
    dataset = KeyedDataset(Squares(4), preset("classification_eval", 16))
    with pytest.raises(TypeError, match=r"needs an EpochSampler, got SequentialSampler.*limit_train_batches"):
        ResumableLoader(dataset, SequentialSampler(dataset), 2)


def test_the_data_set_also_works_in_a_plain_loader():
    dataset = KeyedDataset(Squares(6), preset("classification_eval", 16))
    batches = list(DataLoader(dataset, 4, sampler=EpochSampler(6), collate_fn=as_is))
    assert [batch.pixels.shape for batch in batches] == [(4, 16, 16), (2, 16, 16)]
