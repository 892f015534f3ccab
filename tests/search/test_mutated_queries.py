"""Sketch files with bytes changed, cut out or put in: an image comes out, or words; never anything else."""

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hybrid_sbir.search.query import MAX_PIXELS, sketch_image
from tests.search.sketching import circle

SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="50%" fill="none">'
    b'<style>.a{stroke:#f00;fill:none}</style><defs><g id="g"><circle r="9" class="a"/></g></defs>'
    b'<rect width="100" height="100" fill="#fff"/><use href="#g" transform="translate(20 20) rotate(30)"/>'
    b'<path d="M10 10 C 20 20, 40 20, 50 10 S 80 0 90 30 Q 100 40 120 10 T 150 20 A 30 50 20 1 0 60 90 z"'
    b' stroke="black"/>'
    b'<polyline points="0,0 10,10 20,0" style="stroke:blue"/>'
    b'<ellipse cx="5" cy="5" rx="3" ry="2" stroke="rgb(1,2,3)"/></svg>'
)
JSON = json.dumps({"word": "cat", "drawing": [[[0, 255, 255], [0, 0, 128], [0, 5, 9]], [[10.5], [20], [30]]]}).encode()
PIECES = [
    b"<", b">", b'"', b"0", b"-", b"1e999", b"1e300", b"NaN", b"null", b"[", b"]", b"{", b"}", b",", b"\x00", b"\xff",
    b"%", b"#", b"<g>", b"</g>", b"<use href='#g'/>", b"transform='scale(0)'", b"matrix(1,2,3)", b"<!DOCTYPE a>", b"z",
    b"A 0 0 0 0 0 0 0", b"M", b"e", b"9" * 400, b"viewBox='0 0 0 0'", b"width='0'", b"<text>a</text>", b"&amp;", b"&x;",
]  # fmt: skip


def encoded(kind, **options):
    buffer = io.BytesIO()
    circle().convert("P" if kind == "GIF" else "L").save(buffer, kind, **options)
    return buffer.getvalue()


FILES = [SVG, SVG, JSON, *(encoded(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"))]


@st.composite
def mutated(draw):
    content = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 1, 1, 2, 8, 64]))
        content[place : place + length] = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)))
    return bytes(content)


def check(content):
    try:
        image = sketch_image(content)
    except ValueError as problem:
        assert str(problem)  # noqa: PT017 - either an image or words
        return
    assert isinstance(image, Image.Image)
    assert image.mode in ("L", "RGB")
    assert image.width * image.height <= MAX_PIXELS


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_a_hundred_mutated_files(content):
    check(content)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_a_thousand_mutated_files(content):
    check(content)
