"""Names take no Python objects, selections renumber labels, fingerprints notice every change."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hybrid_sbir.data.stores.store import Names, SelectedStore, fingerprint, state_of


class Letters:
    """Image i is of grey level i."""

    classes = ("a", "b", "c")
    labels = np.array([0, 0, 1, 1, 2, 2])

    def __len__(self):
        return 6

    def name(self, index):
        return f"{index}.png"

    def read(self, index):
        return Image.new("L", (2, 2), index)

    def state(self):
        return "untouched"


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_names_come_back(strings):
    names = Names(iter(strings))
    assert list(names) == strings
    assert list(pickle.loads(pickle.dumps(names))) == strings


def test_names_of_undecodable_files_come_back():
    assert Names(["caf\udce9.png"])[0] == "caf\udce9.png"


def test_names_are_a_sequence():
    names = Names(["x", "", "yz"])
    assert (names[-1], names[1], names[0:2], names[::-1]) == ("yz", "", ["x", ""], ["yz", "", "x"])
    with pytest.raises(IndexError):
        names[3]


def test_a_million_names_take_little_memory():
    names = Names(f"n{i % 1000:08}/n{i % 1000:08}_{i}.JPEG" for i in range(100_000))
    assert len(pickle.dumps(names)) < 100_000 * 40


def test_selecting_rows():
    store = SelectedStore(Letters(), np.array([5, 0, 2]))
    assert (len(store), store.labels.tolist(), store.classes) == (3, [2, 0, 1], ("a", "b", "c"))
    assert [store.name(i) for i in range(3)] == ["5.png", "0.png", "2.png"]
    assert store.read(0).getpixel((0, 0)) == 5


def test_selecting_classes_renumbers_and_leaves_out_the_others():
    store = SelectedStore(Letters(), np.array([5, 0, 2, 1]), classes=["c", "a"])
    assert (store.labels.tolist(), store.classes) == ([0, 1, 1], ("c", "a"))
    assert [store.name(i) for i in range(3)] == ["5.png", "0.png", "1.png"]


@pytest.mark.parametrize("classes", [["a", "z"], ["a", "a"], []], ids=str)
def test_unknown_or_repeated_classes(classes):
    with pytest.raises(ValueError, match=r"different names out of the 3 here \(a, b, c...\); unknown: (z|none); got"):
        SelectedStore(Letters(), np.arange(6), classes)


def test_fingerprints():
    everything = np.arange(6)
    base = fingerprint(Letters())
    assert base == fingerprint(SelectedStore(Letters(), everything)) == fingerprint(Letters())
    others = [
        fingerprint(SelectedStore(Letters(), everything[::-1])),
        fingerprint(SelectedStore(Letters(), everything[:5])),
        fingerprint(SelectedStore(Letters(), everything, ["b", "a", "c"])),
        fingerprint(SelectedStore(Letters(), everything, ["a", "b"])),
        fingerprint(Letters(), "more"),
    ]
    assert len({base, *others}) == 6


def test_fingerprints_cover_every_name_of_a_long_store():
    class Long(Letters):
        labels = np.zeros(5000, np.int64)
        last = "4999"

        def __len__(self):
            return 5000

        def name(self, index):
            return self.last if index == 4999 else str(index)

    changed = Long()
    changed.last = "other"
    assert fingerprint(changed) != fingerprint(Long())


def test_state_looks_through_selections():
    assert state_of(SelectedStore(SelectedStore(Letters(), np.arange(6)), np.arange(2))) == "untouched"

    class Stateless(Letters):
        state = None

    assert state_of(Stateless()) == ""
