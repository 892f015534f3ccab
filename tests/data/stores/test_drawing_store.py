"""Strokes and bitmaps read from the arrays on the disk, in each process, without copies."""

import pickle

import numpy as np
import pytest

from hybrid_sbir.data.stores.drawing_store import BitmapStore, StrokeStore
from hybrid_sbir.data.strokes import rasterize

DRAWINGS = [
    [np.array([[0, 9, 4], [0, 0, 7]], np.int16), np.array([[3], [3]], np.int16)],
    [np.array([[5, 5], [1, 200]], np.int16)],
    [np.array([[1, 2], [3, 4]], np.int16), np.array([[9, 2], [3, 3]], np.int16), np.array([[0, 0], [0, 8]], np.int16)],
]
NAMES, LABELS, CLASSES = ["ant/11", "ant/12", "bee/7"], np.array([0, 0, 1]), ("ant", "bee")


@pytest.fixture
def strokes(tmp_path):
    flat = [stroke for drawing in DRAWINGS for stroke in drawing]
    np.save(tmp_path / "points.npy", np.concatenate(flat, axis=1).T)
    np.save(tmp_path / "stroke_offsets.npy", np.cumsum([0, *(stroke.shape[1] for stroke in flat)]))
    np.save(tmp_path / "drawing_offsets.npy", np.cumsum([0, *map(len, DRAWINGS)]))
    return tmp_path


@pytest.fixture
def bitmaps(tmp_path):
    ink = np.random.default_rng(0).integers(0, 256, (3, 784), dtype=np.uint8)
    np.save(tmp_path / "ant.npy", ink[:2])
    np.save(tmp_path / "bee.npy", ink[2:])
    return tmp_path, ink


class TestStrokeStore:
    def test_drawings_come_back(self, strokes):
        store = StrokeStore(strokes, NAMES, LABELS, CLASSES)
        assert (len(store), store.classes, store.name(2)) == (3, CLASSES, "bee/7")
        for index, drawing in enumerate(DRAWINGS):
            assert [stroke.tolist() for stroke in store.drawing(index)] == [stroke.tolist() for stroke in drawing]

    def test_images_are_the_rasterisers(self, strokes):
        store = StrokeStore(strokes, NAMES, LABELS, CLASSES, side=64, stroke_width=0.05, padding=0.1)
        for index, drawing in enumerate(DRAWINGS):
            np.testing.assert_array_equal(np.asarray(store.read(index)), rasterize(drawing, 64, 0.05, 0.1))

    def test_pickling_carries_paths_and_no_arrays(self, strokes):
        np.save(strokes / "points.npy", np.concatenate([np.load(strokes / "points.npy"), np.zeros((0, 2), np.int16)]))
        store = StrokeStore(strokes, NAMES, LABELS, CLASSES, side=64)
        pickled = pickle.dumps(store)
        assert b"points.npy" in pickled
        assert len(pickled) < 2000
        np.testing.assert_array_equal(np.asarray(pickle.loads(pickled).read(1)), np.asarray(store.read(1)))

    def test_arrays_that_do_not_fit(self, strokes):
        with pytest.raises(ValueError, match=r"holds 3 drawings, .* but 2 are expected; prepare the data again"):
            StrokeStore(strokes, NAMES[:2], LABELS[:2], CLASSES)
        np.save(strokes / "points.npy", np.zeros((5, 2), np.int16))
        with pytest.raises(ValueError, match="stroke 6 of 6 and point 12 of 5, but 3 are expected"):
            StrokeStore(strokes, NAMES, LABELS, CLASSES)

    def test_damaged_and_missing_arrays(self, strokes):
        (strokes / "points.npy").write_bytes((strokes / "points.npy").read_bytes()[:-8])
        with pytest.raises(ValueError, match=r"points\.npy is damaged .* make it again"):
            StrokeStore(strokes, NAMES, LABELS, CLASSES)
        (strokes / "points.npy").unlink()
        with pytest.raises(FileNotFoundError, match=r"points\.npy"):
            StrokeStore(strokes, NAMES, LABELS, CLASSES)


class TestBitmapStore:
    def test_black_on_white(self, bitmaps):
        folder, ink = bitmaps
        store = BitmapStore(folder, ["ant/0", "ant/1", "bee/0"], LABELS, CLASSES)
        for index in range(3):
            np.testing.assert_array_equal(np.asarray(store.read(index)), 255 - ink[index].reshape(28, 28))
        assert (len(store), store.name(1)) == (3, "ant/1")
        np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(store)).read(2)), np.asarray(store.read(2)))

    def test_rows_in_another_order(self, bitmaps):
        folder, ink = bitmaps
        store = BitmapStore(folder, ["ant/1", "ant/0"], np.array([0, 0]), CLASSES)
        np.testing.assert_array_equal(np.asarray(store.read(0)), 255 - ink[1].reshape(28, 28))

    def test_a_listed_row_that_is_not_there(self, bitmaps):
        with pytest.raises(ValueError, match=r"ant\.npy is of shape \(2, 784\), but row 2 is listed; prepare the data"):
            BitmapStore(bitmaps[0], ["ant/2"], np.array([0]), CLASSES)
        with pytest.raises(FileNotFoundError, match=r"cow\.npy"):
            BitmapStore(bitmaps[0], ["cow/0"], np.array([0]), ("cow",))
