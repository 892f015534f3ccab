"""Vessels, each with sub-types and free proportions (coordinates: geometry.py)."""

import numpy as np

from hybrid_sbir.data.embedded.geometry import box, curve, ellipse, mirrored, moved, path, thick, xy
from hybrid_sbir.data.embedded.parts import Part, Shape, Tone, area, line


def bottle(rng: np.random.Generator) -> Shape:
    """Wine, beer, water or squat flask: neck, shoulder, cap and label vary."""
    belly, neck, shoulder = rng.uniform(0.22, 0.42), rng.uniform(0.08, 0.13), rng.uniform(-0.4, 0.0)
    mouth, slope = rng.uniform(-0.95, -0.8), rng.uniform(0.1, 0.3)
    side = [(neck, mouth), (neck, shoulder - slope), (0.9 * belly, shoulder), (belly, shoulder + 0.14)]
    half = np.concatenate(
        [curve(side, steps=5), curve([(belly, 0.85), (0.95 * belly, 0.93), (0.8 * belly, 0.95)], steps=3)]
    )
    tone: Tone = "glass" if rng.random() < 0.3 else "main"
    parts = [area(mirrored(half, smooth=False), tone)]
    low = rng.uniform(0.45, 0.75)
    if rng.random() < 0.75:
        high = max(shoulder + 0.15, low - rng.uniform(0.3, 0.55))
        parts.append(area(box(-belly, high, belly, low), "light", detail=0.12))
        mark = rng.integers(3)
        if mark == 0:
            parts.append(area(ellipse(0, (high + low) / 2, 0.3 * belly), "second", detail=0.2))
        elif mark == 1:
            parts += [
                line(path([(-0.6 * belly, y), (0.6 * belly, y)]), width=0.03, detail=0.3)
                for y in (high + 0.1, high + 0.2)
            ]
    cap = rng.uniform(0.06, 0.18)
    parts.append(area(box(-neck - 0.025, mouth - 0.04, neck + 0.025, mouth + cap, 0.02), "second", detail=0.1))
    return Shape(parts, spin=0.5)


def cup(rng: np.random.Generator) -> Shape:
    """A mug, a tea cup with saucer, or a beaker with a straw."""
    kind = rng.choice(["mug", "tea", "beaker"], p=[0.5, 0.3, 0.2])
    wide, tall, rim = rng.uniform(0.48, 0.62), rng.uniform(0.5, 0.72), rng.uniform(0.08, 0.16)
    narrow = {"mug": rng.uniform(0.85, 1.0), "tea": rng.uniform(0.4, 0.55), "beaker": rng.uniform(0.65, 0.78)}[kind]
    foot, parts = wide * narrow, []
    if kind == "tea":
        parts.append(area(ellipse(0, 0.62 * tall, 0.95, 0.17), "second", detail=0.1))
        tall *= 0.85
    if kind != "beaker":
        parts.append(_ear(rng, wide, 0.8 if kind == "tea" else 0.96, tall))
    belly = 0.5 * (wide + foot) + (0.09 if kind == "tea" else 0)
    side = curve(xy([wide, belly, foot], [-tall, 0.1 * tall, 0.8 * tall]))
    base = ellipse(0, 0.8 * tall, foot, rim * narrow, 0.0, 0.5)
    parts.append(area(np.concatenate([side, base, (side * (-1, 1))[::-1]])))
    if rng.random() < 0.5:
        heart = curve(xy([0, -0.2, -0.1, 0, 0.1, 0.2], [0.18, -0.05, -0.18, -0.08, -0.18, -0.05]), closed=True)
        mark = heart if rng.random() < 0.5 else ellipse(0, 0, 0.22, 0.2)
        parts.append(area(moved(mark, 0, rng.uniform(-0.4, 0.1) * tall + 0.1), "second", detail=0.2))
    parts.append(area(ellipse(0, -tall, wide, rim), "light"))
    parts.append(area(ellipse(0, -tall + 0.25 * rim, wide * 0.87, rim * 0.62), "dark", detail=0.3))
    return Shape(parts + _above_the_rim(rng, kind == "beaker", -tall), spin=0.15)


def _ear(rng: np.random.Generator, wide: float, taper: float, tall: float) -> Part:
    x, reach = wide * (0.4 + 0.6 * taper), rng.uniform(0.26, 0.36)
    bow = curve(
        xy([x - 0.05, x + reach, x + 0.9 * reach, wide * taper - 0.04], np.array([-0.62, -0.55, 0.12, 0.36]) * tall)
    )
    return area(thick(bow, rng.uniform(0.04, 0.07)))


def _above_the_rim(rng: np.random.Generator, straw: bool, y: float) -> list[Part]:
    """A straw, steam, or nothing."""
    if straw:
        bent = thick(xy([0.05, 0.22, 0.42], [y, y - 0.45, y - 0.52]), 0.04)
        return [area(bent, "second", detail=0.1)] if rng.random() < 0.8 else []
    if rng.random() < 0.65:
        return []
    wisp = curve(xy([0, 0.07, -0.05, 0.04], [y - 0.14, y - 0.26, y - 0.38, y - 0.5]))
    return [line(moved(wisp, x, 0), "light", 0.04, 0.2) for x in (-0.18, 0.14)]


def teapot(rng: np.random.Generator) -> Shape:
    """Round or tall, with spout, handle, lid and knob."""
    fat, tall = rng.uniform(0.46, 0.6), rng.uniform(0.38, 0.55)
    scale = (fat, tall)
    body = curve(xy([0, 0.75, 1, 0.65, -0.65, -1, -0.75], [-1, -0.75, 0.2, 1, 1, 0.2, -0.75]) * scale, closed=True)
    neck = -fat - np.array([0.16, 0.22, rng.uniform(0.34, 0.44)])
    spout = thick(
        curve(xy([-0.75 * fat, *neck], [0.25 * tall, 0.1, -0.3 * tall, -0.72 * tall])), [0.16, 0.1, 0.065, 0.06]
    )
    reach = rng.uniform(0.32, 0.42)
    if rng.random() < 0.75:
        x = fat + np.array([-0.25 * fat, 0.75 * reach, reach, 0.45 * reach, -0.22 * fat])
        bow = curve(xy(x, np.array([-0.55, -0.72, -0.1, 0.5, 0.55]) * tall))
    else:
        x = np.array([-0.7, -0.62, 0, 0.62, 0.7]) * fat
        bow = curve(xy(x, [-0.6 * tall, -tall - 0.4, -tall - 0.58, -tall - 0.4, -0.6 * tall]))
    lid_wide, lid_tall = rng.uniform(0.5, 0.66) * fat, rng.uniform(0.1, 0.2)
    lid = ellipse(0, -0.88 * tall, lid_wide, lid_tall + 0.08, 0.5, 1.0)
    parts = [area(thick(bow, rng.uniform(0.04, 0.06)), "second"), area(spout)]
    parts += [area(box(-0.5 * fat, tall - 0.06, 0.5 * fat, tall + 0.07, 0.02), "second", detail=0.25), area(body)]
    parts += [area(lid, "second"), area(ellipse(0, -0.9 * tall - lid_tall - 0.1, rng.uniform(0.06, 0.1)), "dark")]
    mark = rng.integers(3)
    if mark == 0:
        belt = curve(xy([-0.92 * fat, 0, 0.92 * fat], [0.0, 0.1, 0.0]))
        parts.append(area(thick(belt, 0.06), "light", detail=0.2))
    elif mark == 1:
        spots = xy([-0.45, 0, 0.45, 0], [0.05, 0.2, 0.05, -0.15]) * (fat, 1)
        parts += [area(ellipse(x, y, 0.075), "light", detail=0.25) for x, y in spots]
    return Shape(parts, spin=0.2)
