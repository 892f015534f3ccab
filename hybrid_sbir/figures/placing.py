"""Labels beside points so that none hides another, a point or the frame; a thin line leads where one stands apart.

Lengths are pixels of the figure's canvas, from the lower left. P points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybrid_sbir.figures.paper import GREY, TYPE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
Line = tuple[Point, Point]

_RINGS = (5.0, 9.0, 14.0, 20.0, 28.0, 38.0, 50.0, 64.0)  # points between a marker's centre and a label
_ANGLES = 24
_ROUNDS = 6
_AIR = 1.5  # pixels around a label
_LED = 10.0  # points; a label further away is led to


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """The area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return wide * high if wide > 0 and high > 0 else 0.0

    def outside(self, frame: "Box") -> float:
        """The area beyond a frame."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(frame)


def place(
    points: Sequence[Point], sizes: Sequence[tuple[float, float]], frame: Box, dot: float, drawn: Sequence[Line] = ()
) -> list[Box]:
    """Find a box for the label of each point.

    Each takes the cheapest of its places, where hiding something costs most and distance little; some rounds, in which
    each sees where the others stand.

    Args:
        points: centres of the markers, P.
        sizes: width and height of the labels, P.
        frame: what the labels should stay in.
        dot: side of a marker.
        drawn: lines that no label should lie on.

    Returns:
        A box a point, P.
    """
    dots = [Box(x - dot / 2, y - dot / 2, x + dot / 2, y + dot / 2) for x, y in points]
    options = [_options(point, size) for point, size in zip(points, sizes, strict=True)]
    chosen = [boxes[0][0] for boxes in options]
    for _ in range(_ROUNDS):
        before = list(chosen)
        for number, boxes in enumerate(options):
            others = [n for n in range(len(points)) if n != number]
            leads = [_lead(points[n], chosen[n]) for n in others]
            scene = _Scene(dots, [chosen[n] for n in others], [dots[n] for n in others], leads, drawn, frame)
            chosen[number] = _cheapest(boxes, points[number], scene)
        if chosen == before:
            break
    return chosen


@dataclass(frozen=True)
class _Scene:
    """What stands around one label: markers, the others' labels, markers and leads, lines of the drawing, the frame."""

    dots: Sequence[Box]
    labels: Sequence[Box]
    others: Sequence[Box]
    leads: Sequence[Line]
    drawn: Sequence[Line]
    frame: Box

    def hidden(self, box: Box) -> float:
        """The area of what a label here would hide, or hang out."""
        return box.outside(self.frame) + sum(box.overlap(other) for other in (*self.dots, *self.labels))

    def crossed(self, box: Box, lead: Line) -> int:
        """How many lines run through the label, and things the line to it runs through."""
        through = sum(_through(line, box) for line in (*self.leads, *self.drawn))
        led = sum(_crosses(lead, line) for line in self.leads)
        return through + led + sum(_through(lead, other) for other in (*self.labels, *self.others))


def _options(point: Point, size: tuple[float, float]) -> list[tuple[Box, float]]:
    """Boxes around a point, the nearest first, and how far each is."""
    wide, high = size[0] + 2 * _AIR, size[1] + 2 * _AIR
    boxes = []
    for ring in _RINGS:
        for step in range(_ANGLES):
            angle = 2 * math.pi * step / _ANGLES
            x, y = point[0] + ring * math.cos(angle), point[1] + ring * math.sin(angle)
            left = x - wide * (0.5 - 0.5 * math.cos(angle))
            bottom = y - high * (0.5 - 0.5 * math.sin(angle))
            boxes.append((Box(left, bottom, left + wide, bottom + high), ring))
    return boxes


def _cheapest(options: Sequence[tuple[Box, float]], point: Point, scene: _Scene) -> Box:
    """The option that costs least; the options come nearest first, so that the far ones are seldom looked at."""
    best, least = options[0][0], math.inf
    for box, distance in options:
        if distance >= least:
            break
        cost = distance + 10 * scene.hidden(box)
        if cost < least:
            cost += 60 * scene.crossed(box, _lead(point, box))
        if cost < least:
            best, least = box, cost
    return best


def _lead(point: Point, box: Box) -> Line:
    """The line from a point to the nearest place of its label."""
    x = min(max(point[0], box.left), box.right)
    y = min(max(point[1], box.bottom), box.top)
    return point, (x, y)


def _crosses(one: Line, other: Line) -> bool:
    def side(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = one, other
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def _through(line: Line, box: Box) -> bool:
    """Whether a line runs through a box: what is left of it when it is cut at the four sides (Liang and Barsky)."""
    (x0, y0), (x1, y1) = line
    begin, end = 0.0, 1.0
    for start, step, low, high in ((x0, x1 - x0, box.left, box.right), (y0, y1 - y0, box.bottom, box.top)):
        if step == 0:
            if not low < start < high:
                return False
            continue
        near, far = sorted(((low - start) / step, (high - start) / step))
        begin, end = max(begin, near), min(end, far)
    return begin < end


def label(
    axis: "Axes", points: Sequence[Point], texts: Sequence[str], bold: Sequence[bool], drawn: Sequence[Line] = ()
) -> list[Box]:
    """Write a label at each point of an axis whose place on the figure is final.

    Args:
        axis: with its limits and its figure's layout fixed.
        points: in the axis's own units, P.
        texts: P.
        bold: whether a label is bold, P.
        drawn: lines that no label should lie on, in the axis's own units.

    Returns:
        Where the labels stand, P.
    """
    scale = axis.figure.dpi / 72
    at = [_pixel(axis, point) for point in points]
    weights = ["bold" if heavy else "normal" for heavy in bold]
    sizes = [_size(axis, text, weight) for text, weight in zip(texts, weights, strict=True)]
    edges = axis.get_window_extent()
    frame = Box(edges.x0, edges.y0, edges.x1 + 2, edges.y1 + 8)
    lines = [(_pixel(axis, begin), _pixel(axis, end)) for begin, end in drawn]
    boxes = place(at, sizes, frame, 6 * scale, lines)
    for text, weight, point, pixel, box in zip(texts, weights, points, at, boxes, strict=True):
        corner = ((box.left + _AIR - pixel[0]) / scale, (box.bottom + _AIR - pixel[1]) / scale)
        axis.annotate(text, point, corner, textcoords="offset points", va="bottom", fontweight=weight, fontsize=TYPE)
        _, end = _lead(pixel, box)
        if math.dist(pixel, end) > _LED * scale:
            foot = ((end[0] - pixel[0]) / scale, (end[1] - pixel[1]) / scale)
            line = {"arrowstyle": "-", "linewidth": 0.5, "color": GREY, "shrinkA": 0, "shrinkB": 3}
            axis.annotate("", point, foot, textcoords="offset points", arrowprops=line)
    return boxes


def _pixel(axis: "Axes", point: Point) -> Point:
    x, y = axis.transData.transform(point)
    return float(x), float(y)


def _size(axis: "Axes", text: str, weight: str) -> tuple[float, float]:
    written = axis.text(0, 0, text, fontweight=weight, fontsize=TYPE)
    extent = written.get_window_extent()
    written.remove()
    return extent.width, extent.height
