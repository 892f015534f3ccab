"""Every kind of image file reads as 8-bit grey or RGB, upright, on white; a bad one is refused by name and reason."""

import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.images import ImageProblem, read_image


def encoded(image, fmt="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)


@pytest.fixture
def ramp():
    return np.arange(0, 126, dtype=np.uint8).reshape(9, 14) * 2


def test_grey_stays_as_it_is(ramp):
    for mode in ("L", None):
        image = read_image(encoded(Image.fromarray(ramp)), mode)
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), ramp)


def test_grey_becomes_three_equal_channels_when_rgb_is_asked(ramp):
    rgb = np.asarray(read_image(encoded(Image.fromarray(ramp)), "RGB"))
    np.testing.assert_array_equal(rgb, np.repeat(ramp[..., None], 3, axis=2))


@pytest.mark.parametrize("options", [{"fmt": "PNG"}, {"fmt": "BMP"}, {"fmt": "TIFF"}, {"fmt": "PPM"}], ids=str)
def test_rgb_in_lossless_formats(colours, options):
    image = read_image(encoded(Image.fromarray(colours), **options))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), colours)


def test_bilevel():
    bits = Image.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("1")
    image = read_image(encoded(bits))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), np.eye(8) * 255)


def test_palette_of_greys_is_grey_and_of_colours_is_rgb(ramp, colours):
    grey = Image.fromarray(ramp).convert("P")
    assert read_image(encoded(grey)).mode == "L"
    np.testing.assert_array_equal(np.asarray(read_image(encoded(grey))), ramp)
    coloured = Image.fromarray(colours).quantize(64)
    image = read_image(encoded(coloured))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), np.asarray(coloured.convert("RGB")))


def test_transparent_palette_entry_is_white():
    indices = Image.fromarray(np.array([[0, 1], [1, 0]], dtype=np.uint8), mode="P")
    indices.putpalette([0, 0, 0, 200, 10, 20])
    image = np.asarray(read_image(encoded(indices, transparency=0), "RGB"))
    np.testing.assert_array_equal(image[0, 0], [255, 255, 255])
    np.testing.assert_array_equal(image[0, 1], [200, 10, 20])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_composited_on_white(mode):
    ink = Image.new(mode, (2, 1), (0, 255) if mode == "LA" else (0, 0, 0, 255))
    ink.putpixel((1, 0), (0, 0) if mode == "LA" else (0, 0, 0, 0))
    half = ink.copy()
    half.putpixel((0, 0), (0, 128) if mode == "LA" else (0, 0, 0, 128))
    assert list(read_image(encoded(ink), "L").tobytes()) == [0, 255]
    assert list(read_image(encoded(half), "L").tobytes()) == [127, 255]
    assert read_image(encoded(ink)).mode == ("L" if mode == "LA" else "RGB")


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    deep = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    assert list(read_image(encoded(Image.fromarray(deep)), "L").tobytes()) == [0, 1, 128, 255]


def test_cmyk_jpeg_is_rgb():
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    image = read_image(encoded(cyan, "JPEG"))
    assert image.mode == "RGB"
    red, green, blue = image.getpixel((8, 8))
    assert red < 30
    assert min(green, blue) > 200


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation):
    upright = np.zeros((16, 24), dtype=np.uint8)
    upright[:8, :8] = 255  # one bright corner: top left
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(upright)
    if orientation in inverse:
        stored = stored.transpose(inverse[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = np.asarray(read_image(encoded(stored, "JPEG", exif=exif, quality=95), "L"))
    assert image.shape == (16, 24)
    assert np.abs(image.astype(int) - upright).max() < 30


def test_interlaced_png_and_progressive_jpeg(colours):
    large = Image.fromarray(np.kron(colours, np.ones((8, 8, 1), dtype=np.uint8)))
    assert read_image(_interlaced(np.asarray(large))).size == large.size
    np.testing.assert_array_equal(np.asarray(read_image(_interlaced(np.asarray(large)))), np.asarray(large))
    assert read_image(encoded(large, "JPEG", progressive=True)).size == large.size


def _interlaced(pixels):
    """An Adam7 PNG, which Pillow reads but does not write."""
    raw = b""
    for y0, x0, dy, dx in (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):
        for row in pixels[y0::dy, x0::dx]:
            raw += b"\0" + row.tobytes()

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 1)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("fmt", ["GIF", "PNG", "WEBP"])
def test_animation_gives_its_first_frame(fmt):
    frames = [Image.new("L", (8, 8), value) for value in (30, 200)]
    options = {"lossless": True} if fmt == "WEBP" else {}
    image = read_image(encoded(frames[0], fmt, save_all=True, append_images=frames[1:], **options), "L")
    assert image.getextrema() == (30, 30)


def test_min_side_shrinks_a_large_jpeg_but_never_below_it():
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 640, 3), dtype=np.uint8))
    data = encoded(photo, "JPEG")
    assert read_image(data, min_side=100).size == (160, 100)
    assert read_image(data, min_side=101).size == (320, 200)
    assert read_image(data, min_side=300).size == (640, 400)
    assert read_image(encoded(photo), min_side=100).size == (640, 400), "PNG cannot shrink while decoding"


def test_paths_bytes_and_file_objects(tmp_path, ramp):
    path = tmp_path / "sketch.png"
    path.write_bytes(encoded(Image.fromarray(ramp)))
    with path.open("rb") as opened:
        for source in (path, str(path), path.read_bytes(), opened):
            np.testing.assert_array_equal(np.asarray(read_image(source)), ramp)


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    bomb = tmp_path / "bomb.png"
    Image.new("1", (9000, 9000)).save(bomb)
    with pytest.raises(
        ImageProblem, match=r"bomb\.png: oversized: 9000 x 9000 is 81\.0 megapixels, the limit is 50\.0"
    ):
        read_image(bomb)
    with pytest.raises(ImageProblem, match="oversized"):
        read_image(bomb, max_pixels=80_999_999)
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(ImageProblem, match="oversized"):
        read_image(encoded(Image.new("1", (10_000, 9_000))))
    with pytest.raises(ImageProblem, match="oversized"):
        read_image(encoded(Image.new("1", (20_000, 9_000))))


@pytest.mark.parametrize("fmt", ["PNG", "JPEG"])
def test_truncated_files_are_refused_by_name(tmp_path, colours, fmt):
    large = np.kron(colours, np.ones((8, 8, 1), dtype=np.uint8))
    data = encoded(Image.fromarray(large), fmt)
    path = tmp_path / "half.img"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageProblem, match=r"half\.img: truncated") as caught:
        read_image(path)
    assert caught.value.name == str(path)
    assert caught.value.reason.startswith("truncated")


def test_what_is_no_image_is_refused(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not a picture")
    with pytest.raises(ImageProblem, match=r"notes\.png: unreadable: not an image in any of the formats JPEG, PNG"):
        read_image(path)
    with pytest.raises(ImageProblem, match="<0 bytes>: unreadable"):
        read_image(b"")
    with pytest.raises(ImageProblem, match=r"absent\.png: missing"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ImageProblem, match="unreadable"):
        read_image(tmp_path)


def test_postscript_is_never_interpreted():
    with pytest.raises(ImageProblem, match="unreadable"):
        read_image(encoded(Image.new("L", (4, 4)), "EPS"))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_pixels_have_no_8_bit_meaning(dtype):
    with pytest.raises(ImageProblem, match="unsupported: 32-bit pixels"):
        read_image(encoded(Image.fromarray(np.ones((4, 4), dtype=dtype)), "TIFF"))


@pytest.mark.filterwarnings("ignore:Tag data larger:UserWarning")
def test_mutated_files_are_read_or_refused_and_never_crash(colours):
    rng = np.random.default_rng(1)
    large = Image.fromarray(np.kron(colours, np.ones((3, 3, 1), dtype=np.uint8)))
    outcomes = set()
    for data in (encoded(large), encoded(large, "JPEG"), encoded(large, "GIF"), encoded(large.convert("P"), "TIFF")):
        for _ in range(60):
            damaged = bytearray(data)
            for position in rng.integers(0, len(data), 6):
                damaged[position] = rng.integers(256)
            try:
                outcomes.add(read_image(bytes(damaged)).mode)
            except ImageProblem:
                outcomes.add("refused")
    assert outcomes >= {"RGB", "refused"}


def test_the_problem_survives_pickling_and_a_workers_re_raise():
    problem = pickle.loads(pickle.dumps(ImageProblem("a.png", "truncated: 3 bytes")))
    assert (problem.name, problem.reason, str(problem)) == ("a.png", "truncated: 3 bytes", "a.png: truncated: 3 bytes")
    assert "a.png" in str(ImageProblem("Caught ImageProblem in worker 0 ... a.png"))
