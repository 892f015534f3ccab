"""Animals, each with sub-types and free proportions (coordinates: geometry.py); they look to the left."""

import numpy as np

from hybrid_sbir.data.embedded.geometry import curve, ellipse, moved, path, thick, turned, xy
from hybrid_sbir.data.embedded.parts import Part, Shape, area, eye, line


def bird(rng: np.random.Generator) -> Shape:
    """A perched songbird, or one in flight."""
    if rng.random() < 0.35:
        return _flying(rng)
    fat, head, tilt = rng.uniform(0.34, 0.46), rng.uniform(0.2, 0.29), rng.uniform(-0.05, 0.45)
    hx, hy = -0.48, -0.42
    body = turned(
        curve(
            [(-0.6, -0.1), (-0.2, -0.9 * fat), (0.3, -0.5 * fat), (0.62, -0.02), (0.1, fat), (-0.45, 0.8 * fat)],
            closed=True,
        ),
        tilt,
    )
    tail = turned(path([(0.42, -0.13), (1.0, -rng.uniform(0.1, 0.25)), (1.02, 0.1), (0.45, 0.13)]), tilt)
    beak, open_by = rng.uniform(0.16, 0.32), rng.uniform(0.0, 0.06)
    parts = [line(path([(x, 0.3), (x - 0.02, 0.78), (x - 0.16, 0.82)]), width=0.035, detail=0.1) for x in (-0.05, 0.12)]
    parts += [area(tail, "second"), area(body), area(ellipse(hx, hy, head))]
    parts.append(
        area(path([(hx - 0.9 * head, hy - 0.08), (hx - head - beak, hy + 0.04), (hx - 0.9 * head, hy + 0.1)]), "dark")
    )
    if open_by > 0.03:
        parts.append(
            line(path([(hx - 0.9 * head, hy + 0.02), (hx - head - 0.9 * beak, hy + 0.03)]), "light", 0.02, 0.5)
        )
    wing = turned(curve([(-0.22, -0.1), (0.15, -0.2), (0.72, 0.06), (0.3, 0.2), (-0.1, 0.16)], closed=True), tilt)
    parts += [area(wing, "second", detail=0.06), *eye(hx - 0.25 * head, hy - 0.2 * head, rng.uniform(0.035, 0.075))]
    if rng.random() < 0.5:
        parts.append(line(path([(-1.0, 0.84), (0.9, 0.84 + rng.uniform(-0.1, 0.1))]), "dark", 0.06, 0.2))
    return Shape(parts, spin=0.25)


def _flying(rng: np.random.Generator) -> Shape:
    lift, head = rng.uniform(0.55, 0.9), rng.uniform(0.14, 0.2)
    body = curve([(-0.62, -0.05), (-0.2, -0.22), (0.4, -0.06), (0.62, 0.04), (0.2, 0.22), (-0.4, 0.2)], closed=True)
    tail = path([(0.45, -0.05), (1.0, -0.14), (0.92, 0.02), (1.0, 0.2), (0.45, 0.12)])
    far = curve([(-0.1, -0.1), (0.02, -0.9 * lift), (-0.35, -1.1 * lift), (-0.45, -0.5), (-0.38, -0.1)], closed=True)
    near = curve([(-0.3, 0.02), (0.12, -0.75 * lift), (0.6, -lift), (0.5, -0.4), (0.28, 0.02)], closed=True)
    beak = path([(-0.82, -0.16), (-1.04, -0.08), (-0.8, -0.02)])
    parts = [
        area(far, "second"),
        area(tail, "second"),
        area(body),
        area(beak, "dark"),
        area(ellipse(-0.66, -0.1, head)),
        area(near, "second"),
    ]
    if rng.random() < 0.6:
        parts += [
            line(path([(0.05 + k * 0.12, -0.05 - k * 0.02), (0.2 + k * 0.1, -0.5 * lift)]), width=0.022, detail=0.4)
            for k in range(3)
        ]
    return Shape([*parts, *eye(-0.7, -0.14, rng.uniform(0.03, 0.05))], spin=0.5)


def butterfly(rng: np.random.Generator) -> Shape:
    """Seen from above, wings spread; wing shapes, spots and rims vary."""
    up, out, low = rng.uniform(0.55, 0.85), rng.uniform(0.7, 0.98), rng.uniform(0.45, 0.75)
    upper = curve([(0.04, -0.12), (0.3 * out, -0.9 * up), (out, -up), (0.95 * out, -0.25), (0.4, 0.06)], closed=True)
    lower = curve([(0.04, 0.0), (0.45, 0.02), (0.78 * out, 0.25), (0.55 * out, low + 0.1), (0.16, 0.55)], closed=True)
    parts: list[Part] = []
    spots, feelers = rng.random() < 0.75, rng.random() < 0.85
    for side in (-1.0, 1.0):
        flip = (side, 1.0)
        parts += [area(lower * flip, "second"), area(upper * flip)]
        if spots:
            parts.append(area(ellipse(side * 0.58 * out, -0.55 * up, 0.15, 0.13), "light", detail=0.15))
            parts.append(area(ellipse(side * 0.42 * out, 0.3, 0.11), "light", detail=0.2))
        else:
            parts.append(line(path([(side * 0.1, -0.1), (side * 0.75 * out, -0.7 * up)]), width=0.025, detail=0.2))
            parts.append(line(path([(side * 0.1, -0.05), (side * 0.75 * out, -0.3)]), width=0.025, detail=0.2))
        feeler = curve([(side * 0.03, -0.35), (side * 0.1, -0.62), (side * rng.uniform(0.2, 0.32), -0.78)])
        parts += [line(feeler, width=0.028, detail=0.1)] if feelers else []
    thin = rng.uniform(0.055, 0.085)
    parts += [area(ellipse(0, 0.08, thin, 0.45), "dark"), area(ellipse(0, -0.36, thin * 1.1), "dark", detail=0.2)]
    return Shape(parts, spin=0.9)


def cat(rng: np.random.Generator) -> Shape:
    """The face, or the whole animal sitting."""
    if rng.random() < 0.5:
        return Shape(_face(rng, 0.0, 0.1, 0.78), spin=0.25)
    fat, lean = rng.uniform(0.36, 0.5), rng.uniform(-0.1, 0.1)
    side = rng.choice([-1.0, 1.0])
    tail = curve(
        [
            (side * fat * 0.8, 0.75),
            (side * (fat + 0.35), 0.7),
            (side * (fat + 0.42), 0.25),
            (side * (fat + 0.2), rng.uniform(-0.2, 0.1)),
        ]
    )
    body = curve(
        [(-0.2 + lean, -0.4), (-fat, 0.3), (-0.85 * fat, 0.9), (0.85 * fat, 0.9), (fat, 0.3), (0.2 + lean, -0.4)],
        closed=True,
    )
    parts = [area(thick(tail, [0.085, 0.08, 0.05])), area(body)]
    parts += [
        line(curve([(s * 0.1, 0.35), (s * 0.09, 0.7), (s * 0.14, 0.92)]), width=0.028, detail=0.1) for s in (-1, 1)
    ]
    parts += [line(ellipse(s * 0.17, 0.88, 0.11, 0.07, 0.5, 1.0), width=0.028, detail=0.3) for s in (-1, 1)]
    return Shape(parts + _face(rng, lean, -0.45, 0.42), spin=0.18)


def _face(rng: np.random.Generator, x: float, y: float, size: float) -> list[Part]:
    wide, ear, gap = rng.uniform(0.88, 1.12), rng.uniform(0.5, 0.75), rng.uniform(0.3, 0.42)
    parts: list[Part] = []
    for side in (-1, 1):
        outer = path([(side * 0.9 * wide, -0.25), (side * 0.82 * wide, -0.62 - ear), (side * 0.18 * wide, -0.72)])
        parts.append(area(outer))
        parts.append(area(0.55 * outer + (side * 0.27 * wide, -0.38), "second", detail=0.35))
    parts.append(
        area(
            curve(
                [
                    (0, -0.82),
                    (0.72 * wide, -0.62),
                    (wide, 0.05),
                    (0.62 * wide, 0.68),
                    (0, 0.84),
                    (-0.62 * wide, 0.68),
                    (-wide, 0.05),
                    (-0.72 * wide, -0.62),
                ],
                closed=True,
            )
        )
    )
    for side in (-1, 1):
        tall = rng.uniform(0.13, 0.2)
        parts += [area(ellipse(side * gap, -0.12, 0.15, tall), "light", detail=0.05)]
        parts += [area(ellipse(side * gap, -0.12, 0.06, tall * 0.85), "dark", detail=0.15)]
        parts += [line(curve([(0, 0.3), (side * 0.12, 0.42), (side * 0.27, 0.36)]), width=0.04, detail=0.15)]
        for k in range(int(rng.integers(2, 4))):
            away = path([(side * 0.34, 0.22 + 0.1 * k), (side * (1.0 + rng.uniform(0.1, 0.3)), 0.08 + 0.2 * k)])
            parts.append(line(away, "dark", 0.028, detail=0.12))
    parts.append(area(curve([(-0.12, 0.12), (0.12, 0.12), (0, 0.28)], closed=True, steps=4), "second", detail=0.1))
    return [part.scaled(size).moved(x, y) for part in parts]


def fish(rng: np.random.Generator) -> Shape:
    """Slim to round, with different tails, fins, scales or stripes."""
    tall, long, fork = rng.uniform(0.28, 0.55), rng.uniform(0.62, 0.75), rng.uniform(0.0, 0.2)
    x = [-0.9, -0.5, 0, 0.4 * long, long, long, 0.4 * long, 0, -0.5]
    y = np.array([0.02, -0.8 * tall, -tall, -0.6 * tall, -0.06, 0.06, 0.6 * tall, tall, 0.75 * tall])
    spread, fin = rng.uniform(0.3, 0.5), rng.uniform(0.15, 0.3)
    end = long + np.array([-0.12, 0.15, 0.36, 0.32 - fork, 0.36, 0.15])
    tail = curve(xy(end, np.array([0, -0.8, -1, 0, 1, 0.8]) * spread), closed=True, steps=4)
    back = curve(xy([-0.3, -0.1, 0.35, 0.35], [-0.85 * tall, -tall - fin, -0.75 * tall - 0.7 * fin, -0.5 * tall]))
    belly = curve(xy([-0.05, 0.12, 0.3, 0.3], [0.85 * tall, tall + 0.8 * fin, 0.6 * tall + 0.5 * fin, 0.55 * tall]))
    parts = [area(tail, "second"), area(back, "second", detail=0.1), area(belly, "second", detail=0.1)]
    parts += [area(curve(xy(x, y), closed=True)), *_fish_marks(rng, tall)]
    parts.append(line(curve(xy([-0.45, -0.36, -0.45], [-0.55 * tall, 0, 0.55 * tall])), width=0.03, detail=0.15))
    parts.append(line(curve(xy([-0.9, -0.8, -0.7], [0.06, 0.12, 0.1])), width=0.03, detail=0.3))
    return Shape([*parts, *eye(-0.62, -0.22 * tall, rng.uniform(0.05, 0.085))], spin=0.4)


def _fish_marks(rng: np.random.Generator, tall: float) -> list[Part]:
    kind = rng.choice(["scales", "stripes", "plain"])
    if kind == "scales":
        rows = [(x, y) for x in (-0.15, 0.08, 0.3) for y in (-0.3, 0.05, 0.35)]
        return [line(ellipse(x, y * tall * 1.3, 0.09, 0.1, -0.25, 0.25), width=0.022, detail=0.3) for x, y in rows]
    stripe = thick(curve(xy([0, 0.05, 0], [-0.78 * tall, 0, 0.78 * tall])), 0.05)
    places = (-0.2, 0.08, 0.36)[: rng.integers(2, 4)] if kind == "stripes" else ()
    fin = curve(xy([-0.22, 0.1, 0.05], [0.1, 0.05, 0.3]), closed=True, steps=4)
    return [*(area(moved(stripe, x, 0), "light", detail=0.15) for x in places), area(fin, "second", detail=0.3)]


def snail(rng: np.random.Generator) -> Shape:
    """A coiled shell on a creeping foot, feelers up."""
    radius, rounds, lift = rng.uniform(0.45, 0.6), rng.uniform(1.8, 2.8), rng.uniform(-0.5, -0.25)
    x, y = 0.22, 0.6 - radius
    foot = curve(
        [
            (1.0, 0.72),
            (0.3, 0.5),
            (-0.3, 0.48),
            (-0.48, 0.1),
            (-0.56, lift + 0.1),
            (-0.78, lift + 0.02),
            (-0.92, lift + 0.2),
            (-0.8, 0.35),
            (-0.72, 0.62),
            (-0.4, 0.76),
            (0.4, 0.78),
        ],
        closed=True,
    )
    parts: list[Part] = []
    for reach in (rng.uniform(-0.14, -0.02), rng.uniform(0.08, 0.2)):
        tip = (-0.78 - reach, lift - rng.uniform(0.24, 0.38))
        parts += [line(curve([(-0.76, lift + 0.1), (-0.77 - 0.4 * reach, lift - 0.1), tip]), width=0.04, detail=0.08)]
        parts.append(area(ellipse(*tip, 0.05), "dark", detail=0.15))
    angle = np.linspace(0, 2 * np.pi * rounds, int(20 * rounds))
    coil = (
        np.linspace(0.97, 0.06, len(angle))[:, None]
        * radius
        * np.stack([np.cos(angle + 2.4), np.sin(angle + 2.4)], axis=1)
    )
    parts += [area(foot), area(ellipse(x, y, radius, radius * rng.uniform(0.88, 1.0)), "second")]
    parts.append(line(moved(coil * (1, 0.94), x, y), width=rng.uniform(0.04, 0.065)))
    parts.append(line(curve([(-0.86, lift + 0.3), (-0.8, lift + 0.34), (-0.72, lift + 0.3)]), width=0.028, detail=0.4))
    if rng.random() < 0.5:
        parts.append(area(ellipse(-0.76, lift + 0.17, 0.035), "dark", detail=0.2))
    return Shape(parts, spin=0.2)
