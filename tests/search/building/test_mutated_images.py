"""Photos cut, flipped and patched at random: each is embedded or skipped with a reason, and none ends the build."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.search.building.conftest import draw

KINDS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")


def originals():
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (48, 40, 3), np.uint8))
    for kind in KINDS:
        for image in (colours, colours.convert("L"), colours.convert("P")):
            if kind not in ("JPEG", "WEBP", "PPM") or image.mode != "P":
                buffer = io.BytesIO()
                image.save(buffer, kind)
                yield buffer.getvalue()


def mutated(raw, rng):
    raw = bytearray(raw)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(raw))) if rng.random() < 0.5 else int(rng.integers(min(64, len(raw))))
        match int(rng.integers(5)):
            case 0:
                raw[at] ^= int(rng.integers(1, 256))
            case 1:
                raw[at : at + 4] = rng.bytes(4)
            case 2:
                raw[at : at + 4] = b"\xff\xff\xff\x7f"  # lengths and sides as large as can be
            case 3:
                del raw[max(at, 8) :]
            case 4:
                raw[at:at] = raw[: int(rng.integers(1, 200))]
    return bytes(raw)


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_mutated_photo_ends_a_build(index, tmp_path, photos, count):
    rng, kinds = np.random.default_rng(count), list(originals())
    for number in range(count):
        (photos / f"mutated{number:04}.jpg").write_bytes(mutated(kinds[number % len(kinds)], rng))
    code, out, error = index()
    assert code == 0, error
    rows = {
        role: [json.loads(line) for line in next((tmp_path / "index").glob(f"{role}-*")).read_text().splitlines()]
        for role in ("photos", "skipped")
    }
    assert len(rows["photos"]) + len(rows["skipped"]) == count + 13
    assert all(row["reason"].split(":")[0] in REASONS for row in rows["skipped"])
    assert len(rows["skipped"]) > count / 5, "mutations that break nothing test nothing"
    assert len(rows["photos"]) > 11
    vectors = np.load(next((tmp_path / "index").glob("vectors-*")))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert f"{len(rows['skipped']):,} skipped" in out
    assert "Warning" not in error


REASONS = {"unreadable", "truncated", "oversized", "unsupported"}


def test_a_bomb_costs_neither_time_nor_memory(index, photos, tmp_path):
    draw(photos / "a.png", 1)
    Image.new("1", (13_000, 13_000)).save(photos / "bomb.png")
    assert (photos / "bomb.png").stat().st_size < 1 << 20
    code, out, _ = index()
    assert code == 0
    assert "1 oversized" in out
    assert "169.0 megapixels, the limit is 50.0" in next((tmp_path / "index").glob("skipped-*")).read_text()
