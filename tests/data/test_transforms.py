"""The presets do what torchvision does, given the same decisions, and decide with the same chances."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from hybrid_sbir.data.transforms import CentreView, RandomView, draw, list_presets, preset

BILINEAR = InterpolationMode.BILINEAR
SIZES = [(224, 224), (256, 256), (300, 200), (97, 431), (30, 20), (1, 1), (500, 7)]


def picture(width, height, mode="RGB"):
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(width * 1000 + height).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("name", ["classification_train", "photo_train", "sketch_train"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_random_views_are_drawn_as_torchvision_draws_them(size, name, mode):
    image = picture(*size, mode)
    transform = preset(name, 64, channels=3)
    for seed in range(8):
        view = transform.view(image, np.random.default_rng(seed))
        box = (view.top, view.left, view.bottom - view.top, view.right - view.left)
        expected = F.resized_crop(image, *box, [64, 64], BILINEAR)
        expected = F.horizontal_flip(expected) if view.mirror else expected
        if view.angle:
            expected = F.rotate(expected, view.angle, InterpolationMode.NEAREST, fill=255)
        np.testing.assert_array_equal(transform.pixels(image, np.random.default_rng(seed)), np.asarray(expected))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("name", "shorter_side"),
    [("classification_eval", 73), ("photo_eval", 73), ("sketch_test", 73), ("sketch_eval", 64)],
)
def test_centre_views_are_torchvisions_resize_and_centre_crop(size, name, shorter_side):
    image = picture(*size)
    expected = F.center_crop(F.resize(image, [shorter_side], BILINEAR), [64, 64])
    np.testing.assert_array_equal(preset(name, 64, 3).pixels(image, None), np.asarray(expected))


@pytest.mark.parametrize("size", [224, 64, 112, 96])
def test_the_shorter_side_scales_with_the_output(size):
    assert preset("classification_eval", size).geometry == CentreView(size, round(size * 256 / 224))
    assert preset("classification_eval").geometry == CentreView(224, 256)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("classification_eval", [0.1307], [0.3081]),
        ("photo_eval", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ("imagenet_eval", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ],
)
def test_normalisation_is_torchvisions(name, mean, std):
    transform = preset(name, 32)
    image = picture(32, 32, "RGB" if len(mean) == 3 else "L")
    pixels = Image.fromarray(transform.pixels(image, None))
    expected = F.normalize(F.to_dtype(F.to_image(pixels), torch.float32, scale=True), mean, std)
    result = transform(image)
    assert result.dtype == torch.float32
    assert result.is_contiguous()
    torch.testing.assert_close(result, expected, rtol=0, atol=3e-6)


def test_channels():
    grey, colour = picture(40, 40, "L"), picture(40, 40)
    assert preset("classification_eval", 32)(colour).shape == (1, 32, 32)
    repeated = preset("classification_eval", 32, channels=3)(grey)
    assert repeated.shape == (3, 32, 32)
    torch.testing.assert_close(repeated, preset("classification_eval", 32)(grey).expand(3, -1, -1))
    kept = preset("classification_eval", 32, channels=3)(colour)
    assert not torch.equal(kept[0], kept[1]), "colours stay where the model sees three channels"
    photo = preset("photo_eval", 32)(grey)
    torch.testing.assert_close(photo, preset("photo_eval", 32)(grey.convert("RGB")))


@pytest.mark.parametrize("area", [(0.08, 1.0), (0.7, 1.0)], ids=str)
@pytest.mark.parametrize("size", [(256, 256), (400, 130)], ids=str)
def test_views_are_as_likely_as_torchvisions(size, area):
    width, height = size
    count = 4000
    geometry = RandomView(64, area)
    views = [geometry.view(width, height, np.random.default_rng((0, i))) for i in range(count)]
    ours = np.array([(v.left, v.top, v.right - v.left, v.bottom - v.top) for v in views])
    torch.manual_seed(0)
    blank = torch.empty(1, height, width)
    crop = v2.RandomResizedCrop(64, scale=area)
    theirs = np.array(
        [[p[k] for k in ("left", "top", "width", "height")] for p in (crop.make_params([blank]) for _ in range(count))]
    )
    for column in range(4):
        assert _distance(ours[:, column], theirs[:, column]) < 1.95 * math.sqrt(2 / count), "Kolmogorov-Smirnov, 0.1 %"
    assert abs(np.mean([v.mirror for v in views]) - 0.5) < 0.03


def _distance(left, right):
    both = np.sort(np.concatenate([left, right]))
    shares = [np.searchsorted(np.sort(values), both, side="right") / len(values) for values in (left, right)]
    return np.abs(shares[0] - shares[1]).max()


def test_angles_are_spread_evenly_and_only_where_asked():
    geometry = RandomView(8, (0.9, 1.0), degrees=20)
    angles = np.array([geometry.view(9, 9, np.random.default_rng(i)).angle for i in range(2000)])
    assert _distance(angles, np.random.default_rng(0).uniform(-20, 20, 2000)) < 1.95 * math.sqrt(2 / 2000)
    assert RandomView(8, (0.9, 1.0)).view(9, 9, np.random.default_rng(0)).angle == 0


def test_a_strip_falls_back_to_its_middle():
    view = RandomView(64, (0.9, 1.0)).view(500, 7, np.random.default_rng(0))
    assert (view.left, view.top, view.right, view.bottom) == (245, 0, 254, 7)
    view = RandomView(64, (0.9, 1.0)).view(7, 500, np.random.default_rng(0))
    assert (view.left, view.top, view.right, view.bottom) == (0, 245, 7, 254)


def test_uncovered_corners_are_white():
    view = RandomView(32, (1.0, 1.0), mirror=0).view(32, 32, np.random.default_rng(0))._replace(angle=20.0)
    for mode in ("L", "RGB"):
        turned = np.asarray(draw(Image.new(mode, (32, 32)), view, 32))
        assert turned[0, 0].min() == 255
        assert turned[16, 16].max() == 0


def test_the_same_numbers_give_the_same_view():
    transform = preset("sketch_train", 48)
    image = picture(80, 70)
    first, second, other = (transform(image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", list_presets())
def test_every_preset_gives_finite_tensors(name):
    result = preset(name, 16, 3)(picture(33, 21), np.random.default_rng(0))
    assert result.shape == (3, 16, 16)
    assert result.isfinite().all()


def test_refusals():
    with pytest.raises(ValueError, match="unknown preset 'trian'; known: classification_train, classification_eval"):
        preset("trian")
    with pytest.raises(ValueError, match="channels 1 or 3, got size 0 and channels 1"):
        preset("classification_eval", 0)
    with pytest.raises(ValueError, match="got size 64 and channels 4"):
        preset("classification_eval", 64, 4)
    with pytest.raises(ValueError, match="'photo_train' normalises three channels; got channels=1, choose a classif"):
        preset("photo_train", channels=1)
    with pytest.raises(TypeError, match="needs a generator of random numbers, got None"):
        preset("photo_train")(picture(8, 8))
