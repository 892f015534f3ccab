"""The geometry of a local window: which neighbours a position sees.

Shapes: H, W input size, OH, OW output size, K = kernel_size ** 2 window positions in row-major order.
"""

from dataclasses import dataclass
from typing import Literal

PaddingMode = Literal["reflect", "zeros"]


@dataclass(frozen=True)
class Window:
    """A square footprint that slides over a map, with the same arithmetic as a convolution's.

    Attributes:
        kernel_size: side of the footprint; odd, so that it has a centre.
        stride: step between outputs, in positions.
        padding: border added on each side, in positions; ``None`` keeps the size at stride 1.
        dilation: step between neighbours, in positions.
        padding_mode: ``"reflect"`` mirrors the map without repeating its edge, ``"zeros"`` adds zeros.

    Raises:
        ValueError: if a number is out of range, or the border leaves the centre outside the map.
    """

    kernel_size: int
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    padding_mode: PaddingMode = "reflect"

    def __post_init__(self) -> None:
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size}; a window has a centre: use an odd number")
        if self.stride < 1 or self.dilation < 1:
            raise ValueError(f"stride is {self.stride} and dilation {self.dilation}; both must be at least 1")
        if self.padding_mode not in ("reflect", "zeros"):
            raise ValueError(f"padding_mode is {self.padding_mode!r}; it must be 'reflect' or 'zeros'")
        if not 0 <= self.border <= self.reach:
            raise ValueError(
                f"padding is {self.padding}; it must lie between 0 and {self.reach}, the reach of a window of side "
                f"{self.kernel_size} with dilation {self.dilation}, so that each window is centred inside the map"
            )

    @property
    def reach(self) -> int:
        """Distance from the centre to the outermost neighbour, in positions."""
        return self.dilation * (self.kernel_size // 2)

    @property
    def border(self) -> int:
        """Padding on each side, in positions."""
        return self.reach if self.padding is None else self.padding

    @property
    def positions(self) -> int:
        """Number of neighbours, K."""
        return self.kernel_size**2

    def offsets(self) -> list[tuple[int, int]]:
        """Top-left corners (y, x) in the padded map of the K shifted views, row-major."""
        steps = range(0, self.kernel_size * self.dilation, self.dilation)
        return [(y, x) for y in steps for x in steps]

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Size (OH, OW) of the output for an input of ``height`` x ``width``.

        Raises:
            ValueError: if the map is smaller than the window, or than what reflection needs.
        """
        if self.padding_mode == "reflect" and self.border >= min(height, width):
            raise ValueError(
                f"a {self.kernel_size} x {self.kernel_size} window reflects {self.border} positions, but the map is "
                f"only {height} x {width}; use at least {self.border + 1} x {self.border + 1}, a smaller window, "
                f"or padding_mode='zeros'"
            )
        spans = [size + 2 * self.border - 2 * self.reach - 1 for size in (height, width)]
        if min(spans) < 0:
            raise ValueError(
                f"a window that reaches {self.reach} positions with padding {self.border} does not fit a map of "
                f"{height} x {width}; use a larger map or more padding"
            )
        return spans[0] // self.stride + 1, spans[1] // self.stride + 1
