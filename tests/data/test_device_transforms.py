"""What a device draws is what the host draws, up to its rounding to 8 bits."""

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.data.device_transforms import ViewedDataset, render
from hybrid_sbir.data.loading.dataset import KeyedDataset
from hybrid_sbir.data.transforms import list_presets, preset


class Pictures:
    """Smooth and noisy images of several sizes, grey or coloured."""

    classes = ("a", "b")
    labels = np.array([0, 1] * 4)

    def __init__(self, sizes, channels):
        self.sizes, self.channels = sizes, channels

    def __len__(self):
        return 8

    def name(self, index):
        return str(index)

    def read(self, index):
        width, height = self.sizes[index % len(self.sizes)]
        rng = np.random.default_rng(index)
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if index % 2:
            y, x = np.mgrid[:height, :width]
            pixels = np.stack([(128 + 127 * np.sin(x / a + y / b)) for a, b in ((3, 9), (20, 5), (11, 11))], -1).astype(
                np.uint8
            )
        return Image.fromarray(pixels[..., 0] if self.channels == 1 else pixels)


SIZES = {
    "square": [(96, 96)],
    "same": [(64, 64)],
    "mixed": [(120, 90), (70, 150), (40, 41), (300, 64)],
    "tiny": [(9, 7)],
}


def levels(batch, transform):
    """Undo the normalisation: 8-bit levels, in float."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (transform.mean, transform.std))
    return (batch.image * std + mean) * 255


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    return request.param


def both(store, transform, device, seed=1):
    keys = [(2, index) for index in range(8)]
    host = KeyedDataset(store, transform, seed).batch(keys)
    viewed = ViewedDataset(store, transform, seed).read(keys)
    drawn = render(type(viewed)(*(torch.as_tensor(values, device=device) for values in viewed)), transform)
    assert drawn.image.device.type == device
    return host, type(drawn)(*(tensor.cpu() for tensor in drawn))


TURNING = ("sketch_train",)
HOST_ONLY = ("sketch_square_train", "sketch_square_eval_any_paper")
VIEWS = [name for name in list_presets() if name not in TURNING + HOST_ONLY]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", VIEWS)
def test_agrees_with_the_host(name, sizes, device):
    for channels in (1, 3) if name.startswith("classification") else (3,):
        transform = preset(name, 64, channels)
        host, drawn = both(Pictures(SIZES[sizes], channels), transform, device)
        assert torch.equal(drawn.label, host.label)
        assert torch.equal(drawn.index, host.index)
        assert drawn.image.shape == host.image.shape
        difference = (levels(drawn, transform) - levels(host, transform)).abs()
        assert difference.max() <= 1.01, "two roundings to 8 bits: half a level each"
        assert difference.mean() < 0.4


def test_turning_agrees_with_the_host_but_on_the_edge_of_a_pixel(device):
    transform = preset("sketch_train", 64)
    host, drawn = both(Pictures(SIZES["mixed"], 3), transform, device)
    difference = (levels(drawn, transform) - levels(host, transform)).abs().amax(1)
    assert (difference > 1.01).float().mean() < 0.005
    corners = levels(drawn, transform)[:, :, 0, 0]
    assert ((corners - 255).abs().amax(1) < 1e-3).sum() >= 4, "white where nothing is"


@pytest.mark.parametrize("name", HOST_ONLY)
def test_what_must_see_the_strokes_is_refused(name):
    with pytest.raises(TypeError, match="set augment_on to 'host'"):
        ViewedDataset(Pictures([(40, 40)], 1), preset(name, 32)).read([(0, 0)])


def test_grey_images_travel_in_one_plane_and_become_three():
    transform = preset("photo_eval", 32)
    viewed = ViewedDataset(Pictures([(40, 40)], 1), transform).read([(0, 0), (0, 1)])
    assert (viewed.pixels.shape, viewed.pixels.dtype) == ((2, 40, 40), torch.uint8)
    assert render(viewed, transform).image.shape == (2, 3, 32, 32)


def test_coloured_images_travel_in_one_plane_to_a_grey_model():
    transform = preset("classification_eval", 32, 1)
    viewed = ViewedDataset(Pictures([(40, 40)], 3), transform).read([(0, 0)])
    assert viewed.pixels.shape == (1, 40, 40)
    assert render(viewed, transform).image.shape == (1, 1, 32, 32)


def test_what_pads_a_batch_is_never_seen():
    transform = preset("classification_eval", 32, 1)
    store = Pictures([(40, 40)], 1)
    viewed = ViewedDataset(store, transform).read([(0, 0)])
    padded = viewed._replace(pixels=torch.nn.functional.pad(viewed.pixels, (0, 30, 0, 9), value=255))
    torch.testing.assert_close(render(padded, transform).image, render(viewed, transform).image)
