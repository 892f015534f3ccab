"""What lies behind an object: studio, table, surface from above, landscape, blurred clutter.

Shapes: S side in pixels; pictures (S, S, 3) float32 in [0, 1].
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from hybrid_sbir.data.embedded.palette import oklch
from hybrid_sbir.data.embedded.texture import band, cloudy, coordinates, grain, noise, ramp, stretched

KINDS = ("studio", "table", "above", "landscape", "clutter")


@dataclass(frozen=True)
class Backdrop:
    """A background and whether the object stands in front of it (its shadow falls on a floor) or lies on it."""

    image: np.ndarray
    standing: bool


def draw_backdrop(rng: np.random.Generator, ground: np.ndarray, foot: float, side: int) -> Backdrop:
    """A random background.

    Args:
        rng: chooses everything.
        ground: three colours from far to near, (3, 3).
        foot: the object's lowest point, 0 top to 1 bottom; a horizon lies above it where it can.
        side: S.
    """
    kind = str(rng.choice(KINDS))
    horizon = float(np.clip(foot - rng.uniform(0.04, 0.4), 0.3, 0.82))
    if kind == "table":
        image = _table(rng, ground, horizon, side)
    elif kind == "landscape":
        image = _landscape(rng, ground, horizon, side)
    else:
        image = {"studio": _studio, "above": _above, "clutter": _clutter}[kind](rng, ground, side)
    return Backdrop(np.clip(image, 0, 1), kind in ("table", "landscape"))


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    return first + (second - first) * share[..., None]


def _studio(rng: np.random.Generator, ground: np.ndarray, side: int) -> np.ndarray:
    x, y = coordinates(side)
    cx, cy = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.7)
    away = (x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2
    glow = np.clip(1.15 - np.float32(rng.uniform(1.0, 2.2)) * away + 0.05 * cloudy(rng, side, 3), 0, 1.2)
    return _mix(ground[2], ground[0], glow)


def _floor(rng: np.random.Generator, colour: np.ndarray, u: np.ndarray, v: np.ndarray, side: int) -> np.ndarray:
    """A textured plane in its own coordinates (S, S): planks, tiles, cloth, stone or plain."""
    u, v = np.broadcast_to(u, (side, side)), np.broadcast_to(v, (side, side))
    kind, count = rng.choice(["planks", "tiles", "cloth", "stone", "plain"]), int(rng.integers(4, 9))
    tints = rng.uniform(-0.1, 0.1, 997).astype(np.float32)
    if kind == "planks":
        row = np.floor(count * v).astype(np.int64)
        joint = np.maximum(band(count * v + 0.5, 0.05, 0.06), band(1.3 * u + 0.37 * row, 0.015, 0.015))
        shade = 1 + tints[row % 997] + 0.1 * grain(rng, side) - 0.45 * joint
    elif kind == "tiles":
        row, column = np.floor(count * v).astype(np.int64), np.floor(count * u).astype(np.int64)
        joint = np.maximum(band(count * v + 0.5, 0.05, 0.05), band(count * u + 0.5, 0.05, 0.05))
        checked = rng.choice([0.0, 0.16]) * ((row + column) % 2)
        shade = 1 - checked + 0.4 * tints[(31 * row + column) % 997] + 0.04 * cloudy(rng, side, 5) - 0.25 * joint
    elif kind == "cloth":
        stripe = rng.choice([0.0, 0.14]) * (band(count * u, 0.4, 0.1) + band(count * v, 0.4, 0.1))
        shade = 1 + 0.08 * (ramp(30 * u) + ramp(30 * v) - 1) + 0.06 * cloudy(rng, side, 4) - stripe
    elif kind == "stone":
        shade = 1 + 0.14 * cloudy(rng, side, 6) + 0.08 * noise(rng, side, 50)
    else:
        shade = 1 + 0.04 * cloudy(rng, side, 4)
    return np.clip(colour * shade[..., None].astype(np.float32), 0, 1)


def _above(rng: np.random.Generator, ground: np.ndarray, side: int) -> np.ndarray:
    x, y = coordinates(side)
    slant = np.float32(rng.uniform(-0.6, 0.6))
    plane = _floor(rng, ground[1], x + slant * y, y - slant * x, side)
    lit = 1 + np.float32(rng.uniform(-0.25, 0.25)) * (x - 0.5) + np.float32(rng.uniform(-0.25, 0.25)) * (y - 0.5)
    return plane * lit[..., None]


def _table(rng: np.random.Generator, ground: np.ndarray, horizon: float, side: int) -> np.ndarray:
    x, y = coordinates(side)
    edge = horizon
    wall = _mix(ground[0], ground[1], np.broadcast_to(np.clip(y / edge + 0.2 * (x - 0.5), 0, 1), (side, side)))
    if rng.random() < 0.3:
        stripes = band(np.float32(rng.uniform(5, 12)) * x, 0.5, 0.12) * np.float32(rng.uniform(0.03, 0.1))
        wall = wall * (1 - np.broadcast_to(stripes, (side, side))[..., None])
    depth = 0.55 / (np.maximum(y - edge, 0) + 0.3)
    plane = _floor(rng, ground[2], (x - 0.5) * depth + 3, depth * 1.6, side)
    plane = plane * (0.85 + 0.3 * np.maximum(y - edge, 0))[..., None]
    return _mix(wall, plane, np.broadcast_to(np.clip((y - edge) * 60, 0, 1), (side, side)))


def _landscape(rng: np.random.Generator, ground: np.ndarray, horizon: float, side: int) -> np.ndarray:
    _, y = coordinates(side)
    hue, day = rng.uniform(0.55, 0.72), rng.random() < 0.75
    top = (
        oklch(rng.uniform(0.6, 0.8), 0.09, hue) if day else oklch(rng.uniform(0.45, 0.65), 0.1, rng.uniform(0.75, 1.05))
    )
    low = oklch(rng.uniform(0.86, 0.95), 0.04, hue if day else rng.uniform(0.08, 0.2))
    sky = _mix(top, low, np.broadcast_to(np.clip(1.6 * y, 0, 1), (side, side)))
    clouds = np.clip(2.2 * (cloudy(rng, side, int(rng.integers(2, 5))) - 0.12), 0, 1) * np.clip(1 - 1.5 * y, 0, 1)
    image = _mix(sky, oklch(0.98, 0.005, 0.7), 0.8 * clouds)
    hills, greens = int(rng.integers(2, 4)), rng.uniform(0.27, 0.42)
    level = horizon - 0.13 * (hills - 1)
    for depth in range(hills):
        ridge = (
            np.float32(level + 0.13 * depth)
            + np.float32(0.09 - 0.02 * depth) * stretched(rng.uniform(-1, 1, (1, 6)), side)[:1]
        )
        colour = oklch(0.74 - 0.09 * depth, 0.04 + 0.025 * depth, greens + 0.04 * (2 - depth))
        colour = 0.65 * colour + 0.35 * ground[depth]
        tint = np.clip(colour * (1 + 0.1 * cloudy(rng, side, 8) + 0.05 * noise(rng, side, 60))[..., None], 0, 1)
        image = image + (tint - image) * np.clip((y - ridge) * 50, 0, 1)[..., None]
    return image


def _clutter(rng: np.random.Generator, ground: np.ndarray, side: int) -> np.ndarray:
    """Shapes far out of focus; drawn small and blown up, which blurs them."""
    small = 96
    picture = Image.fromarray((255 * ground[1] * np.ones((small, small, 1))).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    hue = rng.uniform(0, 1)
    for _ in range(int(rng.integers(6, 16))):
        x, y, w, h = rng.uniform(-10, small + 10), rng.uniform(-10, small + 10), *rng.uniform(8, 40, 2)
        colour = oklch(rng.uniform(0.35, 0.9), rng.uniform(0.02, 0.12), hue + rng.uniform(-0.2, 0.2))
        fill = tuple(int(v) for v in 255 * (0.6 * colour + 0.4 * ground[int(rng.integers(3))]))
        if rng.random() < 0.5:
            draw.ellipse([x - h / 2, y - h / 2, x + h / 2, y + h / 2], fill=fill)
        else:
            draw.polygon(
                [(x - w / 2, y - h), (x + w / 2, y - h * 0.9), (x + w / 2, y + h), (x - w / 2, y + h * 0.9)], fill=fill
            )
    coarse = picture.resize((int(rng.integers(14, 26)),) * 2, Image.Resampling.BOX).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    return np.asarray(coarse, dtype=np.float32) / 255
