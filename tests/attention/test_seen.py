"""A pixel of the file is followed to where it is in what the model sees."""

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.attention import look_at
from hybrid_sbir.data.transforms import list_presets, preset

EVALUATION = [name for name in list_presets() if not preset(name, 64).geometry.random]


@pytest.mark.parametrize("name", EVALUATION)
@pytest.mark.parametrize(("size", "dot"), [((300, 200), (140, 110)), ((160, 320), (60, 170)), ((64, 64), (20, 41))])
def test_a_dot_is_where_the_position_is(tmp_path, name, size, dot):
    sheet = np.full((size[1], size[0]), 255, dtype=np.uint8)
    sheet[dot[1] - 3 : dot[1] + 4, dot[0] - 3 : dot[0] + 4] = 0
    Image.fromarray(sheet).save(tmp_path / "dot.png")
    seen = look_at(tmp_path / "dot.png", preset(name, 64, 3), dot)
    ink = 255 - seen.pixels.astype(float)
    ink[seen.pixels == 0] *= (
        np.abs(np.indices(ink.shape) - np.array(seen.at[::-1])[:, None, None]).max(0)[seen.pixels == 0] < 12
    )  # black borders are no ink
    y, x = np.indices(ink.shape)
    assert ((x * ink).sum() / ink.sum(), (y * ink).sum() / ink.sum()) == pytest.approx(seen.at, abs=0.35)
    assert seen.tensor.shape == (3, 64, 64)
    assert seen.tensor.equal(preset(name, 64, 3)(Image.fromarray(sheet)))
    assert torch.allclose(preset(name, 64, 3).normalise(torch.from_numpy(seen.pixels.copy())[None])[0], seen.tensor)


def test_positions_outside_or_cut_off_and_random_presets_are_refused(tmp_path):
    Image.new("RGB", (300, 200), "white").save(tmp_path / "photo.png")
    photo = tmp_path / "photo.png"
    with pytest.raises(ValueError, match="300 x 200 pixels: give x from 0 to 299 and y from 0 to 199"):
        look_at(photo, preset("photo_eval", 64), (300, 3))
    with pytest.raises(ValueError, match=r"is cut off before the model sees the image.*the middle 64 x 64 pixels"):
        look_at(photo, preset("photo_eval", 64), (2, 100))
    assert look_at(photo, preset("photo_square_eval", 64), (2, 100)).at == pytest.approx((0.033, 31.94), abs=0.3)
    with pytest.raises(ValueError, match="crops at random"):
        look_at(photo, preset("photo_train", 64), (2, 100))
    with pytest.raises(ValueError, match="missing: no such file"):
        look_at(tmp_path / "none.png", preset("photo_eval", 64), (2, 100))
