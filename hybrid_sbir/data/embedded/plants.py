"""Flowers, leaves and trees, each with sub-types and free proportions (coordinates: geometry.py)."""

import numpy as np

from hybrid_sbir.data.embedded.geometry import Path, curve, ellipse, mirrored, moved, path, thick, turned
from hybrid_sbir.data.embedded.parts import Part, Shape, area, leaflet, line


def flower(rng: np.random.Generator) -> Shape:
    """A daisy-like flower with 5 to 11 petals, or a tulip; with a stem and leaves or only the blossom."""
    if rng.random() < 0.22:
        return _tulip(rng)
    petals, heart = int(rng.integers(5, 12)), rng.uniform(0.13, 0.24)
    length, stem = rng.uniform(0.3, 0.46), rng.random() < 0.75
    breadth = (heart + 0.6 * length) * np.pi / petals * rng.uniform(0.85, 1.2)
    tip, start = rng.uniform(0.55, 1.0), rng.uniform(0, 2 * np.pi)
    centre = (rng.uniform(-0.12, 0.12), -0.4 if stem else 0.0)
    size = 1.0 if stem else 1.5
    one = curve([(0.7 * heart, 0), (heart + 0.5 * length, -breadth), (heart + 0.9 * length, -0.55 * breadth * tip)])
    bow = curve(
        [
            (heart + 0.9 * length, -0.55 * breadth * tip),
            (heart + length, 0),
            (heart + 0.9 * length, 0.55 * breadth * tip),
        ]
    )
    petal = np.concatenate([one, bow[1:-1], (one * (1, -1))[::-1]])
    parts = _stem(rng, centre) if stem else []
    for number in range(petals):
        around = turned(size * petal, start + 2 * np.pi * number / petals) + centre
        parts.append(area(around, detail=0.04))
    parts.append(area(ellipse(*centre, size * heart), "second"))
    return Shape(parts, spin=0.25 if stem else 3.1)


def _stem(rng: np.random.Generator, top: tuple[float, float]) -> list[Part]:
    lean = rng.uniform(-0.2, 0.2)
    centre = curve([top, (top[0] + 0.5 * lean, 0.3), (lean, 0.95)])
    parts = [area(thick(centre, rng.uniform(0.022, 0.04)), "dark")]
    for side in rng.permutation([-1, 1])[: rng.integers(0, 3)]:
        angle = -0.6 if side > 0 else np.pi + 0.6
        parts += leaflet(0.4 * lean + top[0] * 0.3, rng.uniform(0.4, 0.75), rng.uniform(0.4, 0.6), 0.12, angle)
    return parts


def _tulip(rng: np.random.Generator) -> Shape:
    wide, peak = rng.uniform(0.3, 0.42), rng.uniform(0.1, 0.2)
    parts = _stem(rng, (0.0, -0.25))
    cup = [
        (-wide, -0.85),
        (-1.05 * wide, -0.5),
        (-0.6 * wide, -0.2),
        (0, -0.14),
        (0.6 * wide, -0.2),
        (1.05 * wide, -0.5),
        (wide, -0.85),
    ]
    crown = path([(0.5 * wide, -0.85 + peak), (0, -0.9), (-0.5 * wide, -0.85 + peak)])
    middle = curve(
        [(-0.52 * wide, -0.62), (0, -0.95), (0.52 * wide, -0.62), (0.3 * wide, -0.28), (-0.3 * wide, -0.28)],
        closed=True,
    )
    parts += [area(np.concatenate([curve(cup), crown])), area(middle, "main", detail=0.2)]
    return Shape(parts, spin=0.25)


def leaf(rng: np.random.Generator) -> Shape:
    """Ovate, lobed like an oak's, or pointed like a maple's, with midrib and veins."""
    kind = rng.choice(["ovate", "oak", "maple"], p=[0.5, 0.25, 0.25])
    if kind == "maple":
        return _maple(rng)
    wide, low = rng.uniform(0.34, 0.55), rng.uniform(-0.05, 0.25)
    if kind == "ovate":
        right = curve([(0, -0.9), (0.55 * wide, -0.45), (wide, low), (0.6 * wide, 0.52), (0, 0.7)])
        outline = np.concatenate([right, right[-2:0:-1] * (-1, 1)])
    else:
        lobes = np.linspace(-0.72, 0.6, int(rng.integers(7, 10)))
        reach = [wide * (1.05 if k % 2 else 0.55) * (0.6 + 0.4 * (1 - abs(y))) for k, y in enumerate(lobes)]
        outline = mirrored([(0, -0.9), *zip(reach, lobes, strict=True), (0, 0.72)])
    curl = rng.uniform(-0.12, 0.12)
    parts = [
        area(thick(curve([(0, 0.62), (curl * 0.5, 0.85), (curl, 1.02)]), 0.025), "dark", detail=0.1),
        area(outline),
    ]
    parts.append(line(path([(0, -0.78), (0, 0.7)]), width=0.032, detail=0.06))
    for y in np.linspace(-0.5, 0.42, int(rng.integers(3, 6))):
        reach = wide * 0.72 * (1 - abs(y - low) * 0.75)
        parts += [
            line(curve([(0, y + 0.14), (s * reach * 0.6, y), (s * reach, y - 0.14)]), "dark", 0.022, 0.2)
            for s in (-1, 1)
        ]
    return Shape(parts, spin=3.1)


def _maple(rng: np.random.Generator) -> Shape:
    tips = [(0, -0.95), (0.62, -0.62), (0.92, -0.05), (0.6, 0.45)]
    inner = [(0.2, -0.42), (0.38, -0.22), (0.42, 0.1), (0.1, 0.42)]
    spread, half = rng.uniform(0.8, 1.02), []
    for (tx, ty), (ix, iy) in zip(tips, inner, strict=True):
        half += [(tx * spread, ty), ((0.45 * tx + 0.55 * ix) * spread + 0.05, 0.45 * ty + 0.55 * iy), (ix * spread, iy)]
    outline = mirrored([*half, (0, 0.36)], smooth=False)
    parts = [
        area(thick(curve([(0, 0.4), (0.02, 0.7), (rng.uniform(-0.15, 0.15), 1.0)]), 0.024), "dark", detail=0.1),
        area(outline),
    ]
    parts.append(line(path([(0, -0.75), (0, 0.42)]), width=0.028, detail=0.1))
    for tx, ty in tips[1:]:
        parts += [
            line(path([(0, 0.34), (s * tx * 0.72 * spread, ty * 0.75 + 0.08)]), width=0.022, detail=0.15)
            for s in (-1, 1)
        ]
    return Shape(parts, spin=3.1)


def _cloud(rng: np.random.Generator, x: float, y: float, wide: float, tall: float, bumps: int) -> Path:
    """A leafy crown: round bumps along an ellipse."""
    share = (np.arange(bumps) + 0.25 * rng.uniform(-1, 1, bumps)) / bumps + rng.uniform(0, 1)
    share = np.concatenate([share, share[:1] + 1])
    angle = (
        2
        * np.pi
        * np.stack([share[:-1], 0.7 * share[:-1] + 0.3 * share[1:], 0.3 * share[:-1] + 0.7 * share[1:]], axis=1)
    )
    reach = np.array([0.82, 1.0, 1.0]) * rng.uniform(0.92, 1.06, (bumps, 1))
    ring = np.stack([wide * reach * np.cos(angle), tall * reach * np.sin(angle)], axis=2).reshape(-1, 2)
    return moved(curve(ring, closed=True, steps=4), x, y)


def tree(rng: np.random.Generator) -> Shape:
    """A leafy tree, a fir or a palm."""
    kind = rng.choice(["leafy", "fir", "palm"], p=[0.5, 0.3, 0.2])
    return {"leafy": _leafy, "fir": _fir, "palm": _palm}[kind](rng)


def _leafy(rng: np.random.Generator) -> Shape:
    thin, fork = rng.uniform(0.08, 0.16), rng.uniform(-0.05, 0.2)
    trunk = mirrored(curve([(thin * 0.8, -0.2), (thin * 0.85, 0.5), (thin * 1.6, 0.95)]), smooth=False)
    wide, tall = rng.uniform(0.5, 0.85), rng.uniform(0.45, 0.65)
    parts = [area(trunk, "second")]
    if rng.random() < 0.5:
        parts += [
            area(thick(path([(0, 0.45), (s * 0.35, fork)]), [0.06, 0.035]), "second", detail=0.3) for s in (-1, 1)
        ]
    parts.append(area(_cloud(rng, 0, -0.4, wide, tall, int(rng.integers(6, 11)))))
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(-0.5, 0.5) * wide, -0.4 + rng.uniform(-0.5, 0.4) * tall
        if rng.random() < 0.5:
            parts.append(area(ellipse(x, y, 0.06), "second", detail=0.3))
        else:
            parts.append(line(ellipse(x, y, 0.13, 0.1, 0.05, 0.5), width=0.025, detail=0.3))
    return Shape(parts, spin=0.15)


def _fir(rng: np.random.Generator) -> Shape:
    tiers, wide, overlap = int(rng.integers(2, 5)), rng.uniform(0.42, 0.65), rng.uniform(0.08, 0.2)
    parts = [area(mirrored([(0.09, 0.6), (0.09, 0.95)], smooth=False), "second")]
    edges = np.linspace(0.68, -0.95, tiers + 1)
    for tier in range(tiers):
        low, high = edges[tier], edges[tier + 1] - (overlap if tier < tiers - 1 else 0)
        reach = wide * (1 - 0.62 * tier / max(1, tiers - 1))
        skirt = curve(
            [(reach, low), (0.4 * reach, low + 0.05), (0, low + 0.06), (-0.4 * reach, low + 0.05), (-reach, low)],
            steps=4,
        )
        parts.append(area(np.concatenate([path([(0, high)]), skirt])))
    return Shape(parts, spin=0.12)


def _palm(rng: np.random.Generator) -> Shape:
    lean, fronds = rng.uniform(-0.3, 0.3), int(rng.integers(6, 9))
    trunk = thick(curve([(0.2 * lean, 0.95), (0.1 * lean, 0.3), (lean, -0.45)]), [0.12, 0.08, 0.065])
    parts = [area(trunk, "second")]
    for angle in np.linspace(0.25, -np.pi - 0.25, fronds):
        reach = rng.uniform(0.6, 0.8)
        x, y = reach * np.cos(angle), 0.5 * reach * np.sin(angle)
        middle = curve([(lean, -0.45), (lean + 0.55 * x, -0.62 + y), (lean + x, -0.3 + 0.6 * y)])
        parts.append(area(thick(middle, [0.02, 0.075, 0.06, 0.01]), "main"))
    parts += [area(ellipse(lean + x, -0.4, 0.06), "dark", detail=0.3) for x in (-0.08, 0.06)]
    return Shape(parts, spin=0.12)
