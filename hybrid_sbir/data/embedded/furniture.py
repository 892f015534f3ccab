"""Furniture, clocks and lamps, each with sub-types and free proportions (coordinates: geometry.py)."""

import numpy as np

from hybrid_sbir.data.embedded.geometry import box, curve, ellipse, mirrored, moved, path, thick, turned, xy
from hybrid_sbir.data.embedded.parts import Part, Shape, area, line


def chair(rng: np.random.Generator) -> Shape:
    """A wooden chair at an angle with slats or a solid back, or an arm-chair."""
    if rng.random() < 0.25:
        return _armchair(rng)
    wide, skew, lift = rng.uniform(0.75, 0.95), rng.uniform(0.15, 0.32), rng.uniform(0.16, 0.28)
    seat_y, high, thin = rng.uniform(0.05, 0.2), rng.uniform(-0.98, -0.75), rng.uniform(0.035, 0.055)
    left, right = -wide / 2 - skew / 2, wide / 2 - skew / 2
    near, far = [(left, seat_y + lift), (right, seat_y + lift)], [(left + skew, seat_y), (right + skew, seat_y)]
    foot = 0.95
    parts = [area(thick(path([(x, y), (x, foot - 0.16)]), thin), "second") for x, y in far]
    lean = rng.uniform(0.0, 0.12)
    posts = [path([(x, seat_y), (x + lean, high)]) for x, _ in far]
    back = rng.choice(["slats", "bars", "solid"])
    if back == "solid":
        parts.append(area(np.concatenate([posts[0] * (1, 1), posts[1][::-1]]) * (1, 1), "main"))
    elif back == "slats":
        for share in np.linspace(0.3, 0.9, int(rng.integers(2, 4))):
            ends = [p[0] + (p[1] - p[0]) * share for p in posts]
            parts.append(area(thick(path(ends), 0.055), "main"))
    else:
        parts.append(area(thick(path([posts[0][1], posts[1][1]]), 0.06), "main"))
        for share in np.linspace(0, 1, int(rng.integers(4, 6)))[1:-1]:
            parts.append(area(thick(posts[0] + (posts[1] - posts[0]) * share, 0.026), "main", detail=0.1))
    parts += [area(thick(post, thin), "second") for post in posts]
    parts += [area(thick(path([(x, y), (x, foot)]), thin), "second") for x, y in near]
    parts += [
        area(path([*near, *far[::-1]])),
        area(path([near[0], near[1], (near[1][0], near[1][1] + 0.09), (near[0][0], near[0][1] + 0.09)]), detail=0.2),
    ]
    return Shape(parts, spin=0.15)


def _armchair(rng: np.random.Generator) -> Shape:
    wide, high, arm = rng.uniform(0.62, 0.75), rng.uniform(-0.9, -0.65), rng.uniform(-0.15, 0.05)
    parts = [
        area(box(s * wide * 0.85 - 0.06, 0.6, s * wide * 0.85 + 0.06, 0.92, 0.02), "dark", detail=0.15) for s in (-1, 1)
    ]
    parts += [area(box(-wide, high, wide, 0.6, rng.uniform(0.12, 0.35))), area(box(-wide, 0.36, wide, 0.7, 0.06))]
    parts.append(area(box(-wide + 0.08, 0.14, wide - 0.08, 0.42, 0.1), "second"))
    parts += [area(box(s * wide - 0.17, arm, s * wide + 0.17, 0.72, 0.14)) for s in (-1, 1)]
    if rng.random() < 0.5:
        parts += [area(ellipse(x, high + 0.35, 0.035), "dark", detail=0.4) for x in (-0.28, 0, 0.28)]
    return Shape(parts, spin=0.12)


def clock(rng: np.random.Generator) -> Shape:
    """Round, oval or square on the wall, or an alarm clock with bells; any time."""
    form, alarm = rng.choice(["round", "oval", "square"], p=[0.6, 0.15, 0.25]), rng.random() < 0.3
    wide = rng.uniform(0.7, 0.85) if alarm else rng.uniform(0.8, 0.95)
    tall, rim = wide * (1.0 if form != "oval" else rng.uniform(0.72, 0.85)), rng.uniform(0.76, 0.9)
    if form == "square":
        case, face = (
            box(-wide, -tall, wide, tall, rng.uniform(0, 0.2)),
            box(-wide * rim, -tall * rim, wide * rim, tall * rim, 0.08),
        )
    else:
        case, face = ellipse(0, 0, wide, tall), ellipse(0, 0, wide * rim, tall * rim)
    parts: list[Part] = []
    if alarm:
        parts += [
            area(thick(path([(s * 0.4, 0.6 * tall), (s * 0.62, tall + 0.2)]), 0.05), "dark", detail=0.1)
            for s in (-1, 1)
        ]
        bell = ellipse(0, 0, 0.3, 0.26, 0.5, 1.0)
        parts += [area(moved(turned(bell, s * 0.6), s * 0.5 * wide, -0.92 * tall), "second") for s in (-1, 1)]
        parts.append(line(path([(0, -tall), (0, -tall - 0.22)]), "dark", 0.06, 0.2))
    parts += [area(case), area(face, "light")]
    step = int(rng.choice([1, 3], p=[0.6, 0.4]))
    for hour in range(0, 12, step):
        ray = np.array([np.cos(np.pi * hour / 6) * wide, np.sin(np.pi * hour / 6) * tall]) * rim
        if form == "square":
            ray = ray / max(abs(ray[0] / wide / rim), abs(ray[1] / tall / rim))
        parts.append(line(np.stack([0.8 * ray, 0.92 * ray]), width=0.045, detail=0.15))
    for length, width in ((0.42, 0.075), (0.68, 0.05)):
        angle = rng.uniform(0, 2 * np.pi)
        parts.append(
            line(
                path([(0, 0), (length * tall * rim * np.cos(angle), length * tall * rim * np.sin(angle))]),
                "dark",
                width,
            )
        )
    parts.append(area(ellipse(0, 0, 0.06), "dark", detail=0.3))
    return Shape(parts, spin=0.25)


def lamp(rng: np.random.Generator) -> Shape:
    """A table or floor lamp with a shade, a jointed desk lamp, or a hanging one."""
    kind = rng.choice(["table", "floor", "desk", "hanging"], p=[0.4, 0.2, 0.25, 0.15])
    if kind == "desk":
        return _desk_lamp(rng)
    narrow, flare = rng.uniform(0.16, 0.34), rng.uniform(0.45, 0.62)
    low = {"table": 0.05, "floor": -0.35, "hanging": 0.7}[kind]
    high = low - rng.uniform(0.5, 0.75)
    edge = xy([narrow, 0.5 * (narrow + flare), flare], [high, 0.5 * (high + low) + rng.uniform(-0.04, 0.12), low])
    parts = _suspension(high, low) if kind == "hanging" else _stand(rng, kind == "table", low)
    parts.append(area(mirrored(curve(edge), smooth=False)))
    if rng.random() < 0.5:
        parts.append(line(xy([-0.94 * flare, 0.94 * flare], [low - 0.07, low - 0.07]), "second", 0.05, 0.3))
    if kind != "hanging" and rng.random() < 0.4:
        parts.append(line(xy([0.2, 0.2], [low, low + 0.24]), "dark", 0.024, 0.2))
        parts.append(area(ellipse(0.2, low + 0.26, 0.035), "dark", detail=0.3))
    return Shape(parts, spin=0.15)


def _suspension(high: float, low: float) -> list[Part]:
    bulb = area(ellipse(0, low + 0.02, 0.17), "light", detail=0.1)
    return [area(thick(xy([0, 0], [-0.98, high]), 0.024), "dark"), bulb]


def _stand(rng: np.random.Generator, bellied: bool, low: float) -> list[Part]:
    parts = [area(ellipse(0, 0.88, rng.uniform(0.3, 0.42), 0.09), "dark")]
    if bellied and rng.random() < 0.6:
        vase = xy([0.05, 0.06, rng.uniform(0.16, 0.3), 0.1], [low - 0.05, 0.2, 0.5, 0.86])
        return [*parts, area(mirrored(curve(vase), smooth=False), "second")]
    return [*parts, area(thick(xy([0, 0], [low - 0.05, 0.86]), rng.uniform(0.03, 0.05)), "second")]


def _desk_lamp(rng: np.random.Generator) -> Shape:
    elbow, head = (rng.uniform(0.3, 0.6), rng.uniform(-0.15, 0.1)), (rng.uniform(-0.2, 0.0), rng.uniform(-0.75, -0.6))
    foot = (rng.uniform(-0.1, 0.15), 0.85)
    bell = path([(-0.1, -0.12), (0.1, -0.12), (0.34, 0.38), (-0.34, 0.38)])
    angle = rng.uniform(0.3, 0.9)
    parts = [area(turned(ellipse(0, 0.38, 0.16), angle) + head, "light", detail=0.1)]
    parts += [area(thick(path([foot, elbow]), 0.035), "metal"), area(thick(path([elbow, head]), 0.035), "metal")]
    parts += [
        area(ellipse(*elbow, 0.065), "dark", detail=0.2),
        area(
            np.concatenate(
                [ellipse(foot[0], 0.9, 0.36, 0.14, 0.5, 1.0), path([(foot[0] + 0.36, 0.95), (foot[0] - 0.36, 0.95)])]
            ),
            "second",
        ),
    ]
    return Shape([*parts, area(turned(bell, angle) + head)], spin=0.15)
