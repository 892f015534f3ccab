"""How the aggregation's kernels cut a map into tiles, a block of threads each.

TH, TW size of a tile in positions; a thread works for one of them. Q channels share a weight, K window positions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from hybrid_sbir.ops.window import Window

THREADS = 256  # of a block at most, as in tiles.cu: registers for 4 such blocks and more on each multiprocessor
WARP = 32
SHARED_BYTES = 48 * 1024  # what every GPU gives a block without being asked
PLANES = 8  # accumulators of a thread, and channels of a block, at most

_SECTOR = 8  # float32 values that memory moves at least; a row of a tile that starts anywhere touches one more

Direction = Literal["outputs", "inputs"]


@dataclass(frozen=True)
class Tiling:
    """A cut of a map.

    Attributes:
        rows: TH.
        columns: TW.
        source_rows: rows of the planes that a tile reads.
        source_columns: columns of the planes that a tile reads.
        tiles: number of tiles of the map.
        threads: threads of a block.
        tiled: whether the planes go through shared memory.
    """

    rows: int
    columns: int
    source_rows: int
    source_columns: int
    tiles: int
    threads: int
    tiled: bool

    def shared_bytes(self, planes: int, itemsize: int) -> int:
        """Shared memory of a block for ``planes`` channels of ``itemsize`` bytes a value."""
        return self.source_rows * self.source_columns * planes * itemsize if self.tiled else 0


def planes_of(share: int) -> int:
    """Channels of a block where Q = ``share``: a power of two, so that chunks of them are aligned."""
    return min(PLANES, 1 << (share - 1).bit_length())


def _sources(window: Window, direction: Direction) -> Callable[[int], int]:
    """How many positions of the planes a side of so many positions reads."""
    reach = 2 * window.reach
    if direction == "outputs":
        return lambda side: (side - 1) * window.stride + reach + 1
    return lambda side: (side - 1 + reach) // window.stride + 1


def _even_parts(size: int, largest: int) -> Iterator[int]:
    """Sides that cut ``size`` into 1, 2, 3, ... nearly equal parts, each side once, none above ``largest``."""
    part = -(-size // -(-size // largest))
    while part > 1:
        yield part
        part = -(-size // -(-size // (part - 1)))
    yield 1


@lru_cache(maxsize=1024)
def tile(size: tuple[int, int], window: Window, planes: int, itemsize: int, direction: Direction) -> Tiling:
    """Cut a map into the tiles that move least and idle least, by a model of both.

    A tile costs what it reads of the planes (each value once where they go through shared memory, else K times a
    position), and K times the larger of its threads (whole warps) and of the weights that memory moves for it (whole
    sectors, more of them for short rows). Nothing in this is measured.

    Args:
        size: of the map whose positions have a thread: the output's, or for ``"inputs"`` the input's.
        window: the geometry.
        planes: channels of a block.
        itemsize: bytes of one of the planes' values.
        direction: ``"outputs"`` read the input around them; ``"inputs"`` read the outputs whose windows hold them.
    """
    height, width = size
    sources, best = _sources(window, direction), None
    for columns in _even_parts(width, THREADS):
        for rows in _even_parts(height, THREADS // columns):
            area = sources(rows) * sources(columns)
            tiled = area < rows * columns * window.positions and area * planes * itemsize <= SHARED_BYTES
            reads = (area if tiled else rows * columns * window.positions) * planes
            threads = -(-rows * columns // WARP) * WARP
            moved = rows * columns + (1 if columns == width else rows) * _SECTOR
            tiles = -(-height // rows) * -(-width // columns)
            cost = tiles * (reads + window.positions * max(threads, moved))
            if best is None or cost < best[0]:
                best = cost, Tiling(rows, columns, sources(rows), sources(columns), tiles, threads, tiled)
    assert best is not None  # a tile of one position always fits
    return best[1]


def without_tile(tiling: Tiling) -> Tiling:
    """The same cut with the planes read where they lie."""
    return replace(tiling, tiled=False)
