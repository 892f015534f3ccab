"""Stores over prepared QuickDraw drawings: strokes, drawn when they are read, and 28 x 28 bitmaps.

N drawings, S side of the images.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hybrid_sbir.data.stores.mapped import MappedArray
from hybrid_sbir.data.stores.store import Names
from hybrid_sbir.data.strokes import Drawing, rasterize

_BITMAP_SIDE = 28


class StrokeStore:
    """Vector drawings, rasterised on reading: black on white, anti-aliased.

    Attributes:
        classes: class names by label.
        labels: (N,), int64.
    """

    def __init__(
        self,
        folder: Path | str,
        names: Iterable[str],
        labels: np.ndarray,
        classes: Sequence[str],
        side: int = 256,
        stroke_width: float = 0.02,
        padding: float = 0.04,
    ) -> None:
        """Open the arrays of all drawings.

        Args:
            folder: holds ``points.npy`` (P, 2) int16, ``stroke_offsets.npy`` and ``drawing_offsets.npy``, int64.
            names: of the N drawings, in their order in the arrays.
            labels: (N,), int64.
            classes: class names by label.
            side: S.
            stroke_width: see :func:`~hybrid_sbir.data.strokes.rasterize`.
            padding: see :func:`~hybrid_sbir.data.strokes.rasterize`.

        Raises:
            FileNotFoundError: if an array is missing.
            ValueError: if the arrays do not fit each other or the labels.
        """
        self.classes = tuple(classes)
        self.labels = labels
        self._names = Names(names)
        self._side, self._stroke_width, self._padding = side, stroke_width, padding
        self._points, self._strokes, self._drawings = (
            MappedArray(Path(folder) / f"{name}.npy") for name in ("points", "stroke_offsets", "drawing_offsets")
        )
        points, strokes, drawings = self._points.array, self._strokes.array, self._drawings.array
        found = (len(drawings) - 1, int(drawings[-1]) + 1, int(strokes[-1]))
        if found != (len(labels), len(strokes), len(points)):
            raise ValueError(
                f"{folder} holds {found[0]} drawings, ending at stroke {found[1] - 1} of {len(strokes) - 1} and point "
                f"{found[2]} of {len(points)}, but {len(labels)} are expected; prepare the data again"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """Return ``CLASS/KEY_ID``."""
        return self._names[index]

    def drawing(self, index: int) -> Drawing:
        """Return the strokes, each (2, L)."""
        first, last = self._drawings.array[index : index + 2]
        ends = self._strokes.array[first : last + 1]
        points = self._points.array[ends[0] : ends[-1]].T
        return np.split(points, ends[1:-1] - ends[0], axis=1)

    def read(self, index: int) -> Image.Image:
        """Draw the strokes, (S, S)."""
        return Image.fromarray(rasterize(self.drawing(index), self._side, self._stroke_width, self._padding))


class BitmapStore:
    """QuickDraw's own 28 x 28 bitmaps, turned to black on white.

    Attributes:
        classes: class names by label.
        labels: (N,), int64.
    """

    def __init__(self, folder: Path | str, names: Iterable[str], labels: np.ndarray, classes: Sequence[str]) -> None:
        """Open the arrays.

        Args:
            folder: holds ``CLASS.npy``, each (rows, 784), uint8.
            names: ``CLASS/ROW`` of the N bitmaps.
            labels: (N,), int64.
            classes: class names by label.

        Raises:
            FileNotFoundError: if the array of a class is missing.
            ValueError: if a row is not in the array of its class.
        """
        self.classes = tuple(classes)
        self.labels = labels
        self._names = Names(names)
        self._rows = np.array([int(name.rpartition("/")[2]) for name in self._names], np.int64)
        self._bitmaps = {int(label): MappedArray(Path(folder) / f"{classes[label]}.npy") for label in np.unique(labels)}
        for label, bitmaps in self._bitmaps.items():
            last, rows = int(self._rows[labels == label].max()), bitmaps.array.shape
            if last >= rows[0] or rows[1:] != (_BITMAP_SIDE**2,):
                raise ValueError(f"{bitmaps.path} is of shape {rows}, but row {last} is listed; prepare the data again")

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """Return ``CLASS/ROW``."""
        return self._names[index]

    def read(self, index: int) -> Image.Image:
        """Return the bitmap, (28, 28)."""
        ink = self._bitmaps[int(self.labels[index])].array[self._rows[index]]
        return Image.fromarray(255 - ink.reshape(_BITMAP_SIDE, _BITMAP_SIDE))
