"""Stores made of stores, and what a row's images depend on."""

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.data.edges import edge_map
from hybrid_sbir.data.pairing.classes import common_classes
from hybrid_sbir.data.pairing.dataset import RowDataset
from hybrid_sbir.data.pairing.stores import EdgeStore, JoinedStore, RelabelledStore, few_of_each, own_photos
from hybrid_sbir.data.stores.store import fingerprint, state_of
from hybrid_sbir.data.transforms import preset


class Noise:
    """Colour noise; three classes."""

    classes = ("a", "b", "c")

    def __init__(self, labels, prefix="", suffix=".png", version="1"):
        self.labels = np.array(labels, np.int64)
        self.prefix, self.suffix, self.version = prefix, suffix, version

    def __len__(self):
        return len(self.labels)

    def name(self, index):
        return f"{self.prefix}{self.classes[self.labels[index]]}/{index}{self.suffix}"

    def read(self, index):
        rng = np.random.default_rng([index, len(self.prefix)])
        return Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))

    def state(self):
        return self.version


def test_a_relabelled_store_chooses_renumbers_and_joins_classes():
    store = RelabelledStore(Noise([0, 1, 2, 1, 0]), {"c": 0, "a": 0, "gone": 1}, ("one", "two"))
    assert store.labels.tolist() == [0, 0, 0]
    assert [store.name(i) for i in range(3)] == ["a/0.png", "c/2.png", "a/4.png"]
    assert store.classes == ("one", "two")
    assert len(RelabelledStore.restricted(Noise([0, 1]), ("c",))) == 0


def test_joined_stores_follow_one_another():
    parts = [Noise([0, 1]), Noise([]), Noise([2, 2, 0], "more/")]
    joined = JoinedStore(parts)
    assert len(joined) == 5
    assert joined.labels.tolist() == [0, 1, 2, 2, 0]
    assert [joined.name(i) for i in range(5)] == ["a/0.png", "b/1.png", "more/c/0.png", "more/c/1.png", "more/a/2.png"]
    assert joined.read(3).tobytes() == parts[2].read(1).tobytes() != joined.read(1).tobytes()
    assert state_of(joined) != state_of(JoinedStore([*parts[:2], Noise([2, 2, 0], "more/", version="2")]))


def test_an_edge_store_shows_the_same_photos():
    photos = Noise([0, 1, 2])
    edges = EdgeStore(photos)
    assert (edges.classes, edges.labels.tolist(), len(edges)) == (photos.classes, [0, 1, 2], 3)
    assert edges.read(1).tobytes() == edge_map(photos.read(1)).tobytes()
    assert fingerprint(edges) != fingerprint(photos)
    assert state_of(edges) == state_of(photos)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_few_of_each_class(most):
    store = Noise(np.repeat([2, 0, 1], [4, 1, 9]))
    kept = few_of_each(store, most, 0)
    assert kept.labels.tolist() == sorted(kept.labels.tolist(), key=[2, 0, 1].index)  # in their order
    assert np.bincount(kept.labels).tolist() == [1, min(9, most), min(4, most)]
    if most == 1:
        assert len({few_of_each(store, most, seed).rows.tobytes() for seed in range(5)}) > 1


def test_own_photos_are_told_by_name_within_the_class():
    sketches = Noise([0, 0, 1, 2], suffix="-1.png")
    photos = Noise([0, 1, 1], suffix=".jpg")
    assert own_photos(sketches, photos).tolist() == [0, -1, 2, -1]


def test_classes_that_a_map_joins_are_one_on_both_sides():
    common = common_classes(
        ("x", "cup", "mug", "glass"), ("glass", "x", "tableware"), {"cup": "tableware", "mug": "tableware"}
    )
    assert common.names == ("x", "cup", "glass")
    assert common.sketch_labels == {"x": 0, "cup": 1, "mug": 1, "glass": 2}
    assert common.photo_labels == {"x": 0, "tableware": 1, "glass": 2}
    assert common.complete


class TestRows:
    transform = preset("photo_train", 16)

    def read(self, rows, seed=0):
        store = Noise([0, 1, 2])
        return RowDataset(store, store, self.transform, self.transform, seed).__getitems__(rows)

    def test_augmentation_hangs_on_seed_epoch_place_and_role_alone(self):
        once = self.read([(0, 5, 1, 1, 1)])
        images = [once.sketch[0], once.photo[0], once.photo[1]]
        assert not any(torch.equal(images[i], images[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
        again = self.read([(0, 4, 2, 0, 2), (0, 5, 1, 1, 1)])
        assert torch.equal(again.sketch[1], once.sketch[0])
        assert torch.equal(again.photo[1], once.photo[0])
        assert torch.equal(again.photo[3], once.photo[1])
        for rows, seed in (([(1, 5, 1, 1, 1)], 0), ([(0, 6, 1, 1, 1)], 0), ([(0, 5, 1, 1, 1)], 1)):
            assert not torch.equal(self.read(rows, seed).sketch[0], once.sketch[0])

    def test_labels_and_indices(self):
        batch = self.read([(0, 0, 2, 1, 0), (0, 1, 0, 2, 1)])
        assert batch.sketch_label.tolist() == [2, 0]
        assert batch.photo_label.tolist() == [1, 2, 0, 1]  # first all positive, then all negative ones
        assert batch.index.tolist() == [2, 0]
