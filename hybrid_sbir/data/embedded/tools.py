"""What one carries and uses, each with sub-types and free proportions (coordinates: geometry.py)."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from hybrid_sbir.data.embedded.geometry import Path, box, curve, ellipse, mirrored, path, thick, turned, xy
from hybrid_sbir.data.embedded.parts import Part, Shape, area, line


def guitar(rng: np.random.Generator) -> Shape:
    """Acoustic with a sound hole, or electric with horns."""
    nut, thin = rng.uniform(-0.78, -0.68), rng.uniform(0.045, 0.06)
    parts = _electric_body(rng) if rng.random() < 0.4 else _acoustic_body(rng)
    parts.append(area(box(-thin, nut, thin, 0.28), "second"))
    frets = np.linspace(nut + 0.1, 0.12, int(rng.integers(3, 8)))
    parts += [line(xy([-thin, thin], [y, y]), "metal", 0.02, 0.3) for y in frets]
    parts.append(area(mirrored([(0.11, nut - 0.24), (0.09, nut), (0.05, nut + 0.03)], smooth=False), "dark"))
    for side in (-1, 1):
        parts += [area(ellipse(side * 0.14, nut - y, 0.035), "metal", detail=0.2) for y in (0.04, 0.12, 0.2)]
    strings = np.linspace(-0.03, 0.03, int(rng.integers(1, 4)))
    parts += [line(xy([x, x], [nut, 0.74]), "light", 0.014, 0.2) for x in strings]
    return Shape(parts, spin=1.3)


def _electric_body(rng: np.random.Generator) -> list[Part]:
    low, waist = rng.uniform(0.36, 0.44), rng.uniform(0.18, 0.23)
    x = [0.08, 0.3, 0.34, waist, low, 0.16, -0.18, -low, -waist, -0.36, -0.26, -0.08]
    y = [0.2, -0.02, 0.14, 0.42, 0.7, 0.95, 0.95, 0.68, 0.4, 0.06, -0.1, 0.18]
    pickups = [area(box(-0.13, y, 0.13, y + 0.09, 0.02), "dark", detail=0.15) for y in (0.42, 0.62)]
    return [area(curve(xy(x, y), closed=True)), *pickups, area(ellipse(0.24, 0.78, 0.035), "metal", detail=0.3)]


def _acoustic_body(rng: np.random.Generator) -> list[Part]:
    high, low, waist = rng.uniform(0.24, 0.3), rng.uniform(0.36, 0.44), rng.uniform(0.2, 0.26)
    body = mirrored(xy([0, 0.6 * high, high, waist, low, 0.5 * low, 0], [0.02, 0.02, 0.2, 0.4, 0.72, 0.95, 0.96]))
    bridge = area(box(-0.16, 0.7, 0.16, 0.77, 0.02), "dark", detail=0.1)
    return [area(body), area(ellipse(0, 0.34, rng.uniform(0.11, 0.15)), "dark"), bridge]


def key(rng: np.random.Generator) -> Shape:
    """Bow round, square or trefoil; one or two bits, or the cuts of a door key."""
    radius, thin, tip = rng.uniform(0.3, 0.4), rng.uniform(0.06, 0.09), rng.uniform(0.85, 0.98)
    x = -0.95 + radius
    parts = _cut_shaft(rng, x, thin, tip) if rng.random() < 0.35 else _bits(rng, x + radius, thin, tip)
    bow = rng.choice(["ring", "square", "trefoil", "disc"])
    if bow == "trefoil":
        for angle in 2 * np.pi * np.array([0.33, 0.5, 0.67]):
            loop = ellipse(x + radius * (0.75 + 0.75 * np.cos(angle)), 0.75 * radius * np.sin(angle), 0.4 * radius)
            parts.append(line(loop, "main", 0.1, closed=True))
    elif bow == "ring":
        ring = ellipse(x, 0, radius * 0.85, radius * rng.uniform(0.65, 0.9))
        parts.append(line(ring, "main", rng.uniform(0.1, 0.15), closed=True))
    else:
        square = box(x - radius, -0.85 * radius, x + radius, 0.85 * radius, 0.12)
        parts.append(area(ellipse(x, 0, radius) if bow == "disc" else square))
        parts.append(area(ellipse(x - 0.4 * radius, 0, 0.22 * radius), "dark"))
    return Shape(parts, spin=3.1)


def _cut_shaft(rng: np.random.Generator, x: float, thin: float, tip: float) -> list[Part]:
    count = 2 * int(rng.integers(3, 6))
    along = np.linspace(tip - 0.04, 0.1, count)
    depth = thin * (1.7 - 1.1 * (np.arange(count) % 2) - rng.uniform(0, 0.5, count))
    back = -1.5 * thin
    return [area(xy([x, tip - 0.1, tip, *along, 0.05, x], [back, back, 0.3 * back, *depth, 2 * thin, 2 * thin]))]


def _bits(rng: np.random.Generator, collar: float, thin: float, tip: float) -> list[Part]:
    parts = []
    for left in (tip - 0.13, tip - rng.uniform(0.34, 0.42))[: rng.integers(1, 3)]:
        parts.append(area(box(left, 0, left + 0.12, thin + rng.uniform(0.16, 0.32))))
    if rng.random() < 0.4:
        parts.append(area(box(collar, -thin - 0.05, collar + 0.09, thin + 0.05, 0.02), "second", detail=0.2))
    return [*parts, area(box(collar - 0.12, -thin, tip, thin, 0.03))]


def scissors(rng: np.random.Generator) -> Shape:
    """Two blades and two grips, more or less open."""
    opening, blade = rng.uniform(0.12, 0.5), rng.uniform(0.95, 1.1)
    grip, handle, rim = rng.uniform(0.24, 0.3), rng.uniform(0.4, 0.52), rng.uniform(0.07, 0.11)
    loop, ground = rng.uniform(1.0, 1.35), rng.random() < 0.3
    parts: list[Part] = []
    for side in (-1, 1):
        edge = np.concatenate(
            [
                path([(0.07, 0.08), (0.09, -0.1)]),
                curve([(0.09, -0.1), (0.07, -0.6 * blade), (-0.02, -blade)])[1:],
                path([(-0.045, -0.1), (-0.07, 0.08)]),
            ]
        )
        arm = thick(curve([(0, 0.05), (-0.06, 0.3 * handle), (-0.15, handle)]), [0.065, 0.06, 0.055])
        groove = [line(xy([0.0, 0.02], [-0.2, -0.6 * blade]), "dark", 0.02, 0.2)] if ground else []
        ring = ellipse(-0.2, handle + grip * 0.8, grip * 0.8, grip * loop)
        pieces = [area(arm), line(ring, "main", rim, closed=True), area(edge, "metal"), *groove]
        parts += [replace(piece, path=turned(piece.path * (side, 1), side * opening)) for piece in pieces]
    screw = rng.uniform(0.045, 0.075)
    parts.append(area(ellipse(0, 0, screw), "dark", detail=0.15))
    if screw > 0.06:
        parts.append(line(xy([-0.6 * screw, 0.6 * screw], [-0.5 * screw, 0.5 * screw]), "light", 0.02, 0.4))
    return Shape([part.moved(0, -0.1) for part in parts], spin=1.6)


def _scallops(wide: float, y: float, count: int, depth: float) -> Path:
    """The lower rim of an open umbrella, from right to left."""
    edges = np.linspace(wide, -wide, count + 1)
    arcs = [curve([(a, y), ((a + b) / 2, y - depth), (b, y)], steps=5) for a, b in pairwise(edges)]
    return np.concatenate([arc[1:] for arc in arcs])


def umbrella(rng: np.random.Generator) -> Shape:
    """Open with four to eight panels, or folded."""
    if rng.random() < 0.22:
        return _folded(rng)
    wide, tall, count = rng.uniform(0.8, 0.98), rng.uniform(0.55, 0.85), int(rng.integers(3, 7))
    y, depth = rng.uniform(-0.15, 0.05), rng.uniform(0.06, 0.13)
    hook = rng.uniform(0.12, 0.2)
    handle = np.concatenate([path([(0, y - 0.3)]), path([(0, 0.75)]), ellipse(-hook, 0.75, hook, hook * 1.2, 0.0, 0.5)])
    dome = curve(
        [(-wide, y), (-0.75 * wide, y - 0.66 * tall), (0, y - tall), (0.75 * wide, y - 0.66 * tall), (wide, y)]
    )
    parts = [
        line(handle, "dark", rng.uniform(0.05, 0.08)),
        line(path([(0, y - tall - 0.12), (0, y - tall + 0.05)]), "dark", 0.05, 0.2),
    ]
    parts.append(area(np.concatenate([dome, _scallops(wide, y, count, depth)])))
    edges = np.linspace(-wide, wide, count + 1)
    bright = rng.random() < 0.4
    for k, (a, b) in enumerate(pairwise(edges)):
        rib_a = curve([(a, y), (a * 0.72, y - 0.6 * tall), (0, y - tall)])
        rib_b = curve([(b, y), (b * 0.72, y - 0.6 * tall), (0, y - tall)])
        if bright and k % 2:
            parts.append(
                area(
                    np.concatenate(
                        [rib_a, rib_b[::-1], curve([(b, y), ((a + b) / 2, y - depth), (a, y)], steps=5)[1:-1]]
                    ),
                    "second",
                    detail=0.15,
                )
            )
        elif k and not bright:
            parts.append(line(rib_a, "dark", 0.026, 0.12))
    return Shape(parts, spin=0.5)


def _folded(rng: np.random.Generator) -> Shape:
    fat, hook = rng.uniform(0.14, 0.24), rng.uniform(0.12, 0.2)
    handle = np.concatenate([path([(0, -0.2), (0, 0.72)]), ellipse(-hook, 0.72, hook, hook * 1.1, 0.0, 0.5)])
    cloth = mirrored(curve([(0.02, -0.95), (0.6 * fat, -0.4), (fat, 0.2), (0.75 * fat, 0.3)]), smooth=False)
    parts = [line(handle, "dark", 0.075), area(cloth)]
    parts += [
        line(curve([(x * fat, 0.27), (0.5 * x * fat, -0.3), (0, -0.9)]), width=0.024, detail=0.15)
        for x in (-0.45, 0.1, 0.5)
    ]
    parts.append(area(thick(path([(-0.85 * fat, -0.1), (0.9 * fat, -0.06)]), 0.04), "second", detail=0.2))
    return Shape(parts, spin=1.2)
