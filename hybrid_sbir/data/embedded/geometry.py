"""Curves, outlines and tests on them, in unit coordinates.

Shapes: L points of a path, K control points. A path is (L, 2) float64: x to the right, y down; an object fills about
[-1, 1] x [-1, 1].
Angles are in turns where they say so, otherwise in radians, clockwise because y points down.
"""

from collections.abc import Sequence

import numpy as np

Path = np.ndarray
Pairs = Sequence[tuple[float, float]] | np.ndarray


def path(pairs: Pairs) -> Path:
    """A polyline through the given corners, (K, 2)."""
    return np.asarray(pairs, dtype=np.float64)


def xy(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> Path:
    """A polyline from its corners' x and y, each of length K."""
    return np.array([x, y], dtype=np.float64).T


def curve(control: Pairs, closed: bool = False, steps: int = 7) -> Path:
    """A Catmull-Rom spline through every control point, with `steps` points a segment."""
    knots = path(control)
    if closed:
        ring = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        ring = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (ring[k : len(ring) - 3 + k, None, :] for k in range(4))
    spline = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    flat = spline.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, knots[-1:]])


def mirrored(right_half: Pairs, smooth: bool = True) -> Path:
    """The closed outline of something symmetric about x = 0, given its right half from top to bottom.

    A first or last point on the axis is not repeated.
    """
    right = path(right_half)
    left = right[::-1] * (-1.0, 1.0)
    left = left[int(abs(right[-1, 0]) < 1e-9) : len(left) - int(abs(right[0, 0]) < 1e-9)]
    outline = np.concatenate([right, left])
    return curve(outline, closed=True) if smooth else outline


def ellipse(
    x: float,
    y: float,
    width: float,
    height: float | None = None,
    start: float = 0.0,
    stop: float = 1.0,
    tilt: float = 0.0,
) -> Path:
    """An ellipse with half axes `width` and `height` (a circle without), or its arc between two angles in turns."""
    tall = width if height is None else height
    count = max(6, int(np.ceil(36 * abs(stop - start) * (0.6 + max(width, tall)))))
    angle = 2 * np.pi * np.linspace(start, stop, count, endpoint=abs(stop - start) < 1)
    return moved(turned(np.stack([width * np.cos(angle), tall * np.sin(angle)], axis=1), tilt), x, y)


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Path:
    """A rectangle, with rounded corners where a radius is given."""
    if radius <= 0:
        return path([(left, top), (right, top), (right, bottom), (left, bottom)])
    radius = min(radius, (right - left) / 2, (bottom - top) / 2)
    quarter = 0.5 * np.pi * np.linspace(0, 1, 5)
    corners = [(right - radius, top + radius, 3), (right - radius, bottom - radius, 0)]
    corners += [(left + radius, bottom - radius, 1), (left + radius, top + radius, 2)]
    arcs = [
        np.stack([x + radius * np.cos(quarter + q * np.pi / 2), y + radius * np.sin(quarter + q * np.pi / 2)], axis=1)
        for x, y, q in corners
    ]
    return np.concatenate(arcs)


def thick(centre: Path, widths: Sequence[float] | float) -> Path:
    """The outline of a band along an open path; `widths` are half thicknesses, spread evenly from start to end."""
    step = np.gradient(centre, axis=0)
    normal = step[:, ::-1] * (-1.0, 1.0) / np.maximum(np.sqrt((step * step).sum(axis=1, keepdims=True)), 1e-9)
    profile = np.atleast_1d(np.asarray(widths, dtype=np.float64))
    half = np.interp(np.linspace(0, 1, len(centre)), np.linspace(0, 1, len(profile)), profile)[:, None]
    return np.concatenate([centre + half * normal, (centre - half * normal)[::-1]])


def moved(points: Path, x: float, y: float) -> Path:
    """The path shifted."""
    return points + np.array([x, y])


def turned(points: Path, angle: float, about: tuple[float, float] = (0.0, 0.0)) -> Path:
    """The path turned by `angle` radians, clockwise on screen."""
    if angle == 0.0:
        return points
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = points[:, 0] - about[0], points[:, 1] - about[1]
    return np.stack([about[0] + cos * x - sin * y, about[1] + sin * x + cos * y], axis=1)


def resampled(points: Path, step: float, closed: bool = False) -> Path:
    """The path with points at most `step` apart, its corners kept; a closed one comes back to its start."""
    ring = np.concatenate([points, points[:1]]) if closed else points
    gaps = np.diff(ring, axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.sqrt((gaps * gaps).sum(axis=1)))])
    wanted = np.union1d(np.linspace(0.0, along[-1], max(2, int(along[-1] / step) + 1)), along)
    return np.stack([np.interp(wanted, along, ring[:, axis]) for axis in (0, 1)], axis=1)


def inside(points: Path, outline: Path) -> np.ndarray:
    """Which points lie inside a closed outline (even-odd rule), (L,) bool."""
    start, stop = outline, np.roll(outline, -1, axis=0)
    x, y = points[:, 0, None], points[:, 1, None]
    spans = (start[:, 1] > y) != (stop[:, 1] > y)
    rise = np.where(stop[:, 1] == start[:, 1], 1.0, stop[:, 1] - start[:, 1])
    crossing = start[:, 0] + (y - start[:, 1]) * ((stop[:, 0] - start[:, 0]) / rise)
    return (np.count_nonzero(spans & (x < crossing), axis=1) % 2).astype(bool)
