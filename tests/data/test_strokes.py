"""QuickDraw lines parse or are refused by line; the rasteriser draws the same pictures for ever."""

import contextlib
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_sbir.data.strokes import StrokeProblem, parse_simplified, rasterize

HOUSE = [
    np.array([[0, 0, 100, 100, 0], [100, 40, 40, 100, 100]]),
    np.array([[0, 50, 100], [40, 0, 40]]),
    np.array([[70], [20]]),
]


def line(drawing, **more):
    return json.dumps({"word": "house", "key_id": "5", "recognized": True, "drawing": drawing, **more})


GOLDEN = [
    [255, 255, 255, 255, 239, 80, 48, 223, 255, 255, 255, 255],
    [255, 255, 255, 207, 48, 48, 64, 16, 191, 255, 255, 255],
    [255, 255, 159, 16, 80, 239, 255, 80, 0, 143, 255, 255],
    [255, 96, 0, 143, 255, 255, 255, 207, 112, 16, 96, 239],
    [48, 0, 32, 64, 64, 64, 64, 64, 64, 32, 0, 48],
    [0, 96, 128, 128, 128, 128, 128, 128, 128, 128, 96, 0],
    [0, 191, 255, 255, 255, 255, 255, 255, 255, 255, 191, 0],
    [0, 191, 255, 255, 255, 255, 255, 255, 255, 255, 191, 0],
    [0, 191, 255, 255, 255, 255, 255, 255, 255, 255, 191, 0],
    [0, 191, 255, 255, 255, 255, 255, 255, 255, 255, 191, 0],
    [0, 143, 191, 191, 191, 191, 191, 191, 191, 191, 143, 0],
    [16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16],
]  # fmt: skip


class TestParsing:
    @pytest.mark.parametrize("encode", [str, str.encode], ids=["str", "bytes"])
    def test_strokes(self, encode):
        strokes = parse_simplified(encode(line([[[0, 255], [3, 4]], [[7], [8]]]) + "\n"))
        assert [stroke.tolist() for stroke in strokes] == [[[0, 255], [3, 4]], [[7], [8]]]
        assert all(stroke.dtype == np.int16 for stroke in strokes)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{", "line 7: not JSON"),
            ("", "line 7: not JSON"),
            (b"\xff\xfe\x00", "line 7: not JSON"),
            ("[" * 100_000, "line 7: not JSON"),
            ("[1]", 'line 7: no strokes: expected an object with "drawing"'),
            ('{"word": "cat"}', "line 7: no strokes"),
            (line([]), "line 7: no strokes"),
            (line("zigzag"), "line 7: no strokes"),
            (line([[[1], [2]], [[1, 2], [3]]]), "line 7: stroke 2 has 2 x and 1 y; they must be as many"),
            (line([[[], []]]), "line 7: stroke 1 has 0 x and 0 y"),
            (line([[1, 2]]), r"line 7: stroke 1 is not \[\[x, ...\], \[y, ...\]\]"),
            (line([[[1], [2], [30]]]), "of the raw form: use the simplified one"),
            (line([[[1.5], [2]]]), "stroke 1 has a coordinate that is no whole number from -32768 to 32767"),
            (line([[[True], [2]]]), "no whole number"),
            (line([[[40000], [2]]]), "no whole number"),
            (line([[["1"], [2]]]), "no whole number"),
        ],
    )
    def test_bad_lines_are_refused_by_number(self, text, words):
        with pytest.raises(StrokeProblem, match=words):
            parse_simplified(text, 7)

    def test_without_a_number(self):
        with pytest.raises(StrokeProblem, match=r"^no strokes"):
            parse_simplified("{}")

    @settings(deadline=None)
    @given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(line))
    def test_any_bytes_parse_or_are_refused(self, text):
        with contextlib.suppress(StrokeProblem):
            assert all(stroke.shape[0] == 2 for stroke in parse_simplified(text))


class TestRaster:
    def test_golden_small_picture(self):
        assert rasterize(HOUSE, 12, 0.1, 0.0).tolist() == GOLDEN

    @pytest.mark.parametrize(
        ("size", "options", "digest"),
        [
            (64, {}, "9bd05f32be4397bd"),
            (224, {}, "11c91b7f0b86ce88"),
            (256, {"stroke_width": 0.01, "padding": 0.1}, "06c21115a8e8ad61"),
        ],
        ids=str,
    )
    def test_golden_digests(self, size, options, digest):
        assert hashlib.sha256(rasterize(HOUSE, size, **options).tobytes()).hexdigest()[:16] == digest

    @pytest.mark.parametrize("size", [1, 7, 28, 64, 224, 500])
    def test_black_on_white_of_the_size_asked(self, size):
        image = rasterize(HOUSE, size)
        assert (image.shape, image.dtype) == ((size, size), np.uint8)
        assert image.max() == 255 or size == 1
        assert image.min() < 128 or size < 28

    def test_edges_are_anti_aliased(self):
        assert len(np.unique(rasterize(HOUSE, 64))) > 8

    def test_place_and_scale_make_no_difference(self):
        moved = [stroke * 3 - 500 for stroke in HOUSE]
        np.testing.assert_array_equal(rasterize(HOUSE, 96), rasterize(moved, 96))
        np.testing.assert_array_equal(rasterize(HOUSE, 96), rasterize([s.astype(np.float32) / 8 for s in HOUSE], 96))

    def test_proportions_are_kept_and_the_drawing_is_centred(self):
        wide = np.array([[0, 200, 200, 0, 0], [0, 0, 50, 50, 0]])
        rows, columns = np.nonzero(rasterize([wide], 200, 0.01, 0.05) < 128)
        assert (columns.min(), columns.max()) == (10, 189)
        assert (rows.max() - rows.min()) / (columns.max() - columns.min()) == pytest.approx(0.25, abs=0.02)
        assert (rows.min() + rows.max()) / 2 == pytest.approx(99.5, abs=0.5)

    def test_nothing_is_cut_off_at_the_border(self):
        square = np.array([[0, 9, 9, 0, 0], [0, 0, 9, 9, 0]])
        for width, padding in ((0.02, 0.04), (0.2, 0.0), (0.1, 0.2)):
            dark = rasterize([square], 200, width, padding) < 128
            border = round(200 * padding)
            assert not dark[:border].any()
            assert dark[border + 1].any()
            assert dark.sum(axis=0)[100] == pytest.approx(2 * 200 * width, abs=2), "both strokes at their full width"

    def test_strokes_have_the_width_asked(self):
        for width in (0.01, 0.02, 0.05):
            column = rasterize([np.array([[0, 10], [0, 0]])], 400, width)[:, 200]
            assert (255 - column.astype(float)).sum() / 255 == pytest.approx(400 * width, abs=0.5)

    def test_one_point_is_a_round_dot(self):
        dot = rasterize([np.array([[5], [5]])], 100, 0.1) < 128
        assert dot.sum() == pytest.approx(np.pi * 25, rel=0.1)
        assert dot[50, 50]
        assert [round(float(axis.mean())) for axis in np.nonzero(dot)] == [50, 50]
        repeated = rasterize([np.array([[5, 5, 5], [5, 5, 5]])], 100, 0.1) < 128
        assert repeated.sum() == pytest.approx(np.pi * 25, rel=0.1)

    def test_an_empty_drawing_is_white(self):
        for nothing in ([], [np.zeros((2, 0))]):
            assert rasterize(nothing, 20).tolist() == [[255] * 20] * 20

    def test_joints_are_round(self):
        corner = np.array([[0, 50, 100], [100, 0, 100]])
        image = rasterize([corner], 200, 0.1, 0.1)
        assert image[21, 100] < 128, "no notch at the tip"

    @pytest.mark.parametrize(
        ("strokes", "options", "words"),
        [
            ([np.zeros((3, 2))], {}, r"must be of shape \(2, L\), x and y; got \(3, 2\)"),
            ([np.zeros(4)], {}, r"got \(4,\)"),
            ([np.array([[0, np.nan], [0, 0]])], {}, "not finite"),
            ([], {"size": 0}, "got size 0"),
            ([], {"stroke_width": 0.0}, "stroke_width 0.0"),
            ([], {"padding": 0.5}, "padding 0.5"),
            ([], {"stroke_width": 0.5, "padding": 0.3}, "between 0 and 1"),
        ],
    )
    def test_refusals(self, strokes, options, words):
        with pytest.raises(ValueError, match=words):
            rasterize(strokes, **{"size": 20, **options})
