"""Fruit and mushrooms, each with sub-types and free proportions (coordinates: geometry.py)."""

import numpy as np

from hybrid_sbir.data.embedded.geometry import curve, ellipse, mirrored, moved, thick, turned
from hybrid_sbir.data.embedded.parts import Part, Shape, area, leaflet, line


def _stalk(rng: np.random.Generator, top: float, length: float) -> Part:
    """The short stem of an apple or a pear."""
    lean = rng.uniform(-0.18, 0.18)
    centre = curve([(0, top), (0.3 * lean, top - 0.5 * length), (lean, top - length)])
    return area(thick(centre, [0.03, 0.035, rng.uniform(0.04, 0.06)]), "dark", detail=0.12)


def apple(rng: np.random.Generator) -> Shape:
    """Whole, bitten or cut in half."""
    wide, waist, dip = rng.uniform(0.74, 0.88), rng.uniform(0.85, 1.1), rng.uniform(0.1, 0.2)
    half = [(0, dip - 0.68), (0.3 * wide, -0.74), (0.72 * wide, -0.62), (wide, -0.1), (0.82 * wide * waist, 0.45)]
    body = mirrored([*half, (0.42 * wide * waist, 0.8), (0.16, 0.82), (0, 0.75)])
    kind = rng.choice(["whole", "bitten", "cut"], p=[0.65, 0.2, 0.15])
    parts = [_stalk(rng, dip - 0.6, rng.uniform(0.25, 0.45))]
    if kind == "bitten":
        side, height, radius = rng.choice([-1.0, 1.0]), rng.uniform(-0.25, 0.3), rng.uniform(0.3, 0.42)
        centre = np.array([side * (wide + 0.12), height])
        offset = body - centre
        distance = np.sqrt((offset * offset).sum(axis=1, keepdims=True))
        body = np.where(distance < radius, centre + offset * radius / distance, body)
    parts.append(area(body))
    if kind == "cut":
        parts += [area(moved(0.87 * body, 0, 0.01), "light"), area(ellipse(0, 0.05, 0.24, 0.34), "second", detail=0.3)]
        seed = ellipse(0.0, 0.05, 0.05, 0.11)
        parts += [area(moved(turned(seed, side * 0.35), side * 0.11, 0), "dark", detail=0.15) for side in (-1.0, 1.0)]
    else:
        parts.append(line(curve([(-0.26, dip - 0.6), (0, dip - 0.52), (0.26, dip - 0.6)]), width=0.03, detail=0.3))
    if rng.random() < 0.6:
        parts += leaflet(0, dip - 0.72, rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.18), rng.uniform(-0.7, 0.1))
    return Shape(parts, spin=0.35)


def pear(rng: np.random.Generator) -> Shape:
    """Slim or stout, upright or leaning, sometimes cut."""
    belly, neck, lean = rng.uniform(0.52, 0.68), rng.uniform(0.2, 0.32), rng.uniform(-0.14, 0.14)
    half = [(0, -0.82), (neck * 0.8, -0.72), (neck, -0.4), (0.7 * belly, 0.0), (belly, 0.42), (0.68 * belly, 0.78)]
    body = mirrored([*half, (0.2 * belly, 0.9), (0, 0.89)])
    body = body + np.stack([-lean * body[:, 1], 0 * body[:, 1]], axis=1)
    stalk = _stalk(rng, -0.76, rng.uniform(0.22, 0.4))
    parts = [stalk.moved(0.8 * lean, 0), area(body)]
    if rng.random() < 0.2:
        parts += [area(moved(0.86 * body, 0, 0.04), "light"), area(ellipse(0, 0.4, 0.2, 0.27), "second", detail=0.3)]
        parts += [area(ellipse(x, 0.4, 0.045, 0.1), "dark", detail=0.2) for x in (-0.09, 0.09)]
    elif rng.random() < 0.5:
        parts.append(line(curve([(-0.06, 0.8), (0, 0.76), (0.07, 0.8)]), width=0.04, detail=0.3))
    if rng.random() < 0.5:
        parts += leaflet(lean, -0.85, rng.uniform(0.35, 0.55), rng.uniform(0.1, 0.17), rng.uniform(-0.5, 0.3))
    return Shape(parts, spin=0.4)


def banana(rng: np.random.Generator) -> Shape:
    """One to three fingers of a bunch, more or less bent."""
    bend, fat = rng.uniform(0.35, 0.7), rng.uniform(0.15, 0.24)
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))
    parts: list[Part] = []
    for finger in range(count):
        swing = (finger - (count - 1) / 2) * rng.uniform(0.22, 0.34)
        middle = curve(
            [(-0.95, -bend * 0.7), (-0.55, 0.05), (0, bend * 0.55), (0.5, 0.2), (0.86, -bend * 0.45)], steps=9
        )
        middle = turned(middle, -swing, (-0.95, -bend * 0.7))
        body = thick(middle, [0.05, 0.055, 0.7 * fat, fat, fat, 0.95 * fat, 0.7 * fat, 0.07])
        tip, stem = thick(middle[-4:], [0.09, 0.045]), thick(middle[:5], [0.06, 0.055])
        ridge = moved(middle[7:-5], 0.0, rng.uniform(-0.06, 0.05))
        parts += [area(body), area(tip, "dark", detail=0.2), area(stem, "dark", detail=0.2)]
        parts.append(line(ridge, width=0.025, detail=0.3))
    return Shape(parts, spin=1.2)


def mushroom(rng: np.random.Generator) -> Shape:
    """Domed, pointed or flat, with spots or a skirt; sometimes a small one beside it."""
    parts: list[Part] = []
    if rng.random() < 0.3:
        parts += [part.scaled(0.5).moved(0.62, 0.42) for part in _toadstool(rng)]
    return Shape(parts + _toadstool(rng), spin=0.3)


def _toadstool(rng: np.random.Generator) -> list[Part]:
    wide, tall, rim = rng.uniform(0.55, 0.85), rng.uniform(0.5, 0.85), rng.uniform(0.06, 0.14)
    thin, foot = rng.uniform(0.13, 0.24), rng.uniform(1.0, 1.6)
    stem = mirrored(
        curve([(thin, -0.15), (0.9 * thin, 0.4), (foot * thin, 0.85), (0.5 * foot * thin, 0.92)]), smooth=False
    )
    parts = [area(stem, "light")]
    if rng.random() < 0.4:
        parts.append(area(mirrored([(thin * 0.95, 0.12), (thin * 1.5, 0.3)], smooth=False), "light", detail=0.3))
    under = ellipse(0, -0.08, wide * 0.96, rim)
    dome = curve(
        [
            (-wide, -0.08),
            (-0.86 * wide, -0.08 - 0.6 * tall),
            (0, -0.08 - tall),
            (0.86 * wide, -0.08 - 0.6 * tall),
            (wide, -0.08),
        ]
    )
    parts += [area(under, "second", detail=0.1)]
    parts += [area(np.concatenate([dome, ellipse(0, -0.08, wide, rim * 0.6, 0.0, 0.5)]))]
    if rng.random() < 0.65:
        for x, y, r in [
            (-0.5, -0.32, 0.1),
            (0.06, -0.55, 0.13),
            (0.5, -0.3, 0.09),
            (-0.14, -0.2, 0.07),
            (0.2, -0.22, 0.06),
        ]:
            r *= rng.uniform(0.7, 1.3)
            spot = ellipse((x + rng.uniform(-0.06, 0.06)) * wide, y * tall - 0.08, r, 0.8 * r)
            parts.append(area(spot, "light", detail=0.25))
    return parts
