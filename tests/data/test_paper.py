"""Light lines on a dark ground are told from dark lines on paper."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from hybrid_sbir.data.paper import is_dark_paper, on_white


def drawing(mode="L", size=(80, 50)):
    image = Image.new(mode, size, "white")
    ImageDraw.Draw(image).ellipse((5, 0, 60, 49), outline=0 if mode == "L" else (200, 0, 0), width=3)
    return image


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_negative_becomes_the_drawing(mode):
    image = drawing(mode)
    assert not is_dark_paper(image)
    assert on_white(image) is image
    np.testing.assert_array_equal(np.asarray(on_white(ImageOps.invert(image))), np.asarray(image))


def test_a_filled_drawing_is_not_dark_paper():
    image = Image.new("L", (64, 64), "white")
    ImageDraw.Draw(image).rectangle((4, 4, 59, 59), fill=0)
    assert not is_dark_paper(image), "most of it is black, but not its rim"


def test_blank_sheets():
    assert on_white(Image.new("L", (9, 5), 255)).getextrema() == (255, 255)
    assert on_white(Image.new("L", (9, 5), 0)).getextrema() == (255, 255)
    assert is_dark_paper(Image.new("L", (1, 1), 0))


def test_real_sketches_and_their_negatives(some_sketches):
    for image in some_sketches:
        assert not is_dark_paper(image)
        assert is_dark_paper(ImageOps.invert(image))
