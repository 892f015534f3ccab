"""Whatever a sketch is given as, it is the image that training would have seen."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.stores.drawing_store import StrokeStore
from hybrid_sbir.data.strokes import rasterize
from hybrid_sbir.search.query import MAX_FILE, MAX_PIXELS, PEN, SketchProblem, photo_image, sketch_image
from tests.search.sketching import circle

DRAWING = [[[0, 255, 255, 0], [0, 0, 128, 64]], [[10, 30], [20, 90]]]


def pixels(sketch, **options):
    return np.asarray(sketch_image(sketch, **options).convert("L"))


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def as_webp(image):
    return encoded(image, "WEBP", lossless=True)


@pytest.fixture
def store(tmp_path):
    """A drawing as prepared QuickDraw data holds it."""
    points = np.concatenate([np.array(stroke) for stroke in DRAWING], axis=1).T.astype(np.int16)
    np.save(tmp_path / "points.npy", points)
    np.save(tmp_path / "stroke_offsets.npy", np.array([0, 4, 6], np.int64))
    np.save(tmp_path / "drawing_offsets.npy", np.array([0, 2], np.int64))

    def opened(side, width, padding):
        return StrokeStore(tmp_path, ["cat/1"], np.zeros(1, np.int64), ["cat"], side, width, padding)

    return opened


@pytest.mark.parametrize(("side", "width", "padding"), [(256, 0.02, 0.04), (73, 0.02, 0.04), (96, 0.035, 0.1)])
def test_strokes_are_the_pixels_that_a_model_of_strokes_was_trained_on(store, side, width, padding):
    trained = np.asarray(store(side, width, padding).read(0)).astype(int)
    pen = {"size": side, "stroke_width": width, "padding": padding}
    given = [DRAWING, [np.array(stroke) for stroke in DRAWING], {"drawing": DRAWING}, json.dumps(DRAWING).encode()]
    given.append([[*stroke, [0] * len(stroke[0])] for stroke in DRAWING])
    for sketch in given:
        assert np.abs(pixels(sketch, strokes=pen).astype(int) - trained).max() == 0


def test_a_real_drawing_of_quickdraw_is_drawn_as_its_store_draws_it(shared, tmp_path):
    import zipfile

    from hybrid_sbir.cli import main
    from hybrid_sbir.data.prepared import QuickDraw

    with zipfile.ZipFile(shared / "data" / "quickdraw" / "simplified.zip") as archive:
        name = next(each for each in archive.namelist() if each.endswith("/cat.ndjson") or each == "cat.ndjson")
        lines = archive.read(name).splitlines()[:30]
    (tmp_path / "drawings").mkdir()
    (tmp_path / "drawings" / "cat.ndjson").write_bytes(b"\n".join(lines))
    (tmp_path / "drawings" / "dog.ndjson").write_bytes(b"\n".join(lines))
    main(["data", "prepare", "quickdraw", "--archive", str(tmp_path / "drawings"), "--root", str(tmp_path / "data")])
    data = QuickDraw(str(tmp_path / "data"), split="random80", size=64)
    store = data._whole
    pen = {"size": 73, "stroke_width": 0.02, "padding": 0.04}
    key = {f"cat/{json.loads(line)['key_id']}": line for line in lines}
    compared = 0
    for row in range(len(store)):
        if store.name(row) in key:
            difference = pixels(key[store.name(row)], strokes=pen).astype(int) - np.asarray(store.read(row))
            assert np.abs(difference).max() == 0
            compared += 1
    assert compared == 30


def test_strokes_for_a_model_of_images_are_drawn_with_the_pen_that_was_measured():
    strokes = [np.array(stroke) for stroke in DRAWING]
    drawn = rasterize(strokes, int(PEN["size"]), PEN["stroke_width"], PEN["padding"])
    assert np.array_equal(pixels(DRAWING), drawn)


def test_an_svg_of_the_same_lines_is_the_same_image():
    paths = "".join(f'<polyline points="{" ".join(f"{x},{y}" for x, y in zip(*s, strict=True))}"/>' for s in DRAWING)
    svg = (
        f'<?xml version="1.0"?><!-- c --><svg xmlns="http://www.w3.org/2000/svg" fill="none" stroke="red">{paths}</svg>'
    )
    assert np.array_equal(pixels(svg.encode()), pixels(DRAWING))
    assert np.array_equal(pixels(b"\xef\xbb\xbf" + svg.encode()), pixels(DRAWING))


@pytest.mark.parametrize("form", ["path", "str", "bytes", "pil", "array", "array3"])
def test_an_image_is_the_same_however_it_is_given(form, tmp_path):
    image = circle()
    (tmp_path / "s.png").write_bytes(encoded(image))
    given = {
        "path": tmp_path / "s.png",
        "str": str(tmp_path / "s.png"),
        "bytes": encoded(image),
        "pil": image,
        "array": np.asarray(image),
        "array3": np.asarray(image.convert("RGB")),
    }[form]
    assert np.array_equal(pixels(given), np.asarray(image))


def test_white_on_black_is_turned_round():
    assert np.array_equal(pixels(circle(ink=255, paper=0)), np.asarray(circle()))
    assert np.array_equal(pixels(encoded(circle(ink=255, paper=0))), np.asarray(circle()))


@pytest.mark.parametrize("ink", [0, 255], ids=["black ink", "white ink"])
@pytest.mark.parametrize("given", [lambda image: image, encoded, np.asarray, as_webp])
def test_on_a_transparent_ground_ink_of_any_colour_is_seen(ink, given):
    image = Image.new("LA", (64, 64), (ink, 0))
    image.paste((ink, 255), mask=Image.eval(circle(), lambda level: 255 - level))
    assert np.array_equal(pixels(given(image.convert("RGBA"))), np.asarray(circle()))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_images_of_other_modes_are_sketches_too(mode):
    image = Image.fromarray(np.asarray(circle()).astype(np.uint16) * 257) if mode == "I;16" else circle().convert(mode)
    found = pixels(encoded(image, "TIFF"))
    assert (found < 128).sum() == (np.asarray(circle()) < 128).sum()


@pytest.mark.parametrize("sheet", [255, 0, 130])
@pytest.mark.parametrize("given", [lambda image: image, encoded, np.asarray])
def test_on_a_blank_sheet_nothing_is_drawn(sheet, given):
    with pytest.raises(SketchProblem, match="nothing is drawn"):
        sketch_image(given(Image.new("L", (20, 30), sheet)))


def test_a_dot_is_a_drawing():
    assert pixels([[[3], [4]]]).min() < 128


@pytest.mark.parametrize(
    ("sketch", "words"),
    [
        (b"", "empty"),
        (b"no image", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "unreadable|truncated"),
        (b"<svg/>", "nothing is drawn"),
        (b"<svg", "no whole XML"),
        (b'{"a": 1}', "no strokes"),
        (np.zeros((4, 4, 2), np.uint8), "is no image"),
        (np.zeros((0, 4), np.uint8), "is no image"),
        (np.zeros((4, 4)), "stroke 1"),
        (5, "no strokes"),
        (Image.new("1", (MAX_PIXELS // 100 + 1, 100)), "pixels"),
        (b"P5 " + b" " * MAX_FILE, "MiB"),
    ],
)
def test_what_is_no_sketch_is_refused_in_words(sketch, words):
    with pytest.raises(ValueError, match=words):
        sketch_image(sketch)


def test_a_bomb_is_refused_before_it_is_decoded():
    with pytest.raises(ValueError, match="megapixels"):
        sketch_image(encoded(Image.new("1", (9000, 9000), 1)))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        sketch_image(tmp_path / "gone.png")
    (tmp_path / "a.svg").write_bytes(b"<svg/>")
    with pytest.raises(SketchProblem, match=r"a\.svg: nothing is drawn"):
        sketch_image(tmp_path / "a.svg")


def test_a_photo_to_search_with_stays_as_it_is():
    night = np.random.default_rng(0).integers(0, 40, (20, 20, 3), np.uint8)
    for given in (night, Image.fromarray(night), encoded(Image.fromarray(night))):
        assert np.array_equal(np.asarray(photo_image(given)), night)
    with pytest.raises(SketchProblem, match="a photo is an image"):
        photo_image(DRAWING)
