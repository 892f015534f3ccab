"""Vessels, each with sub-types and free proportions (coordinates: geometry.py)."""

import numpy as np

from hybrid_sbir.data.embedded.geometry import box, curve, ellipse, mirrored, moved, path, thick
from hybrid_sbir.data.embedded.parts import Shape, Tone, area, line


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
    wide, tall = rng.uniform(0.48, 0.62), rng.uniform(0.5, 0.72)
    foot = {"mug": rng.uniform(0.85, 1.0), "tea": rng.uniform(0.4, 0.55), "beaker": rng.uniform(0.65, 0.78)}[kind]
    rim, parts = rng.uniform(0.08, 0.16), []
    if kind == "tea":
        parts.append(area(ellipse(0, 0.62 * tall, 0.95, 0.17), "second", detail=0.1))
        tall *= 0.85
    if kind != "beaker":
        x, reach = wide * (0.97 if kind == "mug" else 0.88), rng.uniform(0.26, 0.36)
        ear = curve(
            [
                (x - 0.05, -0.62 * tall),
                (x + reach, -0.55 * tall),
                (x + reach * 0.9, 0.12 * tall),
                (x * (0.96 if kind == "mug" else 0.8) - 0.04, 0.36 * tall),
            ]
        )
        parts.append(area(thick(ear, rng.uniform(0.04, 0.07))))
    bulge = wide * (1.0 if kind != "tea" else 0.95)
    side = curve(
        [
            (wide, -tall),
            (0.5 * (bulge + foot * wide) + (0.12 if kind == "tea" else 0), 0.1 * tall),
            (foot * wide, 0.8 * tall),
        ]
    )
    base = ellipse(0, 0.8 * tall, foot * wide, rim * foot, 0.0, 0.5)
    body = np.concatenate([side, base, (side * (-1, 1))[::-1]])
    parts.append(area(body))
    if rng.random() < 0.5:
        band = rng.uniform(-0.4, 0.1)
        heart = [(0, 0.18), (-0.2, -0.05), (-0.1, -0.18), (0, -0.08), (0.1, -0.18), (0.2, -0.05)]
        mark = curve(heart, closed=True) if rng.random() < 0.5 else ellipse(0, 0, 0.22, 0.2)
        parts.append(area(moved(mark, 0, band * tall + 0.1), "second", detail=0.2))
    parts.append(area(ellipse(0, -tall, wide, rim), "light"))
    parts.append(area(ellipse(0, -tall + 0.25 * rim, wide * 0.87, rim * 0.62), "dark", detail=0.3))
    if kind == "beaker" and rng.random() < 0.8:
        parts.append(
            area(thick(path([(0.05, -tall), (0.22, -tall - 0.45), (0.42, -tall - 0.52)]), 0.04), "second", detail=0.1)
        )
    elif rng.random() < 0.35:
        for x in (-0.18, 0.14):
            parts.append(
                line(
                    curve(
                        [(x, -tall - 0.14), (x + 0.07, -tall - 0.26), (x - 0.05, -tall - 0.38), (x + 0.04, -tall - 0.5)]
                    ),
                    "light",
                    0.04,
                    0.2,
                )
            )
    return Shape(parts, spin=0.15)


def teapot(rng: np.random.Generator) -> Shape:
    """Round or tall, with spout, handle, lid and knob."""
    fat, tall = rng.uniform(0.46, 0.6), rng.uniform(0.38, 0.55)
    body = curve(
        [
            (0, -tall),
            (0.75 * fat, -0.75 * tall),
            (fat, 0.1),
            (0.65 * fat, tall),
            (-0.65 * fat, tall),
            (-fat, 0.1),
            (-0.75 * fat, -0.75 * tall),
        ],
        closed=True,
    )
    spout = thick(
        curve(
            [
                (-0.75 * fat, 0.25 * tall),
                (-fat - 0.16, 0.1),
                (-fat - 0.22, -0.3 * tall),
                (-fat - rng.uniform(0.34, 0.44), -0.72 * tall),
            ]
        ),
        [0.16, 0.1, 0.065, 0.06],
    )
    reach = rng.uniform(0.32, 0.42)
    if rng.random() < 0.75:
        bow = curve(
            [
                (0.75 * fat, -0.55 * tall),
                (fat + 0.75 * reach, -0.72 * tall),
                (fat + reach, -0.05),
                (fat + 0.45 * reach, 0.5 * tall),
                (0.78 * fat, 0.55 * tall),
            ]
        )
    else:
        bow = curve(
            [
                (-0.7 * fat, -0.6 * tall),
                (-0.62 * fat, -tall - 0.4),
                (0, -tall - 0.58),
                (0.62 * fat, -tall - 0.4),
                (0.7 * fat, -0.6 * tall),
            ]
        )
    foot = box(-0.5 * fat, tall - 0.06, 0.5 * fat, tall + 0.07, 0.02)
    lid_wide, lid_tall = rng.uniform(0.5, 0.66) * fat, rng.uniform(0.1, 0.2)
    lid = np.concatenate(
        [ellipse(0, -0.88 * tall, lid_wide, lid_tall + 0.08, 0.5, 1.0), path([(lid_wide, -0.86 * tall)])]
    )
    parts = [
        area(thick(bow, rng.uniform(0.04, 0.06)), "second"),
        area(spout),
        area(foot, "second", detail=0.25),
        area(body),
    ]
    parts += [area(lid, "second"), area(ellipse(0, -0.9 * tall - lid_tall - 0.1, rng.uniform(0.06, 0.1)), "dark")]
    mark = rng.integers(3)
    if mark == 0:
        parts.append(area(thick(curve([(-0.92 * fat, 0.0), (0, 0.1), (0.92 * fat, 0.0)]), 0.06), "light", detail=0.2))
    elif mark == 1:
        parts += [
            area(ellipse(x * fat, y, 0.075), "light", detail=0.25)
            for x, y in ((-0.45, 0.05), (0, 0.2), (0.45, 0.05), (0, -0.15))
        ]
    return Shape(parts, spin=0.2)
