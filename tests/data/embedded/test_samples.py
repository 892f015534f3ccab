import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.embedded import CLASSES, draw_photo, draw_sketch, draw_strokes
from hybrid_sbir.data.embedded.samples import sample_generator

# Means of the 4 x 4 fields of pictures drawn when this was written; a change here changes everybody's data set.
GOLDEN = {
    ("photo", "bicycle", 0): [206, 213, 213, 204, 211, 219, 219, 210, 201, 177, 173, 169, 128, 120, 124, 124],
    ("photo", "snail", 1): [176, 174, 175, 191, 208, 212, 213, 213, 150, 192, 186, 166, 103, 116, 143, 109],
    ("photo", "teapot", 2): [141, 154, 146, 158, 125, 136, 95, 114, 116, 113, 103, 111, 110, 133, 165, 126],
    ("sketch", "bicycle", 0): [255, 225, 236, 255, 228, 180, 196, 251, 182, 153, 183, 233, 216, 244, 229, 253],
    ("sketch", "snail", 1): [255, 255, 255, 255, 255, 255, 249, 238, 255, 201, 175, 221, 255, 202, 212, 250],
    ("sketch", "teapot", 2): [255, 255, 249, 248, 255, 191, 172, 192, 255, 243, 222, 254, 255, 255, 255, 255],
}


def fields(picture):
    return np.asarray(picture.convert("L").resize((4, 4), Image.Resampling.BOX), dtype=np.float64).ravel()


@pytest.mark.parametrize("name", CLASSES)
def test_strokes_are_many_lines_on_quickdraws_canvas(name):
    for seed in range(4):
        strokes = draw_strokes(name, np.random.default_rng(seed))
        assert strokes
        for stroke in strokes:
            assert stroke.shape[0] == 2
            assert stroke.shape[1] >= 2
            assert stroke.dtype == np.float64
        points = np.concatenate(strokes, axis=1)
        assert points.min() >= 0
        assert points.max() <= 255
        assert np.ptp(points, axis=1).max() > 150


@pytest.mark.parametrize("name", CLASSES)
def test_sketches_are_black_lines_on_white(name):
    for index in range(3):
        picture = draw_sketch(name, index)
        pixels = np.asarray(picture)
        assert (picture.mode, picture.size) == ("L", (64, 64))
        assert pixels.min() < 60
        assert np.median(pixels) == 255
        assert 0.01 < (pixels < 128).mean() < 0.4


@pytest.mark.parametrize("name", CLASSES)
def test_photos_are_coloured_and_full(name):
    for index in range(2):
        picture = draw_photo(name, index)
        pixels = np.asarray(picture).astype(int)
        assert (picture.mode, picture.size) == ("RGB", (64, 64))
        assert pixels.std(axis=(0, 1)).min() > 2
        assert np.ptp(pixels, axis=2).max() > 10
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 300


@pytest.mark.parametrize("draw", [draw_sketch, draw_photo])
def test_a_sample_is_decided_by_its_key_alone(draw):
    first = np.asarray(draw("bird", 7, "val", 3))
    draw("car", 1)
    np.testing.assert_array_equal(first, np.asarray(draw("bird", 7, "val", 3)))
    others = [
        draw("bird", 8, "val", 3),
        draw("bird", 7, "test", 3),
        draw("bird", 7, "val", 4),
        draw("bird", 7, "train", 3),
    ]
    for other in others:
        assert (first != np.asarray(other)).mean() > 0.02


def test_sketches_and_photos_of_the_same_number_are_different_objects():
    numbers = [sample_generator(0, "train", domain, "car", 0).random() for domain in ("sketch", "photo")]
    assert numbers[0] != numbers[1]


@pytest.mark.parametrize("draw", [draw_sketch, draw_photo])
def test_a_sample_is_the_same_at_every_size(draw):
    def seen(index, size):
        picture = draw(name, index, size=size).resize((16, 16), Image.Resampling.BOX)
        return np.asarray(picture, dtype=float)

    for name in ("bicycle", "cat", "house"):
        large = seen(2, 256)
        another = np.abs(large - seen(3, 64)).mean()
        for size in (32, 64, 96, 160):
            assert np.abs(large - seen(2, size)).mean() < 0.5 * another, (name, size)


@pytest.mark.parametrize("size", [16, 33, 127, 130, 300])
def test_any_size(size):
    assert draw_sketch("key", size=size).size == (size, size)
    assert draw_photo("key", size=size).size == (size, size)


@pytest.mark.parametrize("key", sorted(GOLDEN))
def test_golden_pictures(key):
    domain, name, index = key
    draw = draw_sketch if domain == "sketch" else draw_photo
    np.testing.assert_allclose(fields(draw(name, index)), GOLDEN[key], atol=1.0)


def test_another_process_draws_the_same():
    program = (
        "import zlib; from hybrid_sbir.data.embedded import *;"
        "print([zlib.crc32(draw(n, 5).tobytes()) for draw in (draw_sketch, draw_photo) for n in ('fish', 'tree')])"
    )
    here = [zlib.crc32(draw(name, 5).tobytes()) for draw in (draw_sketch, draw_photo) for name in ("fish", "tree")]
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert there.strip() == str(here)


@pytest.mark.parametrize("draw", [draw_sketch, draw_photo])
def test_wrong_arguments_are_refused_in_words(draw):
    with pytest.raises(ValueError, match="no class 'zebra'"):
        draw("zebra")
    with pytest.raises(ValueError, match="split must be one of train, val, test; got 'dev'"):
        draw("car", split="dev")
    for size in (15, 5000):
        with pytest.raises(ValueError, match=f"size must be 16 to 2048 pixels; got {size}"):
            draw("car", size=size)
    with pytest.raises(ValueError, match="seed and index must be 0 or more; got seed -1, index 0"):
        draw("car", seed=-1)
