"""What an object is made of: parts from back to front, each an area or a line with a tone.

The same parts become a sketch (their visible outlines, as strokes) and a photo (filled, shaded, textured).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from hybrid_sbir.data.embedded.geometry import Path, box, curve, ellipse, moved, path, turned

Tone = Literal["main", "second", "dark", "light", "metal", "glass"]
TONES: tuple[Tone, ...] = ("main", "second", "dark", "light", "metal", "glass")


@dataclass(frozen=True)
class Part:
    """One piece of an object.

    Attributes:
        path: its outline or line, (L, 2), unit coordinates (see geometry.py).
        tone: which of the picture's colours fills it.
        width: None for a filled area; otherwise the thickness of a line, in units.
        closed: whether the path returns to its start (an area always does).
        detail: chance that a hasty drawing leaves it out.
    """

    path: Path
    tone: Tone
    width: float | None = None
    closed: bool = True
    detail: float = 0.0

    def scaled(self, factor: float) -> "Part":
        """The part and its thickness, larger or smaller about the origin."""
        return replace(self, path=factor * self.path, width=self.width and factor * self.width)

    def moved(self, x: float, y: float) -> "Part":
        """The part, shifted."""
        return replace(self, path=moved(self.path, x, y))


@dataclass(frozen=True)
class Shape:
    """One object: its parts from back to front, and how far it may be turned from its upright pose, in radians."""

    parts: list[Part]
    spin: float = 0.2


def area(outline: Path, tone: Tone = "main", detail: float = 0.0) -> Part:
    """A filled area."""
    return Part(outline, tone, detail=detail)


def line(points: Path, tone: Tone = "dark", width: float = 0.035, detail: float = 0.0, closed: bool = False) -> Part:
    """A line: a wire, a seam, a fold."""
    return Part(points, tone, width=width, closed=closed, detail=detail)


def wheel(x: float, y: float, radius: float, hub: float = 0.5) -> list[Part]:
    """A tyre with its hub cap; `hub` is the cap's share of the radius."""
    return [area(ellipse(x, y, radius), "dark"), area(ellipse(x, y, radius * hub), "metal", detail=0.3)]


def eye(x: float, y: float, radius: float) -> list[Part]:
    """A light eye ball with a dark pupil; a small one is only a dot."""
    if radius < 0.06:
        return [area(ellipse(x, y, radius), "dark", detail=0.1)]
    return [area(ellipse(x, y, radius), "light", detail=0.1), area(ellipse(x, y, radius * 0.5), "dark", detail=0.3)]


def pane(left: float, top: float, right: float, bottom: float, radius: float = 0.0, detail: float = 0.1) -> Part:
    """A window pane."""
    return area(box(left, top, right, bottom, radius), "glass", detail=detail)


def leaflet(x: float, y: float, length: float, breadth: float, angle: float) -> list[Part]:
    """A small pointed leaf with its midrib that grows from (x, y) in a direction."""
    edge = curve([(0, 0), (0.3 * length, -breadth), (0.7 * length, -0.8 * breadth), (length, 0)])
    back = curve([(length, 0), (0.65 * length, 0.8 * breadth), (0.3 * length, 0.7 * breadth), (0, 0)])
    outline = turned(np.concatenate([edge, back[1:-1]]), angle)
    rib = turned(path([(0.05 * length, 0), (0.8 * length, 0)]), angle)
    return [area(moved(outline, x, y), "second", detail=0.2), line(moved(rib, x, y), width=0.02, detail=0.5)]
