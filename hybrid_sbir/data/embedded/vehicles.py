"""Vehicles, each with sub-types and free proportions (coordinates: geometry.py); they drive to the left."""

from itertools import pairwise

import numpy as np

from hybrid_sbir.data.embedded.geometry import box, curve, ellipse, mirrored, moved, path, thick, xy
from hybrid_sbir.data.embedded.parts import Part, Shape, area, line, pane, wheel


def airplane(rng: np.random.Generator) -> Shape:
    """An airliner from the side, or an aircraft from above."""
    if rng.random() < 0.4:
        return _from_above(rng)
    fat, climb = rng.uniform(0.13, 0.2), rng.uniform(0.28, 0.45)
    y = np.array([0.3, -0.75, -1, -0.8, -0.35, 0.75, 1, 0.8]) * fat
    body = curve(xy([-0.98, -0.8, -0.4, 0.5, 0.98, 0.55, -0.3, -0.8], y), closed=True)
    fin = xy([0.55, 0.82, 0.99, 0.93], [-0.6 * fat, -fat - climb, -fat - climb, -0.3 * fat])
    sweep, reach = rng.uniform(0.2, 0.45), rng.uniform(0.38, 0.6)
    near = xy([-0.22, sweep - 0.02, sweep + 0.16, 0.24], [0.3 * fat, reach, reach, 0.25 * fat])
    far = xy([-0.15, 0.8 * sweep, 0.8 * sweep + 0.12, 0.2], [-0.6 * fat, -0.75 * reach, -0.75 * reach, -0.6 * fat])
    parts = [area(far, "second", detail=0.3), area(fin, "second"), area(body)]
    windows = np.linspace(-0.5, 0.55, int(rng.integers(4, 9)))
    parts += [area(ellipse(x, -0.25 * fat, 0.035, 0.045), "glass", detail=0.25) for x in windows]
    cockpit = xy([-0.86, -0.8, -0.66, -0.66], np.array([-0.1, -0.6, -0.6, -0.1]) * fat)
    parts.append(area(cockpit, "glass", detail=0.2))
    if rng.random() < 0.6:
        x, y_engine = 0.3 * sweep, 0.5 * reach
        parts.append(area(box(x - 0.08, y_engine, x + 0.2, y_engine + 0.11, 0.05), "metal", detail=0.2))
    tail = xy([0.66, 0.92, 1.04, 0.93], [0.0, 0.16, 0.16, -0.03])
    return Shape([*parts, area(near, "second"), area(tail, "second", detail=0.2)], spin=0.5)


def _from_above(rng: np.random.Generator) -> Shape:
    thin, reach, sweep = rng.uniform(0.1, 0.15), rng.uniform(0.75, 0.98), rng.uniform(0.0, 0.45)
    body = mirrored([(0, -0.98), (0.8 * thin, -0.75), (thin, -0.3), (0.8 * thin, 0.4), (0.3 * thin, 0.9), (0, 0.92)])
    wing = mirrored(
        [(thin * 0.5, -0.28), (reach, sweep - 0.12), (reach, sweep + 0.08), (thin * 0.5, 0.14)], smooth=False
    )
    tail = mirrored([(thin * 0.3, 0.6), (0.36, 0.75), (0.36, 0.88), (0.0, 0.84)], smooth=False)
    parts = [area(wing, "second"), area(tail, "second")]
    if rng.random() < 0.7:
        x, y = 0.45 * reach, -0.2 + 0.45 * sweep
        parts += [area(box(s * x - 0.06, y - 0.1, s * x + 0.06, y + 0.2, 0.05), "metal", detail=0.15) for s in (-1, 1)]
    parts += [
        area(body),
        area(mirrored([(0, -0.84), (0.55 * thin, -0.72), (0.5 * thin, -0.64), (0, -0.66)]), "glass", detail=0.2),
    ]
    return Shape(parts, spin=3.1)


def bicycle(rng: np.random.Generator) -> Shape:
    """Diamond or step-through frame; wheels with or without spokes, mudguards, basket."""
    radius, span = rng.uniform(0.34, 0.42), rng.uniform(0.54, 0.62)
    y, tube, tyre = 0.35, rng.uniform(0.045, 0.07), rng.uniform(0.045, 0.08)
    rear, front, crank = (span, y), (-span, y), (0.06, y + 0.02)
    saddle, head = (0.2, -0.22), (-0.4, -0.3)
    parts: list[Part] = []
    spokes, twist = int(rng.choice([0, 4, 6, 8])), rng.uniform(0, 1)
    for x, _ in (rear, front):
        rim = ellipse(x, y, radius)
        parts.append(line(rim, "dark", tyre, closed=True))
        for spoke in range(spokes):
            end = ellipse(x, y, radius * 0.95, start=twist + spoke / spokes, stop=twist + spoke / spokes + 0.01)[0]
            parts.append(line(path([(x, y), tuple(end)]), "metal", 0.018, detail=0.25))
        parts.append(area(ellipse(x, y, 0.045), "metal", detail=0.3))
    top = (0.15, -0.08) if rng.random() < 0.3 else (0.16, -0.2)
    frame = [[rear, crank], [rear, top], [crank, saddle], [crank, (-0.36, -0.16)], [(-0.38, -0.22), top]]
    if rng.random() < 0.3:
        frame[-1] = [(-0.37, -0.12), (0.13, 0.12)]
    parts += [line(path(ends), "main", tube) for ends in frame]
    parts.append(line(path([front, (-0.46, 0.0), head, (-0.42, -0.4)]), "main", tube))
    bar = [
        [(-0.42, -0.4), (-0.3, -0.5), (-0.16, -0.46)],
        [(-0.42, -0.4), (-0.62, -0.44), (-0.64, -0.3), (-0.5, -0.26)],
        [(-0.42, -0.4), (-0.5, -0.55), (-0.28, -0.58)],
    ]
    parts.append(line(curve(bar[int(rng.integers(3))]), "dark", 0.055))
    parts.append(line(path([saddle, (0.22, -0.36)]), "metal", 0.045))
    parts.append(
        area(curve([(0.02, -0.4), (0.3, -0.46), (0.4, -0.42), (0.34, -0.34), (0.16, -0.35)], closed=True), "dark")
    )
    parts += [area(ellipse(*crank, 0.09), "metal", detail=0.15)]
    parts.append(
        line(path([(crank[0] - 0.04, crank[1] - 0.17), crank, (crank[0] + 0.04, crank[1] + 0.17)]), "dark", 0.045, 0.2)
    )
    if rng.random() < 0.25:
        parts.append(area(path([(-0.9, -0.36), (-0.5, -0.36), (-0.55, -0.06), (-0.84, -0.06)]), "second", detail=0.1))
    return Shape(parts, spin=0.15)


def bus(rng: np.random.Generator) -> Shape:
    """A city bus, a double-decker or a school bus with a bonnet."""
    kind = rng.choice(["city", "double", "school"], p=[0.5, 0.25, 0.25])
    top = {"city": rng.uniform(-0.5, -0.32), "double": rng.uniform(-0.85, -0.7), "school": rng.uniform(-0.5, -0.36)}[
        kind
    ]
    nose = -0.66 if kind == "school" else -0.98
    parts = [area(box(nose, top, 0.98, 0.45, rng.uniform(0.05, 0.16)))]
    if kind == "school":
        parts.insert(
            0,
            area(
                np.concatenate(
                    [curve([(-0.6, 0.0), (-0.88, 0.02), (-0.99, 0.14)]), path([(-0.99, 0.45), (-0.6, 0.45)])]
                )
            ),
        )
    rows = [(top + 0.12, top + 0.42)] if kind != "double" else [(top + 0.12, top + 0.42), (top + 0.6, top + 0.9)]
    door = rng.random() < 0.7
    count = int(rng.integers(3, 7))
    for number, (high, low) in enumerate(rows):
        start = nose + (0.34 if door and number == len(rows) - 1 else 0.08)
        edges = np.linspace(start, 0.92, count + 1)
        parts += [pane(a + 0.025, high, b - 0.025, low, 0.03) for a, b in pairwise(edges)]
    if door:
        parts += [pane(nose + 0.07, rows[-1][0], nose + 0.29, 0.4, 0.02, detail=0.15)]
        parts.append(line(path([(nose + 0.18, rows[-1][0]), (nose + 0.18, 0.4)]), width=0.03, detail=0.3))
    if rng.random() < 0.6:
        parts.append(area(box(nose + 0.34, 0.16, 0.97, 0.16 + rng.uniform(0.05, 0.11)), "second", detail=0.25))
    parts.append(area(ellipse(nose + 0.02 if kind != "school" else -0.95, 0.3, 0.05, 0.06), "light", detail=0.3))
    for x in (-0.55, 0.55, 0.3)[: 3 if rng.random() < 0.2 else 2]:
        parts += wheel(x + rng.uniform(-0.06, 0.06), 0.46, rng.uniform(0.16, 0.2))
    return Shape(parts, spin=0.12)


def car(rng: np.random.Generator) -> Shape:
    """Saloon, hatchback, beetle or pick-up from the side, with two or more windows."""
    kind = rng.choice(["saloon", "hatch", "beetle", "pickup"], p=[0.35, 0.25, 0.2, 0.2])
    roof, waist = rng.uniform(-0.46, -0.32), rng.uniform(-0.04, 0.06)
    cabin = {
        "saloon": xy([-0.5, -0.28, 0.3, 0.58], [waist, roof, roof, waist]),
        "hatch": xy([-0.52, -0.3, 0.58, 0.86], [waist, roof, roof, waist]),
        "beetle": curve(
            xy([-0.6, -0.36, 0, 0.42, 0.72], [waist, 0.75 * roof, 1.12 * roof, 0.72 * roof, waist]), steps=5
        ),
        "pickup": xy([-0.45, -0.22, 0.16, 0.2], [waist, roof, roof, waist]),
    }[kind]
    hood = waist + (0.1 if kind == "beetle" else rng.uniform(0.0, 0.08))
    y = [0.34, 0.2, hood + 0.06, waist, waist, waist + 0.04, 0.2, 0.34]
    lower = curve(xy([-0.97, -0.98, -0.9, -0.5, 0.55, 0.92, 0.98, 0.96], y), steps=5)
    middle = (cabin.min(axis=0) + cabin.max(axis=0)) / 2
    glass = moved(middle + (cabin - middle) * (0.8, 0.72), 0, 0.01)
    parts = [area(cabin), area(lower), area(glass, "glass", detail=0.06)]
    pillars = [0.05] * (kind != "pickup" and rng.random() < 0.5) + [0.36] * (kind == "hatch" and rng.random() < 0.6)
    parts += [line(xy([x, x], [glass[:, 1].min(), waist]), "main", 0.07, detail=0.1) for x in pillars]
    if rng.random() < 0.8:
        x = rng.uniform(-0.02, 0.12)
        parts.append(line(xy([x, x], [waist, 0.3]), width=0.022, detail=0.25))
        parts.append(line(xy([x + 0.06, x + 0.16], [waist + 0.1, waist + 0.1]), "metal", 0.035, 0.3))
    parts.append(area(ellipse(-0.9, 0.13, 0.055, 0.07), "light", detail=0.2))
    parts.append(area(box(0.9, 0.08, 0.97, 0.2, 0.02), "second", detail=0.3))
    if rng.random() < 0.5:
        parts.append(area(box(-1.02, 0.24, -0.8, 0.32, 0.03), "metal", detail=0.3))
    radius, hub = rng.uniform(0.17, 0.22), rng.uniform(0.4, 0.6)
    return Shape([*parts, *wheel(-0.58, 0.36, radius, hub), *wheel(0.56, 0.36, radius, hub)], spin=0.15)


def sailboat(rng: np.random.Generator) -> Shape:
    """One mast with one or two sails, a flag, waves."""
    deck, keel, mast = rng.uniform(0.42, 0.5), rng.uniform(0.78, 0.9), rng.uniform(-0.1, 0.12)
    top, bow = rng.uniform(-0.98, -0.85), rng.uniform(0.75, 0.95)
    hull = np.concatenate(
        [
            path([(-bow, deck - 0.06), (0.85, deck)]),
            curve([(0.85, deck), (0.66, keel), (-0.5, keel), (-bow, deck - 0.06)])[1:-1],
        ]
    )
    boom = deck - rng.uniform(0.08, 0.16)
    belly = rng.uniform(0.0, 0.14)
    main = np.concatenate(
        [curve([(mast + 0.03, top + 0.06), (mast + 0.4 + belly, -0.2), (0.78, boom)]), path([(mast + 0.03, boom)])]
    )
    parts = [
        area(thick(path([(mast, top), (mast, deck)]), 0.024), "dark"),
        area(main, "light" if rng.random() < 0.5 else "second"),
    ]
    if rng.random() < 0.75:
        jib = curve([(mast - 0.04, top + 0.14), (-0.42 - 0.5 * belly, -0.1), (-bow + 0.06, deck - 0.12)])
        parts.append(area(np.concatenate([jib, path([(mast - 0.06, boom + 0.02)])]), "second"))
    if rng.random() < 0.5:
        parts.append(area(path([(mast, top), (mast + 0.24, top + 0.07), (mast, top + 0.14)]), "main", detail=0.1))
    if rng.random() < 0.4:
        parts += [
            line(path([(mast + 0.04, y), (mast + 0.55 * (y + 1) + 0.04, y)]), width=0.022, detail=0.3)
            for y in (-0.35, 0.0)
        ]
    parts.append(area(hull))
    parts.append(line(path([(-bow + 0.12, deck + 0.1), (0.8, deck + 0.13)]), "light", 0.04, 0.3))
    if rng.random() < 0.6:
        for start in (-0.9, -0.3, 0.3)[: rng.integers(1, 4)]:
            wave = curve([(start + 0.14 * k, keel + 0.04 + 0.06 * (k % 2)) for k in range(5)], steps=4)
            parts.append(line(wave, "glass", 0.05, 0.15))
    return Shape(parts, spin=0.25)
