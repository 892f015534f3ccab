"""Where the positions of a map lie on the image.

Pixels are counted from 0 at the upper left, pixel centres are whole numbers: the picture reaches from -0.5 to S - 0.5.
A map's position is the middle of what it looks at. Strided convolutions (3x3 or 7x7, padded by half) look at every
second position of the map before, from its first one on; a 2x2 pool looks between two. So the first position of a
ResNet's maps lies on pixel 0, and that of a map behind a transition further inside. Where attention takes the place of
a strided convolution, the branch's average pool looks between two positions and the shortcut at the first of them; the
shortcut's place is taken.

Shapes: H, W rows and columns of a map.
"""

from dataclasses import dataclass

from hybrid_sbir.models import Backbone
from hybrid_sbir.models.stage import Stage
from hybrid_sbir.models.stem import ConvolutionStem


@dataclass(frozen=True)
class Grid:
    """The positions of a map, in pixels of the image.

    Attributes:
        stride: pixels from one position to the next.
        first: pixel of the first position's centre, in both directions.
        rows, columns: size of the map, H and W.
    """

    stride: float
    first: float
    rows: int
    columns: int

    def centre(self, row: float, column: float) -> tuple[float, float]:
        """Return the pixel (x, y) of a position's centre; also of one beyond the border."""
        return self.first + self.stride * column, self.first + self.stride * row

    def cell_at(self, x: float, y: float) -> tuple[int, int]:
        """Return the row and column of the position nearest to a pixel."""
        row, column = (round((pixel - self.first) / self.stride) for pixel in (y, x))
        return min(max(row, 0), self.rows - 1), min(max(column, 0), self.columns - 1)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Pixels of the left, right, lower and upper edge of all positions, each a square of the stride's side."""
        (left, top), (right, bottom) = self.centre(-0.5, -0.5), self.centre(self.rows - 0.5, self.columns - 0.5)
        return left, right, bottom, top

    def pooled(self) -> "Grid":
        """Return the grid behind a 2x2 pool; odd maps lose their last row or column."""
        return Grid(2 * self.stride, self.first + self.stride / 2, self.rows // 2, self.columns // 2)


def stage_grids(backbone: Backbone, height: int, width: int) -> list[Grid]:
    """Return the grid of each stage's map for an image of ``height`` x ``width`` pixels."""
    return map_grids(backbone, height, width)[1:]


def map_grids(backbone: Backbone, height: int, width: int) -> list[Grid]:
    """Return the grid of the stem's map, then of each stage's, for an image of ``height`` x ``width`` pixels."""
    stem = backbone.stem
    kernel, stride, padding = stem.conv.kernel_size[0], stem.conv.stride[0], stem.conv.padding[0]
    assert isinstance(padding, int)
    pooled = isinstance(stem, ConvolutionStem) and stem.pooled  # by 3x3, padded: from the first position on
    size = stem.output_size(height, width)
    grid = Grid(float(stride * (2 if pooled else 1)), (kernel - 1) / 2 - padding, *size)
    grids = [grid]
    for stage in backbone.stages:
        assert isinstance(stage, Stage)
        rows, columns = stage.output_size(grid.rows, grid.columns)
        pools = stage.stride == 2 and stage.spec.has_transition
        first = grid.first + (grid.stride / 2 if pools else 0)
        grid = Grid(grid.stride * stage.stride, first, rows, columns)
        grids.append(grid)
    return grids
