"""Lines close to curves: how many pieces a line, a Bezier curve or an arc needs so that none is farther off than asked.

A piece of a curve f that takes a share h of its parameter is within h**2 / 8 * max |f''| of its chord.

Shapes: P control points, L points.
"""

from dataclasses import dataclass
from math import ceil, hypot
from typing import Any

import numpy as np

from hybrid_sbir.data.strokes import StrokeProblem

_LOOKED_AT = np.linspace(0, 1, 5)


@dataclass(frozen=True)
class Curve:
    """One piece of a path, as a polynomial, or an arc about its middle.

    Attributes:
        powers: (2, P), the coefficients of 1, t, t**2 and t**3; of an arc its centre, and the radii's ends as seen
            from there.
        arc: start and sweep in radians; None of a polynomial.
    """

    powers: np.ndarray
    arc: tuple[float, float] | None = None

    @classmethod
    def of(cls, elements: Any, segment: Any) -> "Curve | None":
        """Take a segment of svgelements; None of one that draws nothing."""
        if isinstance(segment, elements.Arc):
            return cls._of_arc(segment)
        if isinstance(segment, elements.CubicBezier):
            given = [segment.start, segment.control1, segment.control2, segment.end]
        elif isinstance(segment, elements.QuadraticBezier):
            given = [segment.start, segment.control, segment.end]
        elif segment.start is None or segment.end is None:
            return None
        else:
            given = [segment.start, segment.end]
        points = np.array([(point.x, point.y) for point in given], np.float64).T
        return cls(points @ _TO_POWERS[points.shape[1]])

    @classmethod
    def _of_arc(cls, segment: Any) -> "Curve":
        centre = np.array([segment.center.x, segment.center.y])
        across, down = (np.array([point.x, point.y]) - centre for point in (segment.prx, segment.pry))
        return cls(np.stack([centre, across, down], axis=1), (float(segment.get_start_t()), float(segment.sweep)))

    def at(self, t: np.ndarray) -> np.ndarray:
        """Return the points (2, L) at the parameters (L,), 0 to 1."""
        if self.arc is not None:
            angle = self.arc[0] + self.arc[1] * t
            return self.powers @ np.stack([np.ones_like(t), np.cos(angle), np.sin(angle)])
        return self.powers @ t ** np.arange(self.powers.shape[1])[:, None]

    def pieces(self, tolerance: float, most: int) -> int:
        """Return how many lines are as close to it as ``tolerance``.

        Raises:
            StrokeProblem: if they are more than ``most``.
        """
        bend = self._bend()
        if bend == 0 or tolerance <= 0:
            return 1
        number = (bend / (8 * tolerance)) ** 0.5
        if not number <= most:
            raise StrokeProblem(f"a curve needs more than {most:,} points; simplify the path")
        return max(1, ceil(number))

    def _bend(self) -> float:
        """The most that the second derivative can be."""
        if self.arc is not None:
            return float(np.linalg.norm(self.powers[:, 1:])) * self.arc[1] ** 2
        if self.powers.shape[1] < 3:
            return 0.0
        second = [2 * self.powers[:, 2]]
        if self.powers.shape[1] == 4:
            second.append(second[0] + 6 * self.powers[:, 3])
        return max(hypot(*each) for each in second)


_TO_POWERS = {
    2: np.array([[1.0, -1], [0, 1]]),
    3: np.array([[1.0, -2, 1], [0, 2, -2], [0, 0, 1]]),
    4: np.array([[1.0, -3, 3, -1], [0, 3, -6, 3], [0, 0, 3, -3], [0, 0, 0, 1]]),
}


def samples(curve: Curve) -> np.ndarray:
    """Return a few points on a curve, (2, L)."""
    return curve.at(_LOOKED_AT)


def flattened(line: list[Curve], tolerance: float, most: int) -> np.ndarray:
    """Return a line of curves as points, (2, L); one that does not move is a point.

    Raises:
        StrokeProblem: if it has more than ``most`` points.
    """
    parts = [line[0].at(np.zeros(1))]
    for curve in line:
        number = curve.pieces(tolerance, most)
        parts.append(curve.at(np.arange(1, number + 1) / number))
    return np.concatenate(parts, axis=1)
