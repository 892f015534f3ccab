"""The house and the books in it, each with sub-types and free proportions (coordinates: geometry.py)."""

import numpy as np

from hybrid_sbir.data.embedded.geometry import box, curve, ellipse, moved, path, thick, xy
from hybrid_sbir.data.embedded.parts import Part, Shape, area, line, pane


def book(rng: np.random.Generator) -> Shape:
    """Closed and seen at an angle, or lying open."""
    if rng.random() < 0.45:
        return _open_book(rng)
    wide, tall, deep = rng.uniform(0.95, 1.3), rng.uniform(1.2, 1.6), rng.uniform(0.12, 0.3)
    left, top, slope = -wide / 2 - deep / 2, -tall / 2, rng.uniform(0.3, 0.8) * deep
    cover = path([(left, top), (left + wide, top), (left + wide, top + tall), (left, top + tall)])
    pages = path(
        [
            (left + wide, top),
            (left + wide + deep, top - slope),
            (left + wide + deep, top + tall - slope),
            (left + wide, top + tall),
        ]
    )
    above = path([(left, top), (left + deep, top - slope), (left + wide + deep, top - slope), (left + wide, top)])
    parts = [area(pages, "light"), area(above, "light")]
    for k in range(1, int(rng.integers(2, 5))):
        shift = np.array([deep, -slope]) * k / 4
        parts.append(line(path([(left + wide, top + tall), (left + wide, top)]) + shift, "metal", 0.018, 0.35))
    parts += [area(cover), line(path([(left + 0.14, top), (left + 0.14, top + tall)]), width=0.025, detail=0.2)]
    if rng.random() < 0.8:
        x, y = left + 0.25, top + rng.uniform(0.15, 0.4)
        parts.append(area(box(x, y, left + wide - 0.12, y + rng.uniform(0.2, 0.4), 0.03), "second", detail=0.15))
        for k in range(int(rng.integers(0, 3))):
            parts.append(
                line(
                    path([(x + 0.06, y + 0.1 + 0.12 * k), (left + wide - 0.2 - 0.1 * k, y + 0.1 + 0.12 * k)]),
                    width=0.03,
                    detail=0.3,
                )
            )
    if rng.random() < 0.3:
        parts.append(
            area(box(left + wide - 0.3, top + tall - 0.02, left + wide - 0.2, top + tall + 0.16), "second", detail=0.2)
        )
    return Shape(parts, spin=0.45)


def _open_book(rng: np.random.Generator) -> Shape:
    rise, dip, tall = rng.uniform(0.06, 0.18), rng.uniform(0.0, 0.12), rng.uniform(0.75, 1.05)
    top, parts = -tall / 2, []
    cover = path([(-1.0, top + 0.04), (1.0, top + 0.04), (1.0, top + tall + 0.06), (-1.0, top + tall + 0.06)])
    parts.append(area(cover, "main", detail=0.2))
    lines, picture = int(rng.integers(3, 7)), rng.random() < 0.3
    for side in (-1, 1):
        edge = curve([(0, dip), (side * 0.3, -rise), (side * 0.7, -0.5 * rise), (side * 0.94, 0)])
        page = np.concatenate([moved(edge, 0, top), moved(edge, 0, top + tall)[::-1]])
        parts.append(area(page, "light"))
        if picture and side > 0:
            parts.append(area(box(0.2, top + 0.2, 0.78, top + 0.6 * tall, 0.02), "second", detail=0.2))
            continue
        for y in np.linspace(0.2, 0.82, lines) * tall + top:
            parts.append(line(moved(edge[4:-4] * (1, 0.6), 0, y), "dark", 0.024, 0.25))
    return Shape(parts, spin=0.4)


def house(rng: np.random.Generator) -> Shape:
    """A gabled front, alone or with a long side; door, windows and chimney vary."""
    wide, eaves, peak = rng.uniform(0.45, 0.6), rng.uniform(-0.25, 0.0), rng.uniform(-0.9, -0.65)
    over, deep = rng.uniform(0.04, 0.12), rng.uniform(0.6, 0.85)
    chimney, x = rng.random() < 0.65, rng.uniform(0.2, 0.35)
    parts: list[Part] = []
    if chimney:
        parts.append(area(box(x, peak - 0.02, x + 0.17, eaves), "second", detail=0.1))
        parts.append(area(box(x - 0.03, peak - 0.06, x + 0.2, peak + 0.03), "dark", detail=0.3))
    if rng.random() < 0.5:
        parts = [part.moved(0.4 * deep, 0) for part in parts] + _long_side(rng, wide, eaves, peak, deep, over)
        return Shape([part.moved(-0.55 * deep, 0) for part in parts + _front(rng, wide, eaves)], spin=0.12)
    wide *= rng.uniform(1.1, 1.5)
    gable = xy([-wide, 0, wide, wide, -wide], [eaves, peak, eaves, 0.85, 0.85])
    roof = xy([-wide - over, 0, wide + over], [eaves, peak - over, eaves])
    return Shape([*parts, area(gable), area(roof, "second"), *_front(rng, wide, eaves)], spin=0.12)


def _long_side(
    rng: np.random.Generator, wide: float, eaves: float, peak: float, deep: float, over: float
) -> list[Part]:
    """The side wall, the gable's wall and the roof of a house seen at an angle."""
    lift, right = 0.06, wide + deep
    parts = [area(xy([wide, right, right, wide], [eaves, eaves - lift, 0.85 - lift, 0.85]))]
    for x in np.linspace(0.2, 0.8, 3)[:: int(rng.integers(1, 3))] * deep + wide:
        parts.append(pane(x - 0.09, eaves + 0.22, x + 0.09, eaves + 0.46, detail=0.15))
    low = eaves + over
    parts.append(area(xy([-wide, 0, wide, wide, -wide], [eaves, peak, eaves, 0.85, 0.85]), "light"))
    roof = xy([0, deep, right + over, wide + over], [peak - over, peak - over - lift, low - lift, low])
    ridge = xy([-wide - over, 0, wide + over], [low, peak - over, low])
    return [*parts, area(roof, "second"), area(thick(ridge, 0.045), "dark", detail=0.15)]


def _front(rng: np.random.Generator, wide: float, eaves: float) -> list[Part]:
    """Door and windows of a gable's wall."""
    door = rng.choice([0.0, -0.4, 0.4]) * wide
    parts = [area(box(door - 0.12, rng.uniform(0.28, 0.42), door + 0.12, 0.85, 0.02), "dark", detail=0.04)]
    for x in (-0.6 * wide, 0.0, 0.6 * wide):
        if abs(x - door) > 0.28 and rng.random() < 0.8:
            parts += _window(x, eaves + 0.4, 0.11)
    if rng.random() < 0.4:
        parts.append(area(ellipse(0, eaves - 0.28, 0.1), "glass", detail=0.2))
    return parts


def _window(x: float, y: float, half: float) -> list[Part]:
    cross = [path([(x - half, y), (x + half, y)]), path([(x, y - half), (x, y + half)])]
    return [pane(x - half, y - half, x + half, y + half), *(line(bar, "light", 0.028, 0.3) for bar in cross)]
