"""Strokes in QuickDraw's forms, and what is none."""

import json

import numpy as np
import pytest

from hybrid_sbir.data.strokes import StrokeProblem, parse_simplified
from hybrid_sbir.search.drawing import MAX_BYTES, MAX_POINTS, MAX_STROKES, as_drawing, parse_drawing

STROKES = [[[0, 255, 255], [0, 0, 128]], [[10], [20]]]


def same(left, right):
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(
    "content",
    [
        STROKES,
        {"drawing": STROKES},
        {"strokes": STROKES, "k": 5},
        {"word": "cat", "drawing": [[*stroke, list(range(len(stroke[0])))] for stroke in STROKES]},
        [[[*stroke[0]], [*stroke[1]], [0.5] * len(stroke[0])] for stroke in STROKES],
    ],
    ids=["lists", "drawing", "strokes", "raw", "times"],
)
def test_every_form_gives_the_strokes_of_the_simplified_one(content):
    expected = parse_simplified(json.dumps({"drawing": STROKES}))
    assert same(as_drawing(content), expected)
    assert same(parse_drawing(json.dumps(content)), expected)
    assert same(parse_drawing(json.dumps(content).encode() + b"\n"), expected)


def test_floats_and_arrays_are_strokes_too():
    given = [np.array([[0.25, 1.5], [2, 3]]), np.array([[1, 2], [3, 4], [0, 9]], np.int16)]
    assert same(as_drawing(given), [given[0], given[1][:2]])
    assert as_drawing(given)[1].dtype == np.float64


def test_a_stroke_without_points_is_left_out():
    assert same(as_drawing([[[], []], [[1], [2]]]), [np.array([[1.0], [2.0]])])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "nothing is drawn"),
        ([[[], []]], "nothing is drawn"),
        ({"word": "cat"}, "no strokes"),
        ("strokes", "no strokes"),
        ([[1, 2], [3, 4]], "stroke 1 is not"),
        ([[[1, 2], [3]]], "2 x, 1 y"),
        ([[[1], [2], [3], [4]]], "stroke 1 is not"),
        ([[["a"], ["b"]]], "no number"),
        ([[[True], [False]]], "no number"),
        ([[[1], [10**400]]], "no number"),
        ([[[[1]], [[2]]]], "no number"),
        ([[[1e9], [0]]], "beyond"),
        ([[[float("nan")], [0]]], "not finite"),
        ([[[0], [0]]] * (MAX_STROKES + 1), "the limit is"),
        ([[[0] * (MAX_POINTS // 2 + 1)] * 2] * 2, "leave out points"),
        ([np.zeros((3, 4, 5))], "no number"),
        (None, "no strokes"),
    ],
)
def test_what_is_no_drawing_is_refused_in_words(content, words):
    with pytest.raises(StrokeProblem, match=words):
        as_drawing(content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[", "no JSON of strokes"),
        ("[" * 100_000, "no JSON of strokes"),
        (b"\xff\xfe[", "no JSON of strokes"),
        (json.dumps(STROKES) + "\n" + json.dumps(STROKES), "more than one drawing"),
        (b"[" + b" " * MAX_BYTES, "the limit is"),
        ("[[[NaN], [0]]]", "not finite"),
    ],
)
def test_what_is_no_json_of_strokes_is_refused_in_words(text, words):
    with pytest.raises(StrokeProblem, match=words):
        parse_drawing(text)
