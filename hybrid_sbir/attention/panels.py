"""One panel of an attention picture: an image under the colours of the weights.

Colours are multiplied with the image's grey levels, so that strokes stay dark lines on any colour. Orange is positive,
blue negative and with a minus in each cell, so that the colour-blind and a grey print tell them apart.

Shapes: S side of the image, H, W size of a map.
"""

from typing import Any, NamedTuple

import numpy as np

from hybrid_sbir.attention.footprint import Footprint
from hybrid_sbir.attention.grid import Grid

Axes = Any  # matplotlib's: it is imported only where something is drawn

_BLUE, _ORANGE, _RED = "#0072B2", "#E69F00", "#D55E00"  # Okabe and Ito, 2008
_CANVAS = 448  # pixels a side of a panel's picture: cells have sharp edges
_SMALL = 0.4  # of the image's side: a smaller footprint is shown enlarged
_PALE = 0.55  # how far the grey levels of a photo are raised, for colours to be seen on it
_FAINT = 0.04  # of the scale: weaker negative weights get no sign
_POINTS = 72
DARK = "#222222"


def grey_levels(pixels: np.ndarray) -> np.ndarray:
    """Turn 8-bit pixels (S, S) or (S, S, 3) into grey levels from 0 to 1, (S, S); those of a photo made paler."""
    grey = (pixels if pixels.ndim == 2 else pixels @ np.array([0.299, 0.587, 0.114])) / 255
    if np.median(grey) > 0.9:
        return grey
    return _PALE + (1 - _PALE) * np.minimum(grey / max(np.percentile(grey, 98), 1e-3), 1)


def colours(signed: bool) -> Any:
    """Return the colour map: from white on, or around white where weights have signs."""
    from matplotlib.colors import LinearSegmentedColormap

    steps = [_BLUE, "#FFFFFF", _RED] if signed else ["#FFFFFF", _ORANGE, _RED]
    return LinearSegmentedColormap.from_list("weights", steps)


class Window(NamedTuple):
    """The square part of the image that a panel shows, in pixels: its left and upper edge, and its side."""

    left: float
    top: float
    side: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, lower and upper edge."""
        return self.left, self.left + self.side, self.top + self.side, self.top


def window_of(footprint: Footprint, side: int) -> Window:
    """Return what a panel shows of an image of ``side`` pixels: all, or twice a footprint that is small on it."""
    reach = footprint.grid.stride * footprint.weights.shape[1]
    if not footprint.local or reach > _SMALL * side:
        return Window(-0.5, -0.5, side)
    corner = (place - reach for place in footprint.grid.centre(*footprint.cell))
    left, top = (min(max(place, -0.5), side - 0.5 - 2 * reach) for place in corner)
    return Window(left, top, 2 * reach)


def coloured(grey: np.ndarray, values: np.ndarray, grid: Grid, most: float, signed: bool, window: Window) -> np.ndarray:
    """Multiply a part of an image with the colours of a map's cells.

    Args:
        grey: (S, S), 0 to 1.
        values: (H, W).
        grid: where the map lies on the image.
        most: the end of the scale.
        signed: whether the scale begins at ``-most`` instead of 0.
        window: the part.

    Returns:
        (n, n, 3), 0 to 1; white where no cell lies.
    """
    steps = (np.arange(_CANVAS) + 0.5) / _CANVAS * window.side
    y, x = window.top + steps, window.left + steps
    own_rows, own_columns = (np.floor((place - grid.first) / grid.stride + 0.5).astype(int) for place in (y, x))
    rows, columns = np.clip(own_rows, 0, grid.rows - 1), np.clip(own_columns, 0, grid.columns - 1)
    share = values / most if most else np.zeros_like(values)
    paint = colours(signed)((share + 1) / 2 if signed else share)[..., :3][rows[:, None], columns]
    paint[(rows != own_rows)[:, None] | (columns != own_columns)] = 1
    below, beside = (np.clip(np.floor(place + 0.5).astype(int), 0, len(grey) - 1) for place in (y, x))
    return paint * grey[below[:, None], beside][..., None]


def bare(axes: Axes, window: Window) -> None:
    """Show exactly a part of the image, without ticks."""
    left, right, bottom, top = window.extent
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color="#999999", linewidth=0.6)


def draw_image(axes: Axes, pixels: np.ndarray, at: tuple[float, float]) -> None:
    """Draw the image as the model sees it, and a ring around the position."""
    window = Window(-0.5, -0.5, len(pixels))
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=window.extent)
    for colour, width in (("white", 3.4), (DARK, 1.4)):
        axes.plot(*at, "o", markersize=9, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=width)
        axes.plot(*at, "+", markersize=5, color=colour, markeredgewidth=width / 2)
    bare(axes, window)


def draw_panel(axes: Axes, grey: np.ndarray, values: np.ndarray, footprint: Footprint, most: float) -> None:
    """Draw the weights ``values`` (H, W) of a footprint over the image; ``most`` is the end of the scale."""
    grid, window = footprint.map_grid, window_of(footprint, len(grey))
    picture = coloured(grey, values, grid, most, footprint.law.signed, window)
    axes.imshow(picture, interpolation="nearest", extent=window.extent)
    inches = axes.get_window_extent().width / axes.figure.dpi
    points = grid.stride / window.side * inches * _POINTS  # side of a cell
    _mark(axes, values < -_FAINT * most, grid, "_", 0.45 * points)
    _mark(axes, footprint.reflected.numpy(), grid, "o", 0.35 * points)
    bare(axes, window)
    _frames(axes, footprint)


def _mark(axes: Axes, where: np.ndarray, grid: Grid, marker: str, size: float) -> None:
    """Put a marker of ``size`` points into cells."""
    places = [grid.centre(row, column) for row, column in np.argwhere(where)]
    if places:
        x, y = zip(*places, strict=True)
        width = min(0.8, size / 4)
        paint = {"facecolors": "none", "edgecolors": DARK} if marker == "o" else {"color": DARK}
        axes.scatter(x, y, s=min(size, 5) ** 2, marker=marker, linewidths=width, **paint)


def _frames(axes: Axes, footprint: Footprint) -> None:
    """A solid frame around the position's cell, a dashed one around a local footprint."""
    from matplotlib.patches import Rectangle

    frames: list[tuple[float, Any, float]] = [(0.5, "-", 1.3)]
    if footprint.local:
        frames.append((footprint.weights.shape[1] / 2, (0, (4, 2)), 1.0))
    row, column = footprint.cell
    for reach, dashes, width in frames:
        corner, length = footprint.grid.centre(row - reach, column - reach), 2 * reach * footprint.grid.stride
        for colour, wide in (("white", 2 * width), (DARK, width)):
            style: dict[str, Any] = {
                "linestyle": dashes if colour == DARK else "-",
                "linewidth": wide,
                "edgecolor": colour,
            }
            axes.add_patch(Rectangle(corner, length, length, fill=False, **style))


def draw_scale(axes: Axes, most: float, signed: bool, uniform: float | None) -> None:
    """Draw a panel's scale; a line marks the weight that all neighbours would share evenly, where there is one."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    least = -most if signed else 0.0
    bar = axes.figure.colorbar(ScalarMappable(Normalize(least, most), colours(signed)), cax=axes)
    ticks = [least, 0.0, most] if signed else [0.0, most]
    bar.set_ticks(ticks, labels=[_number(tick) for tick in ticks])
    bar.ax.tick_params(labelsize=8, length=2, pad=1.5)
    bar.outline.set_linewidth(0.5)
    if uniform is not None:
        bar.ax.axhline(uniform, color=DARK, linewidth=1)


def _number(tick: float) -> str:
    """A scale's end in few characters."""
    text = f"{tick:.0f}" if 100 <= abs(tick) < 10000 else f"{tick:.2g}"
    return text.replace("-", "\u2212")
