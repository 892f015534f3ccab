"""A sample's augmentation depends on seed, epoch and index, and batches mix grey and colour."""

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.data.loading.dataset import KeyedDataset, keyed_rng
from hybrid_sbir.data.transforms import preset


class Noise:
    """Even samples grey, odd ones coloured."""

    classes = ("x", "y")
    labels = np.array([0, 1, 1, 0, 1])

    def __len__(self):
        return 5

    def name(self, index):
        return str(index)

    def read(self, index):
        shape = (30, 30, 3) if index % 2 else (30, 30)
        return Image.fromarray(np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture
def train():
    return KeyedDataset(Noise(), preset("classification_train", 16), seed=3)


def test_a_batch(train):
    keys = [(0, 4), (0, 1), (0, 0)]
    drawn = train.__getitems__(keys)
    assert (drawn.pixels.shape, drawn.pixels.dtype) == ((3, 16, 16), torch.uint8)
    batch = train.batch(keys)
    assert torch.equal(train.finish(drawn).image, batch.image)
    assert isinstance(batch, ClassificationBatch)
    assert (batch.image.shape, batch.image.dtype) == ((3, 1, 16, 16), torch.float32)
    assert (batch.label.tolist(), batch.label.dtype) == ([1, 1, 0], torch.int64)
    assert (batch.index.tolist(), batch.index.dtype) == ([4, 1, 0], torch.int64)


def test_a_sample_is_the_same_in_every_company(train):
    alone = train.batch([(2, 1)])
    assert len(alone.label) == 1
    together = train.batch([(2, 0), (2, 1), (7, 1)])
    assert torch.equal(alone.image[0], together.image[1])


@pytest.mark.parametrize("other", [(4, 2, 1), (3, 3, 1), (3, 2, 3)], ids=["seed", "epoch", "index"])
def test_augmentation_depends_on(train, other):
    seed, epoch, index = other
    changed = KeyedDataset(train.store, train.transform, seed).rng(epoch, index)
    assert changed.random(4).tolist() != train.rng(2, 1).random(4).tolist()


def test_evaluation_is_the_same_in_every_epoch():
    evaluation = KeyedDataset(Noise(), preset("classification_eval", 16), seed=3)
    assert torch.equal(evaluation.batch([(0, 1)]).image, evaluation.batch([(9, 1)]).image)


def test_grey_and_colour_in_one_batch():
    colour = KeyedDataset(Noise(), preset("photo_eval", 16))
    mixed = colour.batch([(0, 0), (0, 1)])
    assert mixed.image.shape == (2, 3, 16, 16)
    assert torch.equal(mixed.image[0], colour.batch([(0, 0)]).image[0])
    assert torch.equal(mixed.image[1], colour.batch([(0, 1)]).image[0])


def test_streams_of_different_keys_never_meet():
    keys = [(seed, epoch, index) for seed in (0, 1) for epoch in (0, 1) for index in (0, 1, 2**40)]
    numbers = [keyed_rng(*key).random(1000) for key in keys]
    assert len(np.unique(np.concatenate(numbers))) == 12_000
    correlation = np.corrcoef(numbers)
    assert np.abs(correlation - np.eye(12)).max() < 0.15


def test_the_numbers_of_a_key_never_change():
    assert keyed_rng(1, 2, 3).random(2).tolist() == [0.5852802121639218, 0.7265167253198549]
