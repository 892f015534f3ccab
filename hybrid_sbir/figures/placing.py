"""Labels beside points so that none hides another, a point or the frame; a thin line leads where one stands apart.

Lengths are pixels of the figure's canvas, from the lower left. P points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybrid_sbir.figures.boxes import Box, Line, Point, crosses, lead, through
from hybrid_sbir.figures.paper import GREY, TYPE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RINGS = (0.8, 1.5, 2.3, 3.3, 4.7, 6.3, 8.3, 11.0)  # between a marker's centre and a label, in sides of a marker
_ANGLES = 24
_ROUNDS = 6
_CROSSED = 90.0  # pixels further off that a label goes rather than let a line run through it
_AIR = 1.5  # pixels around a label
_LED = 10.0  # points; a label further away is led to


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
    options = [_options(point, size, dot) for point, size in zip(points, sizes, strict=True)]
    numbers = range(len(points))
    orders = (
        list(numbers),
        sorted(numbers, key=lambda n: points[n]),
        sorted(numbers, key=lambda n: (-points[n][1], points[n][0])),
        sorted(numbers, key=lambda n: (-sum(math.dist(points[n], other) < 8 * dot for other in points), points[n])),
    )
    tried = [_settled(order, points, options, dots, frame, drawn) for order in orders]
    return min(tried, key=lambda one: one[0])[1]


def _settled(
    order: Sequence[int],
    points: Sequence[Point],
    options: Sequence[Sequence[tuple[Box, float]]],
    dots: Sequence[Box],
    frame: Box,
    drawn: Sequence[Line],
) -> tuple[float, list[Box]]:
    """Choose in an order until nothing moves; what it costs in all, and the boxes."""
    chosen = [boxes[0][0] for boxes in options]
    costs = [0.0] * len(points)
    for _ in range(_ROUNDS):
        before = list(chosen)
        for number in order:
            others = [n for n in range(len(points)) if n != number]
            leads = [lead(points[n], chosen[n]) for n in others]
            scene = _Scene([chosen[n] for n in others], dots[number], [dots[n] for n in others], leads, drawn, frame)
            chosen[number], costs[number] = _cheapest(options[number], points[number], scene)
        if chosen == before:
            break
    return sum(costs), chosen


@dataclass(frozen=True)
class _Scene:
    """What stands around one label: the others' labels, its marker and theirs, their leads, lines of the drawing."""

    labels: Sequence[Box]
    own: Box
    others: Sequence[Box]
    leads: Sequence[Line]
    drawn: Sequence[Line]
    frame: Box

    def hidden(self, box: Box) -> float:
        """The area of what a label would hide or hang out; beside another's marker it would be taken for its name."""
        hides = sum(box.overlap(other) for other in (*self.labels, self.own, *self.others))
        air = 0.7 * (self.own.right - self.own.left)
        wide = Box(box.left - air, box.bottom, box.right + air, box.top)
        return box.outside(self.frame) + hides + 0.05 * sum(wide.overlap(other) for other in self.others)

    def crossed(self, box: Box, own: Line) -> int:
        """How many lines run through the label, and things the line to it runs through."""
        ran = sum(through(line, box) for line in (*self.leads, *self.drawn))
        led = sum(crosses(own, line) for line in self.leads)
        return ran + led + sum(through(own, other) for other in (*self.labels, *self.others))


def _options(point: Point, size: tuple[float, float], dot: float) -> list[tuple[Box, float]]:
    """Boxes around a point, the nearest first, and how far each is."""
    wide, high = size[0] + 2 * _AIR, size[1] + 2 * _AIR
    boxes = []
    for ring in (dot * times for times in _RINGS):
        for step in range(_ANGLES):
            angle = 2 * math.pi * step / _ANGLES
            x, y = point[0] + ring * math.cos(angle), point[1] + ring * math.sin(angle)
            left = x - wide * (0.5 - 0.5 * math.cos(angle))
            bottom = y - high * (0.5 - 0.5 * math.sin(angle))
            boxes.append((Box(left, bottom, left + wide, bottom + high), ring))
    return boxes


def _cheapest(options: Sequence[tuple[Box, float]], point: Point, scene: _Scene) -> tuple[Box, float]:
    """The option that costs least; the options come nearest first, so that the far ones are seldom looked at."""
    best, least = options[0][0], math.inf
    for box, distance in options:
        if distance >= least:
            break
        cost = distance + 10 * scene.hidden(box)
        if cost < least:
            cost += _CROSSED * scene.crossed(box, lead(point, box))
        if cost < least:
            best, least = box, cost
    return best, least


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
        _, end = lead(pixel, box)
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
