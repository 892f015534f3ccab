"""The square views: nothing cut off, and what is beside the image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hybrid_sbir.data.transforms import preset
from hybrid_sbir.data.views import SquareView

SIDES = st.integers(1, 200)


def sheet(width, height, level=0, mode="L"):
    return Image.new(mode, (width, height), level if mode == "L" else (level,) * 3)


@settings(deadline=None)
@given(SIDES, SIDES, st.sampled_from([1, 8, 31, 64]))
def test_the_whole_image_in_the_middle_of_a_white_square(width, height, size):
    pixels = SquareView(size).drawn(sheet(width, height))
    assert pixels.shape == (size, size)
    rows, columns = np.flatnonzero((pixels == 0).any(1)), np.flatnonzero((pixels == 0).any(0))
    expected = [max(1, round(side * size / max(width, height))) for side in (height, width)]
    assert [len(rows), len(columns)] == expected
    assert max(expected) == size
    assert (pixels == 0).sum() + (pixels == 255).sum() == size * size, "no grey seam between the image and the border"
    for places in (rows, columns):
        assert abs(places[0] - (size - 1 - places[-1])) <= 1, "as much white on either side"


@settings(deadline=None)
@given(SIDES, SIDES, st.integers(0, 3), st.sampled_from(["L", "RGB"]))
def test_a_mark_in_any_corner_is_seen(width, height, corner, mode):
    image = sheet(width, height, 255, mode)
    w, h = max(1, width // 8), max(1, height // 8)
    left, top = (0, width - w)[corner % 2], (0, height - h)[corner // 2]
    image.paste("black", (left, top, left + w, top + h))
    views = [SquareView(32), SquareView.squeezed(32)]
    views += [SquareView.of_any_paper(32)] if min(width, height) >= 8 else []  # else the mark may cover the paper
    for view in views:
        assert (view.drawn(image) < 255).any()


@settings(deadline=None)
@given(SIDES, SIDES)
def test_squeezing_fills_the_square(width, height):
    assert (SquareView.squeezed(16).drawn(sheet(width, height)) == 0).all()


def test_white_on_black_is_turned_only_where_asked():
    image = sheet(40, 20)
    image.paste("white", (18, 8, 22, 12))
    as_it_is, turned = SquareView(40).drawn(image), SquareView.of_any_paper(40).drawn(image)
    assert (as_it_is[0, 0], as_it_is[12, 0], as_it_is[20, 20]) == (255, 0, 255), "black, with white borders"
    assert (turned[0, 0], turned[12, 0], turned[20, 20]) == (255, 255, 0)


@pytest.mark.parametrize(
    ("black", "published"), [("sketch_eval_black", "sketch_eval"), ("sketch_test_black", "sketch_test")]
)
def test_black_borders_are_the_published_presets_on_what_is_square(black, published):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    np.testing.assert_array_equal(preset(black, 64).pixels(image, None), preset(published, 64).pixels(image, None))


@pytest.mark.parametrize(("name", "first", "rows"), [("sketch_eval_black", 16, 32), ("sketch_test_black", 14, 36)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_black_borders(name, first, rows, mode):
    pixels = preset(name, 64).pixels(sheet(200, 100, 255, mode), None)
    pixels = pixels if mode == "L" else pixels[..., 1]
    assert (pixels[first : first + rows] == 255).all()
    assert (pixels == 0).sum() == 64 * (64 - rows)


@pytest.mark.parametrize("name", ["sketch_square_eval", "photo_square_eval", "photo_squeezed_eval"])
def test_square_images_are_simply_scaled(name):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8))
    scaled = image.resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(preset(name, 64).pixels(image, None), np.asarray(scaled))
