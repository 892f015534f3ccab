import pickle

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.embedded import CLASSES, EmbeddedStore, contact_sheet, draw_photo, draw_sketch
from hybrid_sbir.data.stores.store import Store, fingerprint


def test_classes_take_turns():
    store: Store = EmbeddedStore(per_class=3)
    assert len(store) == 3 * len(CLASSES)
    assert store.classes == CLASSES
    assert store.labels.dtype == np.int64
    assert store.labels[: len(CLASSES)].tolist() == list(range(len(CLASSES)))
    assert np.bincount(store.labels).tolist() == [3] * len(CLASSES)
    names = [store.name(index) for index in range(len(store))]
    assert len(set(names)) == len(store)
    assert all(f"/{CLASSES[label]}/" in name for name, label in zip(names, store.labels, strict=True))


@pytest.mark.parametrize(("domain", "draw", "mode"), [("sketch", draw_sketch, "L"), ("photo", draw_photo, "RGB")])
def test_a_store_reads_what_its_names_say(domain, draw, mode):
    store = EmbeddedStore("val", domain, per_class=4, size=40, seed=2)
    index = 2 * len(CLASSES) + 5
    picture = store.read(index)
    assert (picture.mode, picture.size) == (mode, (40, 40))
    assert store.name(index) == f"2/val/{domain}/{CLASSES[5]}/000002"
    np.testing.assert_array_equal(picture, draw(CLASSES[5], 2, "val", 2, 40))
    np.testing.assert_array_equal(picture, pickle.loads(pickle.dumps(store)).read(np.int64(index)))


def test_a_class_looks_the_same_in_a_smaller_set():
    few = EmbeddedStore(per_class=2, classes=["tree", "car"])
    assert few.classes == ("tree", "car")
    np.testing.assert_array_equal(few.read(3), EmbeddedStore(per_class=5).read(len(CLASSES) + CLASSES.index("car")))


def test_fingerprints_tell_sets_apart():
    prints = {
        fingerprint(EmbeddedStore(split, domain, per_class=2, seed=seed))
        for split in ("train", "val", "test")
        for domain in ("sketch", "photo")
        for seed in (0, 1)
    }
    assert len(prints) == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"split": "dev"}, "split must be one of train, val, test; got 'dev'"),
        ({"domain": "video"}, "domain must be one of sketch, photo; got 'video'"),
        ({"size": 8}, "size must be 16 to 2048 pixels; got 8"),
        ({"per_class": 0}, "per_class must be 1 or more and seed 0 or more; got per_class 0, seed 0"),
        ({"seed": -1}, "got per_class 100, seed -1"),
        ({"classes": ["car", "zebra"]}, "unknown: zebra; it has airplane"),
        ({"classes": ["car", "car"]}, "got 2, 1 different, unknown: none"),
        ({"classes": []}, "one or more different names"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        EmbeddedStore(**arguments)


@pytest.mark.parametrize("index", [-1, 64])
def test_no_sample_beyond_the_ends(index):
    store = EmbeddedStore(per_class=2)
    for ask in (store.read, store.name):
        with pytest.raises(IndexError, match=f"sample {index} of an embedded set of 64"):
            ask(index)


def test_contact_sheets_show_every_class():
    stores = [EmbeddedStore(domain=domain, per_class=2, size=32, classes=CLASSES[:5]) for domain in ("sketch", "photo")]
    sheet = contact_sheet(stores, columns=2, samples=2, size=32)
    assert sheet.mode == "RGB"
    tall, wide = 32 + 4 + 18, 2 * 2 * (32 + 4) + 12
    assert sheet.size == (2 * wide - 12, 3 * tall)
    inner = sheet.crop((1, 19, 31, 49))
    np.testing.assert_array_equal(inner, stores[0].read(0).convert("RGB").crop((1, 1, 31, 31)))
    third = sheet.crop((2 * 36 + 1, 19, 2 * 36 + 31, 49))
    np.testing.assert_array_equal(third, stores[1].read(0).crop((1, 1, 31, 31)))
    assert np.asarray(sheet.crop((wide, 2 * tall, sheet.width, sheet.height))).min() == 255  # five classes leave a hole


def test_contact_sheets_of_one_store_and_other_sizes():
    sheet = contact_sheet(EmbeddedStore(per_class=1, size=64), columns=1, samples=1, size=20, classes=("car",))
    assert isinstance(sheet, Image.Image)
    assert sheet.size == (24, 42)


def test_contact_sheets_say_what_is_missing():
    store = EmbeddedStore(per_class=2, classes=("car", "tree"))
    with pytest.raises(ValueError, match="of 3 samples a class needs as many of 'car'; there are 2"):
        contact_sheet(store, samples=3)
    with pytest.raises(ValueError, match="no class 'bird' here; there are car, tree"):
        contact_sheet(store, classes=("bird",))
    with pytest.raises(ValueError, match="same classes"):
        contact_sheet([store, EmbeddedStore(per_class=2)])
