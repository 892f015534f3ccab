"""Patterns on a grid of pixels: smooth noise, stripes, wood, cloth, planks.

Every random number is drawn on a grid of fixed size, so that a picture is the same at every resolution; and only
arithmetic touches the pixels, so that it is the same on every machine.
Shapes: S side of the grid in pixels; all results (S, S) float32.
"""

import numpy as np
from PIL import Image

Grid = np.ndarray


def coordinates(side: int) -> tuple[Grid, Grid]:
    """The x and y of the pixels' centres in [0, 1], as (1, S) and (S, 1)."""
    line = ((np.arange(side) + 0.5) / side).astype(np.float32)
    return line[None, :], line[:, None]


def stretched(values: Grid, side: int) -> Grid:
    """A coarse grid blown up smoothly."""
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))


def noise(rng: np.random.Generator, side: int, across: int, down: int | None = None) -> Grid:
    """Smooth noise around 0, about within [-1, 1], with so many bumps across and down."""
    return stretched(2 * rng.random((down or across, across), dtype=np.float32) - 1, side)


def cloudy(rng: np.random.Generator, side: int, bumps: int) -> Grid:
    """Noise of three octaves, about within [-1, 1]."""
    return (
        0.6 * noise(rng, side, bumps) + 0.3 * noise(rng, side, 2 * bumps + 1) + 0.15 * noise(rng, side, 4 * bumps + 1)
    )


def ramp(position: Grid) -> Grid:
    """A triangle wave of period 1 between 0 and 1."""
    return np.abs(2 * (position - np.floor(position)) - 1)


def band(position: Grid, share: float, soft: float) -> Grid:
    """Stripes of period 1 that cover a share of it, with edges so soft."""
    return np.clip((ramp(position) - (1 - share)) / soft + 0.5, 0, 1)


def grain(rng: np.random.Generator, side: int) -> Grid:
    """Wood grain that runs across, about within [-1, 1]."""
    return 0.6 * noise(rng, side, 5, 60) + 0.3 * noise(rng, side, 9, 110) + 0.3 * noise(rng, side, 3, 9)


def surface(rng: np.random.Generator, u: Grid, v: Grid, side: int) -> tuple[Grid, Grid]:
    """What an object is made of: how much lighter or darker each point is, and how far its hue gives way to white.

    Args:
        rng: chooses the kind and its scale.
        u: the object's own coordinate across, (S, S).
        v: the object's own coordinate down, (S, S).
        side: S.

    Returns:
        Factor on the brightness, around 1, and mixing share of the second colour in [0, 1], both (S, S).
    """
    none = np.zeros((side, side), np.float32)
    kind = rng.choice(["plain", "mottled", "stripes", "wood", "cloth", "speckled", "faded", "dots"])
    strength = np.float32(rng.uniform(0.3, 1.0))
    pitch, slant = np.float32(rng.uniform(4, 11)), np.float32(rng.uniform(-1, 1))
    if kind == "mottled":
        return 1 + 0.25 * strength * cloudy(rng, side, int(rng.integers(4, 9))), none
    if kind == "stripes":
        return 1 + none, strength * band(pitch * (u + slant * v) + 0.3 * noise(rng, side, 4), 0.45, 0.15)
    if kind == "wood":
        rings = ramp(pitch * 0.8 * (u + 0.15 * slant * v) + 0.9 * noise(rng, side, 2, 6))
        return 1 + strength * (0.22 * (rings - 0.5) + 0.12 * grain(rng, side)), none
    if kind == "cloth":
        weave = ramp(3.5 * pitch * u) * ramp(3.5 * pitch * v)
        return 1 + strength * (0.35 * (weave - 0.25) + 0.12 * cloudy(rng, side, 6)), none
    if kind == "speckled":
        return 1 + none, 0.8 * strength * np.clip(4 * (noise(rng, side, 40) - 0.45), 0, 1)
    if kind == "faded":
        return 1 + none, np.clip(0.5 + 1.1 * (v + slant * u) + 0.1 * noise(rng, side, 5), 0, 1) * strength
    if kind == "dots":
        away = (ramp(pitch * u) ** 2 + ramp(pitch * v) ** 2).astype(np.float32)
        return 1 + none, strength * np.clip((0.35 - away) / 0.12, 0, 1)
    return 1 + 0.06 * strength * noise(rng, side, 7), none
