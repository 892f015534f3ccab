"""Sketches: an object's visible outlines, drawn by an unsteady and forgetful hand.

Shapes: L points of a stroke; a stroke is (2, L) as everywhere in hybrid_sbir.data.strokes, a path (L, 2).
"""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from hybrid_sbir.data.embedded.geometry import Path, inside, resampled, turned
from hybrid_sbir.data.embedded.parts import Part
from hybrid_sbir.data.embedded.pose import Pose
from hybrid_sbir.data.embedded.shapes import draw_shape
from hybrid_sbir.data.strokes import rasterize

CANVAS = 255.0  # strokes live on QuickDraw's canvas
STEP = 0.012  # distance of a stroke's points, as a share of the canvas
THICK = 0.03  # from this width on, as a share of the canvas, a ring has two edges


@dataclass(frozen=True)
class Hand:
    """The habits of one drawer; lengths are shares of the canvas, the rest are chances.

    Attributes:
        wobble: how far the line strays.
        misplace: how far a part lies from where it belongs.
        haste: factor on the chance that a detail is left out.
        gap: largest share of a closed outline that stays open, or is drawn twice.
        split: chance that an outline is drawn in two goes.
        double: chance that a line is drawn again.
        coarse: how many points of the line are skipped between two that are kept.
        unfinished: share of the strokes, the lesser ones, that are never drawn.
        ink: the total length of line that this drawer tends to spend.
    """

    wobble: float
    misplace: float
    haste: float
    gap: float
    split: float
    double: float
    coarse: int
    unfinished: float
    ink: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Hand":
        """A random drawer, from careful to sloppy."""
        sloppy = rng.uniform(0, 1) ** 1.3
        return cls(
            wobble=0.003 + 0.01 * sloppy,
            misplace=0.003 + 0.018 * sloppy,
            haste=rng.uniform(0.3, 2.5),
            gap=0.02 + 0.12 * sloppy,
            split=rng.uniform(0.0, 0.5),
            double=rng.uniform(0.0, 1.0) ** 3 * 0.7,
            coarse=int(rng.choice([1, 2, 3, 5], p=[0.4, 0.25, 0.2, 0.15])),
            unfinished=max(0.0, rng.uniform(-0.5, 0.4)),
            ink=rng.uniform(3.0, 7.0),
        )


def draw_strokes(name: str, rng: np.random.Generator) -> list[np.ndarray]:
    """One sketch of a class as strokes, each (2, L) float64 on a canvas of 256 x 256 that it about fills, y down.

    Raises:
        ValueError: the set has no such class.
    """
    shape = draw_shape(name, rng)
    hand = Hand.draw(rng)
    parts = Pose.draw(rng, shape.spin, (0.9, 0.9)).applied(shape)
    kept = [part for part in parts if rng.random() >= hand.haste * part.detail]
    parts = _shaded([_misplaced(piece, hand, rng) for part in kept for piece in _edges(part, rng)], hand, rng)
    strokes: list[Path] = []
    for number, part in enumerate(parts):
        for piece in _visible(part, parts[number + 1 :], rng):
            strokes += _goes(piece, hand, rng)
    order = np.argsort([-len(stroke) * rng.uniform(0.3, 1.7) for stroke in strokes])
    order = order[: max(2, round(len(order) * (1 - hand.unfinished)))]
    strokes = _unsteady([strokes[number] for number in order], hand, rng)
    return [np.ascontiguousarray(CANVAS * np.clip(stroke, 0.005, 0.995).T) for stroke in strokes]


def render_sketch(name: str, rng: np.random.Generator, size: int) -> Image.Image:
    """One sketch of a class, mode L, black on white, of size x size pixels: large or small, with a thick or thin pen.

    The rasteriser centres a drawing and makes it fill its picture; place and size on the paper are drawn here.

    Raises:
        ValueError: the set has no such class.
    """
    strokes = draw_strokes(name, rng)
    extent, width, place = rng.uniform(0.55, 1.0), rng.uniform(0.012, 0.028), rng.uniform(0, 1, 2)
    side = max(8, round(extent * size))
    paper = Image.new("L", (size, size), 255)
    corner = np.rint(place * (size - side)).astype(int)
    paper.paste(
        Image.fromarray(rasterize(strokes, side, stroke_width=width * size / side)), (int(corner[0]), int(corner[1]))
    )
    return paper


def _edges(part: Part, rng: np.random.Generator) -> list[Part]:
    """A thick ring is often drawn by its two edges, everything else by one line."""
    if part.width is None or not part.closed or part.width < THICK or rng.random() < 0.4:
        return [part]
    centre = part.path.mean(axis=0)
    inner = 1 - part.width / float(np.ptp(part.path, axis=0).min())
    return [replace(part, path=centre + share * (part.path - centre)) for share in (inner, 2 - inner)]


def _misplaced(part: Part, hand: Hand, rng: np.random.Generator) -> Part:
    centre = part.path.mean(axis=0)
    swing, growth = 4 * hand.misplace * rng.standard_normal(), 1 + 4 * hand.misplace * rng.standard_normal()
    path = centre + growth * turned(part.path - centre, swing) + hand.misplace * rng.standard_normal(2)
    return replace(part, path=path)


def _length(part: Part) -> float:
    ring = np.concatenate([part.path, part.path[:1]]) if part.closed else part.path
    gaps = np.diff(ring, axis=0)
    return float(np.sqrt((gaps * gaps).sum(axis=1)).sum())


def _shaded(parts: list[Part], hand: Hand, rng: np.random.Generator) -> list[Part]:
    """Hatching on the largest area, where the object alone needs less ink than this drawer spends."""
    missing = hand.ink - sum(_length(part) for part in parts)
    areas = [number for number, part in enumerate(parts) if part.width is None]
    if missing < 0.4 or not areas or rng.random() < 0.35:
        return parts
    sizes = [float(np.prod(np.ptp(parts[number].path, axis=0))) for number in areas]
    target = areas[int(np.argmax(sizes))]
    outline, angle = parts[target].path, rng.uniform(-1.2, 1.2)
    level = turned(outline, -angle)
    low, high = level.min(axis=0), level.max(axis=0)
    spacing = float(np.clip(np.prod(high - low) * 0.6 / missing, 0.03, 0.055))
    start, stop = np.sort(rng.uniform(0, 1, 2)) * (high[1] - low[1]) + low[1]
    hatches = []
    for height in np.arange(start, stop, spacing):
        row = np.linspace((low[0], height), (high[0], height + rng.uniform(-0.2, 0.2) * spacing), 40)
        within = row[inside(row, level)]
        if len(within) > 4:
            ends = within[[int(rng.integers(0, 2)), -1 - int(rng.integers(0, 2))]]
            hatches.append(Part(turned(ends, angle), "dark", width=0.01, closed=False))
    return [*parts[: target + 1], *hatches, *parts[target + 1 :]]


def _visible(part: Part, above: list[Part], rng: np.random.Generator) -> list[Path]:
    """The runs of a part's line that no later area covers; a closed outline starts anywhere."""
    points = resampled(part.path, STEP, part.closed)
    low, high = points.min(axis=0), points.max(axis=0)
    shown = np.ones(len(points), dtype=bool)
    for other in above:
        if other.width is not None or (other.path.min(axis=0) > high).any() or (other.path.max(axis=0) < low).any():
            continue
        centre = other.path.mean(axis=0)
        shown &= ~inside(points, centre + 0.985 * (other.path - centre))
    if part.closed:
        start = int(np.argmin(shown)) if not shown.all() else int(rng.integers(len(points) - 1))
        points, shown = (np.concatenate([a[start:-1], a[:start], a[start : start + 1]]) for a in (points, shown))
    edges = np.flatnonzero(np.diff(shown.astype(np.int8), prepend=0, append=0))
    return [points[a:b] for a, b in edges.reshape(-1, 2) if b - a >= 3 or (b - a == 2 and shown.all())]


def _goes(points: Path, hand: Hand, rng: np.random.Generator) -> list[Path]:
    """The strokes in which a drawer follows one line: ends open or overshot, in two goes, twice, either way round."""
    count = len(points)
    if count > 20 and np.abs(points[0] - points[-1]).max() < 1e-9:
        extra = int(count * hand.gap * rng.uniform(-1, 1))
        points = np.concatenate([points, points[1:extra]]) if extra > 1 else points[: count + min(extra, 0)]
    strokes = [points]
    if len(points) > 40 and rng.random() < hand.split:
        cut, slack = int(len(points) * rng.uniform(0.3, 0.7)), int(rng.integers(-4, 5))
        strokes = [points[: cut + max(slack, 0)], points[cut - min(slack, 0) :]]
    if rng.random() < hand.double:
        start, stop = sorted(rng.integers(0, len(points), 2))
        strokes += [points[start : stop + 1]] if stop - start > 8 else []
    return [stroke[::-1] if rng.random() < 0.4 else stroke for stroke in strokes]


def _unsteady(strokes: list[Path], hand: Hand, rng: np.random.Generator) -> list[Path]:
    """Every stroke thinned, shifted a little and bent by slow waves along its length, and the whole drawing warped."""
    thinned = [np.concatenate([s[: -1 : hand.coarse], s[-1:]]) for s in strokes]
    counts = [len(stroke) for stroke in thinned]
    points = np.concatenate(thinned)
    bend = 0.035 * rng.uniform(-1, 1, (2, 2))
    phase = rng.uniform(0, 2 * np.pi, (2, 2))
    waves = np.sin(2.2 * np.pi * points[:, ::-1, None] * (0.4, 0.8) + phase)
    points = points + (bend * waves).sum(axis=2)
    own = np.repeat(rng.standard_normal((len(counts), 2)), counts, axis=0)
    along = np.concatenate([np.arange(0, STEP * hand.coarse * n, STEP * hand.coarse)[:n] for n in counts])
    shift = 0.4 * hand.wobble * own
    for pitch, share in ((1.3, 1.0), (4.1, 0.6), (9.7, 0.3)):
        turn = np.repeat(rng.uniform(0, 2 * np.pi, (len(counts), 2)), counts, axis=0)
        shift = shift + share * hand.wobble * np.sin(2 * np.pi * pitch * along[:, None] + turn)
    return np.split(points + shift, np.cumsum(counts)[:-1])
