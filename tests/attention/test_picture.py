"""Colours sit on the cells they belong to, strokes stay dark under them, and what cannot be drawn is refused."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.attention import Grid, draw, footprints, save
from hybrid_sbir.attention.panels import Window, coloured, grey_levels, window_of
from hybrid_sbir.attention.picture import describe, strongest_groups
from tests.attention.networks import mixed, of_heads

WHOLE = Window(-0.5, -0.5, 64)


def drawn(seed=0, **settings):
    pixels = np.full((64, 64), 255, dtype=np.uint8)
    pixels[20:23] = 0
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(seed))
    return pixels, footprints(mixed(), image, (5, 20), **settings)


@pytest.mark.parametrize("grid", [Grid(8.0, 0.0, 8, 8), Grid(8.0, 3.0, 8, 8), Grid(16.0, 7.5, 4, 4)])
@pytest.mark.parametrize("cell", [(0, 0), (1, 3), (3, 2)])
def test_colour_covers_the_pixels_of_its_cell_and_no_others(grid, cell):
    values = np.zeros((grid.rows, grid.columns))
    values[cell] = 1
    picture = coloured(np.ones((64, 64)), values, grid, 1.0, False, WHOLE)
    each = len(picture) // 64
    tinted = (picture.min(2) < 0.99).reshape(64, each, 64, each).mean((1, 3))
    x, y = grid.centre(*cell)
    pixels = np.arange(64)
    share = lambda middle: np.clip(grid.stride / 2 + 0.5 - np.abs(pixels - middle), 0, 1)  # noqa: E731
    np.testing.assert_allclose(tinted, np.outer(share(y), share(x)), atol=0.08)


def test_a_part_is_the_same_picture_enlarged():
    grid, values = Grid(4.0, 1.5, 16, 16), np.random.default_rng(0).random((16, 16))
    grey = np.random.default_rng(1).random((64, 64))
    whole = coloured(grey, values, grid, 1.0, True, WHOLE)
    part = coloured(grey, values, grid, 1.0, True, Window(15.5, 31.5, 16))
    np.testing.assert_array_equal(whole[32 * 7 : 48 * 7, 16 * 7 : 32 * 7], part[2::4, 2::4])


def luminance(colour):
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_strokes_are_told_from_every_colour_they_lie_under(value):
    grey = np.ones((64, 64))
    grey[:, 30:33] = 0
    picture = coloured(grey, np.full((8, 8), value), Grid(8.0, 3.5, 8, 8), 1.0, True, WHOLE)
    stroke, paper = picture[200, 31 * 7 + 3], picture[200, 7]
    assert (luminance(paper) + 0.05) / (luminance(stroke) + 0.05) >= 3  # WCAG's bound for graphics


def test_photos_are_made_paler_and_drawings_are_not():
    sketch = np.full((8, 8), 255, dtype=np.uint8)
    sketch[2] = 0
    assert grey_levels(sketch).min() == 0
    photo = np.random.default_rng(0).integers(0, 120, (8, 8, 3), dtype=np.uint8)
    assert grey_levels(photo).min() >= 0.55
    assert grey_levels(photo).max() == pytest.approx(1)


def test_a_small_footprint_is_shown_enlarged_and_inside_the_image():
    _, found = drawn(blocks=["2.1", "2.2", "3.1"])
    assert window_of(found[0], 64) == WHOLE  # non-local: all of it
    assert window_of(found[2], 64) == WHOLE  # 7 positions of 8 pixels
    left, right, bottom, top = window_of(found[1], 400).extent  # 5 positions of 4 pixels at the left border
    assert (left, right) == (-0.5, 39.5)
    assert (top, bottom) == (found[1].grid.centre(*found[1].cell)[1] - 20, found[1].grid.centre(*found[1].cell)[1] + 20)


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_a_picture_is_the_same_file_every_time(tmp_path, ending):
    for name in ("a", "b"):
        pixels, found = drawn(blocks=["2.2"])
        save(draw(pixels, (5, 20), found, groups=[0], caption="network"), tmp_path / f"{name}{ending}")
    first = (tmp_path / f"a{ending}").read_bytes()
    assert first == (tmp_path / f"b{ending}").read_bytes()
    assert first.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending])


def test_a_row_a_block_a_panel_a_group_and_a_scale_each(tmp_path):
    pixels, found = drawn()
    figure = draw(pixels, (5, 20), found, groups=[1])
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["all channels", "mean of 2 groups", "group 1", "mean of 2 groups", "group 1", "all channels"]
    assert len(figure.axes) == 1 + 2 * len(titles)
    words = " ".join(text.get_text() for text in figure.texts)
    assert all(f"stage {place}, block {number}" in words for place, number in ((2, 1), (2, 2), (3, 1), (4, 1)))
    assert min(text.get_fontsize() for text in figure.texts) >= 8
    save(figure, tmp_path / "picture.png")
    assert Image.open(tmp_path / "picture.png").size[1] == pytest.approx(figure.get_size_inches()[1] * 200, abs=1)


def test_the_groups_with_the_largest_weights_are_shown():
    _, found = drawn(blocks=["2.2", "4.1"])
    peaks = found[0].on_map.abs().amax((1, 2))
    assert strongest_groups(found[0], 1) == [int(peaks.argmax())]
    assert strongest_groups(found[0], 9) == [0, 1]
    assert strongest_groups(found[1]) == []


def test_words_say_what_a_block_is_and_how_much_is_reflected():
    _, found = drawn()
    assert describe(found[0]).splitlines() == ["non-local, signed", "map 16 × 16", "keys on 8 × 8"]
    pair, beyond = describe(found[1]).splitlines(), int(found[1].outside.sum())
    assert pair == [
        "pairwise, softmax",
        "5 × 5 footprint",
        "map 16 × 16",
        "2 share groups",
        f"{beyond} of 25 reflected",
        "line: 1/25",
    ]
    assert describe(found[2]).splitlines()[:2] == ["patchwise, signed", "7 × 7 of map 8 × 8"]


def test_heads_are_called_so_and_windows_say_what_they_leave_out(tmp_path):
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = footprints(of_heads(), image, (5, 20))
    assert describe(found[0]).splitlines() == ["bot, softmax", "map 16 × 16", "2 heads", "line: 1/256"]
    window, beyond = describe(found[2]).splitlines(), int(found[2].outside.sum())
    assert window == [
        "sasa, softmax",
        "7 × 7 of map 8 × 8",
        "2 heads",
        f"{beyond} of 49 left out",
        f"line: 1/{49 - beyond}",
    ]
    assert describe(found[4]).splitlines() == ["vit, softmax", "map 2 × 2", "4 heads", "line: 1/4"]
    figure = draw(np.full((32, 32), 255, dtype=np.uint8), (5, 20), found)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[:3] == ["mean of 2 heads", "head 0", "head 1"]
    assert titles[-4] == "mean of 4 heads"
    legend = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert "footprint" in legend
    assert "beyond the border" not in legend  # nothing is reflected
    save(figure, tmp_path / "heads.png")
    with pytest.raises(ValueError, match=r"block 2\.1 has 2 heads, 0 to 1; got 2"):
        draw(np.full((32, 32), 255, dtype=np.uint8), (5, 20), found, groups=[2])


def test_what_cannot_be_drawn_is_refused(tmp_path, monkeypatch):
    pixels, found = drawn()
    with pytest.raises(ValueError, match=r"block 2\.2 has 2 share groups, 0 to 1; got 2, -1"):
        draw(pixels, (5, 20), found, groups=[0, 2, -1])
    with pytest.raises(ValueError, match="no footprint"):
        draw(pixels, (5, 20), [])
    with pytest.raises(ValueError, match=r"picture\.gif ends in '\.gif'; a picture can be \.png, \.svg, \.pdf"):
        save(draw(pixels, (5, 20), found), tmp_path / "picture.gif")
    found[0].weights[0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"block 2\.1 are not finite: is the model trained"):
        draw(pixels, (5, 20), found)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ValueError, match=r"pip install 'hybrid-sbir\[figures\]'"):
        draw(pixels, (5, 20), found[1:])
