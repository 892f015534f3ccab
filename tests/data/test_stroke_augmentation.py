"""No variant of a sketch loses a stroke, each strength does what it says, and nothing happens where all are 0."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hybrid_sbir.data.stroke_augmentation import StrokeAugmentation
from hybrid_sbir.data.transforms import preset
from hybrid_sbir.data.views import SquareView

STILL = {"mirror": 0, "degrees": 0, "scale": (1, 1), "shift": 0, "deform": 0}
UNTOUCHED = {"weight": (1, 1), "thicken": 0, "erase": 0}
STRONG = {"degrees": 180, "scale": (0.3, 3), "shift": 1, "deform": 0.06}
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0))


def variant(augmentation, image, seed=0):
    return augmentation.drawn(image, np.random.default_rng(seed))


def rim(pixels):
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


@st.composite
def dots(draw):
    """Sheets of any shape with four coloured dots anywhere, at the very edge too."""
    width, height = draw(st.integers(6, 90)), draw(st.integers(6, 90))
    image = Image.new("RGB", (width, height), "white")
    places = [(draw(st.integers(0, width - 3)), draw(st.integers(0, height - 3))) for _ in COLOURS]
    for (x, y), colour in zip(places, COLOURS, strict=True):
        ImageDraw.Draw(image).rectangle((x, y, x + 2, y + 2), fill=colour)
    return image


@settings(deadline=None)
@given(dots(), st.integers(0, 10**6))
def test_nothing_leaves_the_picture(image, seed):
    """Pure colours on at most 1.5 S: whatever is drawn, the rim is white but for the faint fringe of a shrunk image."""
    size = 64
    pixels = variant(StrokeAugmentation(size, **STRONG, **UNTOUCHED), image, seed)
    assert rim(pixels).min() >= 224
    area = 9 * (StrokeAugmentation(size, **STRONG).scale[0] * size / max(image.size)) ** 2
    assert (255 - pixels.astype(int)).sum() / 255 > area / 4


@settings(deadline=None)
@given(st.data())
def test_each_dot_is_still_there(data):
    """One dot at an edge and one elsewhere: each shows at about its size, whatever is drawn."""
    size, side = 64, data.draw(st.integers(24, 96))
    image = Image.new("RGB", (side, side), "white")
    spots = [(0, data.draw(st.integers(0, side - 6))), (side - 6, data.draw(st.integers(0, side - 6)))]
    for (x, y), colour in zip(spots, ((255, 0, 255), (255, 255, 0)), strict=True):
        ImageDraw.Draw(image).rectangle((x, y, x + 5, y + 5), fill=colour)
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    augmentation = StrokeAugmentation(size, degrees=180, shift=1, **UNTOUCHED)
    pixels = augmentation.drawn(image, rng).astype(int)
    magenta, yellow = (255 - pixels[..., 1]).sum() / 255, (255 - pixels[..., 2]).sum() / 255
    smallest = 36 * (0.6 * size / side) ** 2  # turned by 45 degrees the whole sheet must shrink by the root of 2
    assert min(magenta, yellow) > smallest / 2


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 80), st.sampled_from([3, 8, 17, 64]))
def test_the_pose_keeps_points_in_the_square(seed, count, size):
    points = np.random.default_rng(seed).random((count, 2)) - 0.5
    augmentation = StrokeAugmentation(size, degrees=180, scale=(0.1, 9), shift=1)
    turn, scale, shift = augmentation.pose(points, np.random.default_rng(seed))
    assert np.abs(scale * points @ turn.T + shift).max() <= 0.5
    assert np.abs(np.linalg.det(turn)) == pytest.approx(1)
    assert 0 < scale <= 9


def test_real_sketches_stay_whole(some_sketches):
    augmentation = StrokeAugmentation(64)
    for seed, image in enumerate(some_sketches):
        assert rim(variant(augmentation, image, seed)).min() > 128, "no line ends at the edge, but for a faint fringe"


def test_without_strength_it_is_the_evaluations_view(some_sketches):
    for image in some_sketches[::4]:
        inner = Image.new("L", (300, 300), "white")
        inner.paste(image.resize((220, 220), Image.Resampling.BILINEAR), (40, 40))  # so that nothing must shrink
        still = variant(StrokeAugmentation(64, **STILL, **UNTOUCHED), inner).astype(int)
        seen = SquareView(64).drawn(inner).astype(int)
        assert np.abs(still - seen).mean() < 4
        assert abs(still.mean() - seen.mean()) < 0.5


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(64, 64), (300, 7), (1, 1)], ids=str)
def test_a_blank_sheet_passes_through(mode, size):
    pixels = variant(StrokeAugmentation(32), Image.new(mode, size, "white"))
    assert pixels.shape == ((32, 32) if mode == "L" else (32, 32, 3))
    assert (pixels == 255).all()


def test_a_drawing_on_dark_paper_is_seen_whole_with_its_paper():
    image = Image.new("L", (96, 96), 0)
    ImageDraw.Draw(image).line((0, 0, 95, 95), fill=255, width=5)
    pixels = variant(StrokeAugmentation(96, **UNTOUCHED), image)
    assert rim(pixels).min() == 255
    assert (pixels == 0).mean() > 0.3


def square(side=60):
    image = Image.new("L", (side, side), "white")
    ImageDraw.Draw(image).rectangle((10, 20, 30, 40), outline=0, width=2)
    return image


@pytest.mark.parametrize(
    "strength",
    [
        {"mirror": 1},
        {"degrees": 15},
        {"scale": (0.7, 0.8)},
        {"shift": 0.1},
        {"deform": 0.03},
        {"weight": (0.5, 0.6)},
        {"thicken": 0.02},
        {"erase": 0.3},
    ],
    ids=str,
)
def test_each_strength_alone_changes_the_picture(strength):
    still = variant(StrokeAugmentation(64, **STILL, **UNTOUCHED), square(), 3)
    changed = variant(StrokeAugmentation(64, **{**STILL, **UNTOUCHED, **strength}), square(), 3)
    assert np.abs(still.astype(int) - changed).max() > 60


def test_mirrored_half_of_the_time_and_exactly():
    flip = StrokeAugmentation(64, **{**STILL, **UNTOUCHED, "mirror": 0.5})
    plain = variant(StrokeAugmentation(64, **STILL, **UNTOUCHED), square())
    variants = [variant(flip, square(), seed) for seed in range(200)]
    mirrored = [np.abs(pixels[:, ::-1].astype(int) - plain).max() <= 1 for pixels in variants]
    kept = [np.array_equal(pixels, plain) for pixels in variants]
    assert sum(mirrored) + sum(kept) == 200
    assert 70 < sum(mirrored) < 130


def test_the_same_numbers_give_the_same_variant():
    transform = preset("sketch_square_train", 48)
    first, second, other = (transform(square(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_refusals():
    with pytest.raises(TypeError, match="needs a generator of random numbers, got None"):
        preset("sketch_square_train", 32)(square())
    with pytest.raises(ValueError, match=r"deform must be from 0 to 0.06, got 0.2"):
        StrokeAugmentation(64, deform=0.2)
    with pytest.raises(ValueError, match="scale must be two positive numbers, the smaller one first, got 2, 1"):
        StrokeAugmentation(64, scale=(2, 1))
