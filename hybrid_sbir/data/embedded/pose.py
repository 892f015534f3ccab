"""How an object is seen: mirrored, turned, stretched, sheared, and where it lies on the canvas.

All classes draw from the same distributions, so neither size nor position tells the class.
Shapes: L points of a path, (L, 2), unit coordinates before, canvas coordinates in [0, 1] after.
"""

from dataclasses import dataclass, replace

import numpy as np

from hybrid_sbir.data.embedded.parts import Part, Shape


@dataclass(frozen=True)
class Pose:
    """A linear map and the object's place.

    Attributes:
        matrix: (2, 2), applied to unit coordinates.
        extent: longer side of the object's bounding box, as a share of the canvas.
        place: where in the free margin the box lies, 0 left or top to 1 right or bottom.
    """

    matrix: np.ndarray
    extent: float
    place: tuple[float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator, spin: float, extent: tuple[float, float]) -> "Pose":
        """A random pose; `spin` is the largest turn in radians, `extent` the range of sizes."""
        angle = spin * rng.uniform(-1, 1)
        mirror = rng.choice([-1.0, 1.0])
        stretch = rng.uniform(0.82, 1.22)
        shear, slant = rng.uniform(-0.14, 0.14, 2)
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        view = np.array([[mirror * stretch, shear], [slant, 1.0 / stretch]])
        return cls(turn @ view, rng.uniform(*extent), (rng.uniform(0, 1), rng.uniform(0, 1)))

    def applied(self, shape: Shape) -> list[Part]:
        """The object's parts in canvas coordinates, line widths scaled along."""
        turned = [part.path @ self.matrix.T for part in shape.parts]
        everything = np.concatenate(turned)
        low, high = everything.min(axis=0), everything.max(axis=0)
        scale = self.extent / float((high - low).max())
        origin = np.array(self.place) * (1.0 - scale * (high - low)) - scale * low
        return [
            replace(part, path=points).scaled(scale).moved(*origin)
            for part, points in zip(shape.parts, turned, strict=True)
        ]
