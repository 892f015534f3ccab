"""What one wears, each with sub-types and free proportions (coordinates: geometry.py)."""

import numpy as np

from hybrid_sbir.data.embedded.geometry import box, curve, ellipse, moved, path, thick, xy
from hybrid_sbir.data.embedded.parts import Shape, Tone, area, line


def glasses(rng: np.random.Generator) -> Shape:
    """Round, square or pilot's frames from the front, with the temples folded out."""
    wide, gap, rim = rng.uniform(0.34, 0.42), rng.uniform(0.08, 0.16), rng.uniform(0.045, 0.085)
    tall, x = wide * rng.uniform(0.68, 1.0), wide + gap / 2
    one = {
        "square": box(-wide, -0.8 * tall, wide, 0.8 * tall, rng.uniform(0.05, 0.2)),
        "round": ellipse(0, 0, wide, tall),
        "pilot": curve(xy([-1, 0, 1, 0.8, 0.2, -0.6], [-0.5, -0.72, -0.55, 0.5, 0.9, 0.6]) * (wide, tall), closed=True),
    }[rng.choice(["round", "square", "pilot"])]
    tone: Tone = "dark" if rng.random() < 0.4 else "main"
    lens: Tone = "glass" if rng.random() < 0.7 else "dark"
    reach, lift = rng.uniform(0.1, 0.3), rng.uniform(0.25, 0.5)
    hinge, y = x + 0.95 * wide, -0.3 * tall
    temple = curve(xy([hinge, hinge + 0.6 * reach, hinge - 0.15 * wide + 0.2 * reach], [y, y - 0.8 * lift, y - lift]))
    parts = [line(temple * (side, 1), tone, rim, 0.1) for side in (-1, 1)]
    parts += [area(moved(one, x, 0) * (side, 1), lens) for side in (-1, 1)]
    parts += [line(moved(one, x, 0) * (side, 1), tone, rim, closed=True) for side in (-1, 1)]
    parts.append(line(curve(xy([-0.7 * gap, 0, 0.7 * gap], [-0.15 * tall, y, -0.15 * tall])), tone, rim))
    if rng.random() < 0.3:
        parts += [area(ellipse(s * (0.5 * gap + 0.03), 0.1, 0.035, 0.06), "light", detail=0.3) for s in (-1, 1)]
    if rng.random() < 0.4:
        parts += [line(xy([s * x - 0.1, s * x + 0.08], [0.1, -0.14]), "light", 0.035, 0.4) for s in (-1, 1)]
    return Shape(parts, spin=0.4)


def hat(rng: np.random.Generator) -> Shape:
    """A brimmed hat, a top hat, a cap or a bobble hat."""
    kind = rng.choice(["brim", "top", "cap", "bobble"], p=[0.35, 0.2, 0.25, 0.2])
    if kind == "cap":
        return _cap(rng)
    if kind == "bobble":
        return _bobble(rng)
    wide, brim, rim = rng.uniform(0.42, 0.56), rng.uniform(0.8, 1.0), rng.uniform(0.1, 0.2)
    tall = rng.uniform(0.75, 1.0) if kind == "top" else rng.uniform(0.5, 0.65)
    base, flare = 0.4, rng.uniform(0.9, 1.15)
    parts = [area(ellipse(0, base, brim, rim))]
    if kind == "top":
        crown = path([(-wide, base), (-flare * wide, base - tall), (flare * wide, base - tall), (wide, base)])
        lid = [area(ellipse(0, base - tall, flare * wide, 0.09))]
    else:
        dent = rng.uniform(0.0, 0.14)
        crown = curve(
            [
                (-wide, base),
                (-0.85 * wide, base - 0.8 * tall),
                (-0.4 * wide, base - tall),
                (0, base - tall + dent),
                (0.4 * wide, base - tall),
                (0.85 * wide, base - 0.8 * tall),
                (wide, base),
            ]
        )
        lid = []
    sole = ellipse(0, base, wide, 0.5 * rim, 0.0, 0.5)
    parts.append(area(np.concatenate([crown, sole])))
    band = np.concatenate([sole - (0, 0.16), sole[::-1] - (0, 0.0)])
    parts.append(area(band, "second", detail=0.12))
    if kind == "brim" and rng.random() < 0.3:
        parts.append(area(ellipse(0.6 * wide, base + 0.02, 0.12), "light", detail=0.2))
    return Shape(parts + lid, spin=0.35)


def _cap(rng: np.random.Generator) -> Shape:
    wide, tall, peak = rng.uniform(0.55, 0.68), rng.uniform(0.6, 0.8), rng.uniform(0.45, 0.65)
    dome = np.concatenate(
        [
            curve(
                [
                    (-wide, 0.32),
                    (-0.85 * wide, 0.32 - 0.7 * tall),
                    (-0.1, 0.32 - tall),
                    (0.8 * wide, 0.32 - 0.65 * tall),
                    (wide, 0.32),
                ]
            ),
            curve([(wide, 0.32), (0, 0.4), (-wide, 0.32)])[1:-1],
        ]
    )
    visor = curve(
        [(-wide + 0.02, 0.22), (-wide - peak * 0.7, 0.34), (-wide - peak, 0.5), (-wide * 0.6, 0.46), (0.1, 0.4)],
        closed=True,
    )
    seams = [
        line(curve([(x, 0.38), (0.7 * x - 0.05, 0.3 - 0.6 * tall), (-0.1, 0.32 - tall)]), width=0.025, detail=0.2)
        for x in (-0.2, 0.3)[: rng.integers(1, 3)]
    ]
    parts = [
        area(dome),
        *seams,
        area(ellipse(-0.1, 0.31 - tall, 0.06, 0.045), "second", detail=0.2),
        area(visor, "second"),
    ]
    if rng.random() < 0.4:
        parts.append(area(ellipse(-0.3, 0.05, 0.13, 0.15), "light", detail=0.2))
    return Shape([part.moved(0.3, 0) for part in parts], spin=0.3)


def _bobble(rng: np.random.Generator) -> Shape:
    wide, tall, cuff = rng.uniform(0.62, 0.75), rng.uniform(0.85, 1.1), rng.uniform(0.24, 0.34)
    dome = curve(
        [
            (-wide, 0.5),
            (-0.88 * wide, 0.5 - 0.65 * tall),
            (0, 0.5 - tall),
            (0.88 * wide, 0.5 - 0.65 * tall),
            (wide, 0.5),
        ]
    )
    angle, spikes = np.linspace(0, 2 * np.pi, 24, endpoint=False), np.where(np.arange(24) % 2, 0.16, 0.2)[:, None]
    ball = moved(spikes * np.stack([np.cos(angle), np.sin(angle)], axis=1), 0, 0.44 - tall)
    parts = [area(dome), area(ball, "light")]
    if rng.random() < 0.5:
        parts += [
            area(thick(curve([(-0.86 * wide, y), (0, y - 0.05), (0.86 * wide, y)]), 0.045), "light", detail=0.2)
            for y in (0.05, 0.24)
        ]
    parts.append(area(box(-wide - 0.05, 0.42, wide + 0.05, 0.42 + cuff, 0.08), "second"))
    parts += [
        line(path([(x, 0.46), (x, 0.38 + cuff)]), width=0.024, detail=0.3)
        for x in np.linspace(-0.8, 0.8, int(rng.integers(4, 8))) * wide
    ]
    return Shape(parts, spin=0.3)


def shoe(rng: np.random.Generator) -> Shape:
    """A sneaker, a boot or a high heel."""
    kind = rng.choice(["sneaker", "boot", "heel"], p=[0.45, 0.3, 0.25])
    if kind == "heel":
        return _heel(rng)
    top = rng.uniform(-0.9, -0.55) if kind == "boot" else rng.uniform(-0.3, -0.1)
    sole, toe = rng.uniform(0.1, 0.2), rng.uniform(0.16, 0.26)
    throat = -0.05 if kind == "boot" else rng.uniform(0.05, 0.16)
    upper = [
        (0.85, 0.45),
        (0.88, 0.1),
        (0.82, top),
        (throat, top + 0.06),
        (throat - 0.06, min(0.05, top + 0.3)),
        (-0.5, 0.45 - toe - 0.06),
        (-0.9, 0.45 - 0.6 * toe),
        (-0.98, 0.45),
    ]
    parts = [area(np.concatenate([path([upper[0]]), curve(upper)[1:-1], path([upper[-1]])]))]
    parts.append(area(box(-1.0, 0.42, 0.9, 0.42 + sole, 0.07), "light"))
    if kind == "boot" and rng.random() < 0.7:
        parts.append(area(box(0.5, 0.42 + sole, 0.9, 0.5 + sole), "dark", detail=0.1))
    parts.append(line(curve([(-0.58, 0.43), (-0.52, 0.26), (-0.62, 0.16)]), width=0.028, detail=0.2))
    for k in range(int(rng.integers(2, 5))):
        x, y = throat - 0.06 - 0.11 * k, min(0.02, top + 0.25) + 0.06 * k
        parts.append(line(path([(x, y), (x + 0.2, y + 0.07)]), "light", 0.045, 0.15))
    if rng.random() < 0.55:
        stripe = [curve([(0.1, 0.4), (0.35, 0.25), (0.75, 0.12)]), path([(0.3, 0.38), (0.42, 0.0)])][
            int(rng.integers(2))
        ]
        parts.append(line(stripe, "second", 0.08, 0.25))
    if rng.random() < 0.5:
        parts.append(
            area(
                curve([(0.62, top + 0.02), (0.84, top - 0.02), (0.9, 0.1), (0.76, 0.14)], closed=True),
                "second",
                detail=0.25,
            )
        )
    return Shape(parts, spin=0.3)


def _heel(rng: np.random.Generator) -> Shape:
    lift, thin = rng.uniform(0.55, 0.8), rng.uniform(0.03, 0.07)
    sole = curve([(-0.95, 0.7), (-0.6, 0.72), (-0.1, 0.66 - 0.35 * lift), (0.4, 0.72 - lift), (0.85, 0.66 - lift)])
    open_top = curve(
        [
            (0.88, 0.36 - lift),
            (0.5, 0.5 - lift),
            (0.05, 0.62 - 0.6 * lift),
            (-0.3, 0.62 - 0.3 * lift),
            (-0.62, 0.46),
            (-0.95, 0.66),
        ]
    )
    heel = path([(0.58, 0.69 - lift), (0.86, 0.64 - lift), (0.8 + thin, 0.76), (0.78 - thin, 0.76)])
    parts = [area(heel, "dark"), area(np.concatenate([sole, open_top]))]
    parts.append(area(thick(moved(sole, 0, 0.03), 0.03), "dark", detail=0.2))
    if rng.random() < 0.4:
        parts.append(
            line(
                curve([(0.84, 0.4 - lift), (0.5, 0.16 - lift), (0.3, 0.32 - lift), (0.5, 0.5 - lift)]),
                "second",
                0.06,
                0.15,
            )
        )
    elif rng.random() < 0.5:
        parts.append(
            area(
                curve([(-0.75, 0.46), (-0.45, 0.36), (-0.45, 0.56), (-0.75, 0.62)], closed=True, steps=4),
                "second",
                detail=0.2,
            )
        )
    return Shape(parts, spin=0.3)
