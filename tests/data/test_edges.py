"""Contours are drawn where they are, whatever the size and contrast, and nothing is drawn where nothing is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hybrid_sbir.data.edges import edge_map


def disc(side=128, inside=200, outside=60, mode="L"):
    """A disc of radius side / 4 in the middle, drawn large and shrunk: soft as a photo's edges are."""
    large = Image.new(mode, (side * 4, side * 4), outside)
    ImageDraw.Draw(large).ellipse((side, side, side * 3, side * 3), fill=inside)
    return large.resize((side, side), Image.Resampling.BOX)


def ink(sheet):
    return 1 - np.asarray(sheet, np.float32) / 255


def distance_from_circle(sheet):
    """Return how far each inked pixel is from the disc's rim, in sides."""
    side = sheet.size[0]
    y, x = np.mgrid[:side, :side] + 0.5
    return np.abs(np.hypot(y - side / 2, x - side / 2) - side / 4)[ink(sheet) > 0.25] / side


@pytest.mark.parametrize("side", [48, 64, 128, 256, 700])
def test_a_disc_becomes_a_circle_of_the_same_relative_width(side):
    sheet = edge_map(disc(side))
    assert (sheet.mode, sheet.size) == ("L", (side, side))
    assert distance_from_circle(sheet).max() < 0.012 + 1 / side
    width = ink(sheet).sum() / (2 * np.pi * side / 4) / side
    assert 0.005 < width < 0.009, "as share of the side"


@pytest.mark.parametrize(("inside", "outside"), [(255, 0), (0, 255), (140, 100), (130, 112)])
def test_contrast_makes_no_difference(inside, outside):
    drawn, strong = ink(edge_map(disc(128, inside, outside))), ink(edge_map(disc()))
    assert np.minimum(drawn, strong).sum() / np.maximum(drawn, strong).sum() > 0.75


def test_colours_of_one_brightness_are_told_apart():
    green, red = (0, 130, 0), (255, 0, 0)
    flat = np.asarray(disc(128, green, red, "RGB").convert("L"), int)
    assert np.ptp(flat) < 12
    assert distance_from_circle(edge_map(disc(128, green, red, "RGB"))).size > 200


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_photo_gives_a_white_sheet(mode, level):
    assert edge_map(Image.new(mode, (90, 60), (level,) * len(mode))).getextrema() == (255, 255)


@pytest.mark.parametrize("side", [64, 160, 256])
def test_noise_and_shades_give_a_white_sheet(side):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    for shade in (np.full((side, side), 128), 40 + 170 * x, 128 + 60 * np.sin(3 * (x + y))):
        noisy = np.clip(shade + rng.normal(0, 4, shade.shape), 0, 255).astype(np.uint8)
        assert edge_map(Image.fromarray(noisy)).getextrema() == (255, 255)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 9))
def test_any_shape_gives_dark_on_white(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    sheet = edge_map(Image.fromarray(pixels))
    assert (sheet.mode, sheet.size) == ("L", (width, height))
    assert ink(sheet).mean() < 0.3


def test_the_same_photo_gives_the_same_sheet_and_stays_as_it_is():
    photo = disc(90, (10, 200, 30), (90, 90, 90), "RGB")
    before = photo.tobytes()
    assert edge_map(photo).tobytes() == edge_map(photo).tobytes()
    assert photo.tobytes() == before
    assert edge_map(photo.convert("P")).size == (90, 90)


def test_a_mirrored_photo_gives_the_mirrored_sheet(some_photos):
    flip = Image.Transpose.FLIP_LEFT_RIGHT
    for photo in some_photos[:6]:
        ours, mirrored = ink(edge_map(photo)), ink(edge_map(photo.transpose(flip)).transpose(flip))
        assert np.minimum(ours, mirrored).sum() / np.maximum(ours, mirrored).sum() > 0.6


def test_photos_give_about_as_much_ink_as_sketches(some_photos, some_sketches):
    drawn = [ink(edge_map(photo)).mean() for photo in some_photos]
    sketched = [ink(sketch).mean() for sketch in some_sketches]
    assert min(drawn) > 0.002
    assert max(drawn) < 0.12
    assert 0.5 < np.median(drawn) / np.median(sketched) < 2.5


def test_a_line_goes_on_where_it_fades_but_none_starts_there():
    """Steps of brightness along two rows: one fades from 40 % to 4 % of the range, the other is 4 % throughout."""
    side = 160
    step = np.zeros((side, side))
    step[40:120] = np.linspace(0.4, 0.04, side) * 255
    faint = np.zeros((side, side))
    faint[40:120] = 0.04 * 255
    drawn, nothing = (ink(edge_map(Image.fromarray((60 + shade).astype(np.uint8)))) for shade in (step, faint))
    assert (drawn[36:44].max(0) > 0.5).mean() > 0.95, "along its whole length"
    assert nothing.max() == 0
