"""SVG drawings as strokes: where their lines go, what is left out, and what is refused."""

import time

import numpy as np
import pytest

from hybrid_sbir.data.strokes import StrokeProblem
from hybrid_sbir.search.svg import TOLERANCE, svg_strokes
from hybrid_sbir.search.svg_guard import MAX_BYTES, MAX_ELEMENTS, SvgProblem

FRAME = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 100 100" '
    'stroke="black" fill="none">{}</svg>'
)


def strokes(inner):
    return svg_strokes(FRAME.format(inner).encode())


def distance_to_lines(points, stroke):
    """From each of (2, P) to the nearest line of a stroke (2, L)."""
    start, step = stroke[:, :-1, None], np.diff(stroke)[:, :, None]
    length = (step**2).sum(0)
    share = np.divide(
        ((points[:, None] - start) * step).sum(0), length, out=np.zeros_like(length + points[0]), where=length > 0
    )
    nearest = start + np.clip(share, 0, 1) * step
    return np.sqrt(((points[:, None] - nearest) ** 2).sum(0)).min(0)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ('<line x1="1" y1="2" x2="30" y2="40"/>', [[1, 30], [2, 40]]),
        ('<polyline points="0,0 10,5 20,0"/>', [[0, 10, 20], [0, 5, 0]]),
        ('<polygon points="0,0 10,5 20,0"/>', [[0, 10, 20, 0], [0, 5, 0, 0]]),
        ('<rect x="10" y="20" width="30" height="40"/>', [[10, 40, 40, 10, 10], [20, 20, 60, 60, 20]]),
        ('<path d="M1 1h8v8l-4-4z"/>', [[1, 9, 9, 5, 1], [1, 1, 9, 5, 1]]),
        ('<g transform="translate(10,0)"><line transform="scale(2)" x2="5" y2="5"/></g>', [[10, 20], [0, 10]]),
        ('<line x2="10" y2="0" transform="rotate(90)"/>', [[0, 0], [0, 10]]),
        ('<line x2="10" y2="0" transform="matrix(0 1 -1 0 5 5)"/>', [[5, 5], [5, 15]]),
        ('<defs><line id="l" x2="9"/></defs><use href="#l" x="1" y="2"/>', [[1, 10], [2, 2]]),
        ('<line id="l" x2="9" visibility="hidden"/><line x2="4"/>', [[0, 4], [0, 0]]),
        ('<polygon stroke="none" fill="red" points="0,0 10,5 20,0"/>', [[0, 10, 20, 0], [0, 5, 0, 0]]),
    ],
)  # fmt: skip
def test_straight_shapes_are_their_corners(inner, expected):
    found = strokes(inner)
    assert len(found) == 1
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_the_view_box_scales_and_shifts():
    line = b'<line x1="10" y1="10" x2="30" y2="20" stroke="red"/>'
    content = b'<svg viewBox="10 10 20 20" width="200" height="200">%b</svg>'
    np.testing.assert_allclose(svg_strokes(content % line)[0], [[0, 200], [0, 100]], atol=1e-6)


CURVES = {
    "cubic": ("M10 50 C 10 -40, 90 140, 90 50", None),
    "quadratic": ("M10 50 Q 50 -40 90 50", None),
    "smooth": ("M10 50 C 10 20 40 20 50 50 S 90 80 90 50", None),
    "smooth quadratic": ("M10 50 Q 30 0 50 50 T 90 50", None),
    "arc": ("M10 50 A 40 20 30 1 0 90 60", None),
    "small arc": ("M10 50 a 50 50 0 0 1 60 10", None),
}


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_no_farther_off_than_stated(name):
    from svgelements import Path

    path = CURVES[name][0]
    (found,) = strokes(f'<path d="{path}"/>')
    exact = np.concatenate([segment.npoint(np.linspace(0, 1, 500)).T for segment in list(Path(path))[1:]], axis=1)
    extent = np.ptp(exact, axis=1).max()
    assert distance_to_lines(exact, found).max() <= extent * TOLERANCE * 1.01
    assert distance_to_lines(exact, found[:, ::2]).max() > extent * TOLERANCE, "half of the points would do"


@pytest.mark.parametrize(
    ("shape", "radius"),
    [('<circle cx="50" cy="50" r="30"/>', (30, 30)), ('<ellipse cx="50" cy="50" rx="40" ry="10"/>', (40, 10))],
)
def test_round_shapes_are_closed_and_round(shape, radius):
    (found,) = strokes(shape)
    unit = (found - 50) / np.array(radius)[:, None]
    np.testing.assert_allclose(np.linalg.norm(unit, axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 0], found[:, -1], atol=1e-6)


def test_a_path_of_two_parts_is_two_strokes():
    assert [stroke.shape for stroke in strokes('<path d="M0 0 L5 5 M10 10 L20 20 L30 10"/>')] == [(2, 2), (2, 3)]


@pytest.mark.parametrize(
    "paper",
    [
        '<rect width="100" height="100" fill="white" stroke="none"/>',
        '<rect width="100%" height="100%" fill="#eee" stroke="none"/>',
    ],
)
def test_the_paper_is_not_drawn(paper):
    assert [stroke.shape for stroke in strokes(f'{paper}<line x2="9" y2="9"/>')] == [(2, 2)]


def test_white_ink_on_dark_paper_is_drawn_and_on_white_it_is_not():
    dark = '<rect width="100" height="100" fill="black" stroke="none"/><line x2="9" y2="9" stroke="white"/>'
    assert len(strokes(dark)) == 1
    with pytest.raises(StrokeProblem, match="nothing is drawn"):
        strokes('<line x2="9" y2="9" stroke="white"/>')


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<text>cat</text>",
        '<image href="file:///etc/passwd" width="9" height="9"/>',
        '<line x2="9" style="display:none"/>',
        '<line x2="9" stroke="none"/>',
        '<defs><line x2="9"/></defs>',
        '<line x2="9" opacity="0"/>',
    ],
)
def test_where_nothing_is_drawn_it_is_said(inner):
    with pytest.raises(StrokeProblem, match="nothing is drawn"):
        strokes(inner)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>', "DOCTYPE"),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://example.org/svg11.dtd"><svg/>', "DOCTYPE"),
        (b"<svg>&undefined;</svg>", "no whole XML"),
        (b"<svg", "no whole XML"),
        (b"<html/>", "not <svg>"),
        (b"<svg>" + b"<g>" * 100 + b"</g>" * 100 + b"</svg>", "deep"),
        (b"<svg>" + b"<g/>" * (MAX_ELEMENTS + 1) + b"</svg>", "elements"),
        (b'<svg><use href="other.svg#a"/></svg>', "outside of itself"),
        (b'<svg><use href="http://localhost/a.svg#a"/></svg>', "outside of itself"),
        (b'<svg><g id="a"><use href="#a"/></g></svg>', "repeats what it lies in"),
        (b'<svg><line x2="9" stroke="' + b"r" * 3000 + b'"/></svg>', "letters"),
        (b"<svg><style>" + b"a{b:c}" * 20_000 + b"</style></svg>", "style sheet"),
        (b"<svg>" + b" " * MAX_BYTES + b"</svg>", "the limit is"),
        (b'<svg><circle r="1e300" stroke="red"/></svg>', "too large|understood|beyond"),
    ],
)
def test_what_costs_or_reveals_more_than_a_drawing_is_refused(content, words):
    with pytest.raises((SvgProblem, StrokeProblem), match=words):
        svg_strokes(content)


def test_an_encoding_that_there_is_not_is_refused():
    with pytest.raises(SvgProblem, match="no whole XML: unknown encoding"):
        svg_strokes(b'<?xml version="1.0" encoding="xx"?><svg><path d="M0 0L1 1"/></svg>')


@pytest.mark.filterwarnings("error")
def test_what_is_beyond_all_numbers_is_refused_without_a_warning():
    with pytest.raises(SvgProblem, match="not finite or too large"):
        strokes('<path stroke="red" d="M1e308 1 L-1e308 1"/>')


def test_uses_that_multiply_are_counted_and_not_expanded():
    layers = "".join(f'<g id="a{n}">' + f'<use href="#a{n - 1}"/>' * 10 + "</g>" for n in range(1, 30))
    with pytest.raises(SvgProblem, match="repeats it has"):
        strokes(f'<line id="a0" x2="1"/>{layers}')


MANY = b'<path d="M1 1h1" stroke="red" class="a"/>' * 9000


@pytest.mark.parametrize(
    "content",
    [
        b'<path d="M0 0' + b"h1" * 900_000 + b'"/>',
        b'<polyline points="' + b"1 " * 200_000 + b'"/>',
        b'<g transform="' + b"rotate(1)" * 200 + b'">' + MANY + b"</g>",
        b"<style>" + b".a{" * 2000 + b"</style>" + MANY,
        b"<style>.a{" + b"fill:red;" * 900 + b"}</style>" + MANY,
    ],
    ids=["commands", "numbers", "transforms", "braces", "rules"],
)
def test_what_would_take_long_to_read_is_refused_at_once(content):
    start = time.process_time()
    with pytest.raises(SvgProblem, match=r"simplify|leave it out"):
        svg_strokes(b"<svg>" + content + b"</svg>")
    assert time.process_time() - start < 3


def test_a_long_chain_of_uses_is_refused():
    chain = "".join(f'<g id="a{n}"><use href="#a{n - 1}"/></g>' for n in range(1, 90))
    with pytest.raises(SvgProblem, match="deep"):
        strokes(f'<line id="a0" x2="1"/>{chain}')


def test_a_curve_of_too_many_points_is_refused():
    wild = "".join(f"C {x} {-(10**5)} {x} {10**5} {x} 0 " for x in range(2000))
    with pytest.raises(StrokeProblem, match="points"):
        strokes(f'<path d="M0 0 {wild}"/>')
