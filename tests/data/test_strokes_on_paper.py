"""Where the ink is, and what making it wider, stronger or less does to the pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hybrid_sbir.data.strokes_on_paper import erase_pieces, outline, thicken

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24)) | st.tuples(
    st.integers(1, 24), st.integers(1, 24), st.just(3)
)
LEVELS = st.sampled_from([0, 100, 220, 230, 255])
PAGES = SHAPES.flatmap(lambda shape: arrays(np.uint8, shape, elements=LEVELS))


def darkest(pixels):
    return pixels.min(2) if pixels.ndim == 3 else pixels


def ink_of(pixels):
    return float((255 - darkest(pixels).astype(int)).sum())


@settings(deadline=None)
@given(PAGES)
def test_every_pixel_of_ink_is_between_points_of_the_outline(pixels):
    points = outline(pixels)
    height, width = pixels.shape[:2]
    rows, columns = np.nonzero(darkest(pixels) < 224)
    if not len(rows):
        assert points.shape == (0, 2)
    for row, column in zip(rows, columns, strict=True):
        x = (np.array([column - 0.5, column + 1.5]) - width / 2) / max(width, height)
        y = (np.array([row - 0.5, row + 1.5]) - height / 2) / max(width, height)
        for level in y:
            level_points = points[np.isclose(points[:, 1], level), 0]
            assert level_points.min() <= x[0] + 1e-9
            assert level_points.max() >= x[1] - 1e-9


def test_light_yellow_is_ink_and_a_scans_grey_paper_is_not():
    pixels = np.full((8, 8, 3), 240, np.uint8)
    assert len(outline(pixels)) == 0
    pixels[3, 4] = (255, 255, 60)
    assert outline(pixels).min(0).tolist() == [(3.5 - 4) / 8, (2.5 - 4) / 8]


@settings(deadline=None)
@given(PAGES, st.floats(0, 3), st.floats(1, 4))
def test_wider_and_stronger_lines_only_darken(pixels, radius, weight):
    assert (thicken(pixels, weight, radius) <= pixels).all()
    assert thicken(pixels, 1.0, 0.0) is pixels


@pytest.mark.parametrize(("radius", "columns"), [(0.0, 1), (1.0, 3), (2.0, 5)])
def test_a_line_widens_by_whole_pixels(radius, columns):
    pixels = np.full((9, 9), 255, np.uint8)
    pixels[:, 4] = 0
    wide = thicken(pixels, 1.0, radius)
    assert (wide == 0).sum(1).tolist() == [columns] * 9
    assert ((wide == 0) | (wide == 255)).all()


def test_a_line_widens_by_parts_of_a_pixel_in_grey():
    pixels = np.full((9, 9), 255, np.uint8)
    pixels[:, 4] = 0
    widths = [ink_of(thicken(pixels, 1.0, radius)) / 255 / 9 for radius in (0.25, 0.5, 1.25)]
    assert widths == pytest.approx([1.5, 2.0, 3.5], abs=0.02)


def test_weight_multiplies_the_ink_up_to_black():
    pixels = np.array([[255, 205, 155, 55]], np.uint8)
    assert thicken(pixels, 2.0, 0.0).tolist() == [[255, 155, 55, 0]]
    assert thicken(pixels, 0.5, 0.0).tolist() == [[255, 230, 205, 155]]


@settings(deadline=None)
@given(PAGES, st.floats(0, 1), st.floats(0, 8), st.integers(0, 9))
def test_at_most_a_share_of_the_ink_is_erased(pixels, share, radius, seed):
    before = pixels.copy()
    left = erase_pieces(pixels, share, radius, np.random.default_rng(seed))
    np.testing.assert_array_equal(pixels, before)
    assert ink_of(left) >= (1 - share) * ink_of(pixels) - 1e-6
    assert ((left == pixels) | (left == 255)).all()


def test_pieces_are_erased_from_strokes():
    pixels = np.full((64, 64), 255, np.uint8)
    pixels[10:54, 30:32] = 0
    lost = [
        1 - ink_of(erase_pieces(pixels, 0.3, 4, np.random.default_rng(seed))) / ink_of(pixels) for seed in range(50)
    ]
    assert min(lost) > 0.05
    assert max(lost) <= 0.3
