"""Tiles: whole maps covered within a GPU's limits, and a tile in shared memory only where it pays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_sbir.ops import Window
from hybrid_sbir.ops.kernels.cuda import tiling
from tests.ops.arguments import geometries


def ceil(a, b):
    return -(-a // b)


@given(case=geometries(), planes=st.sampled_from([1, 2, 4, 8]), itemsize=st.sampled_from([2, 4, 8]), data=st.data())
@settings(max_examples=200, deadline=None)
def test_tiles_cover_the_map_within_the_limits(case, planes, itemsize, data):
    window = Window(**case[0])
    size = tuple(side + data.draw(st.integers(0, 400)) for side in case[1])
    out = window.output_size(*size)
    for over, sources, direction in ((out, size, "outputs"), (size, out, "inputs")):
        cut = tiling.tile(over, window, planes, itemsize, direction)
        assert cut.tiles == ceil(over[0], cut.rows) * ceil(over[1], cut.columns)
        assert cut.rows * cut.columns <= cut.threads <= tiling.THREADS
        assert cut.threads % tiling.WARP == 0
        assert cut.shared_bytes(planes, itemsize) <= tiling.SHARED_BYTES
        assert min(cut.rows, cut.columns) >= 1
        for start_over, side, source_side, source_size in (
            (over[0], cut.rows, cut.source_rows, sources[0]),
            (over[1], cut.columns, cut.source_columns, sources[1]),
        ):
            for start in range(0, start_over, side):
                last = min(start + side, start_over) - 1
                first, end = _seen(window, direction, start, last, source_size)
                assert end - first + 1 <= source_side


def _seen(window, direction, start, last, out_size):
    """First and last of what positions start ... last read: padded positions of the input, or outputs."""
    if direction == "outputs":
        return start * window.stride, last * window.stride + 2 * window.reach
    first = max(0, ceil(start + window.border - 2 * window.reach, window.stride))
    return first, max(first, min(out_size - 1, (last + window.border) // window.stride))


@pytest.mark.parametrize(
    ("window", "size", "tiled"),
    [
        (Window(7), (56, 56), True),
        (Window(3), (7, 7), True),
        (Window(1), (14, 14), False),  # nothing is read twice
        (Window(3, stride=4), (17, 18), False),
        (Window(3, dilation=40, padding_mode="zeros"), (50, 41), False),
        (Window(7), (3, 3000), True),
    ],
)
def test_shared_memory_is_used_where_it_pays(window, size, tiled):
    window = Window(window.kernel_size, window.stride, 0 if size[0] < 4 else None, window.dilation, "zeros")
    size = (max(size[0], 2 * window.reach + 1), size[1])
    assert tiling.tile(window.output_size(*size), window, 8, 4, "outputs").tiled is tiled


@pytest.mark.parametrize(("side", "threads"), [(7, 64), (14, 224), (28, 224), (56, 224)])
def test_threads_of_the_models_maps_are_mostly_busy(side, threads):
    """What the models run: few idle threads, whole rows (neighbouring threads read one run of weights)."""
    cut = tiling.tile((side, side), Window(7), 8, 4, "outputs")
    assert (cut.columns, cut.threads) == (side, threads)
    assert cut.tiles * cut.threads * 0.75 <= side * side


@pytest.mark.parametrize(("share", "planes"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 8), (100, 8)])
def test_planes_are_a_power_of_two(share, planes):
    assert tiling.planes_of(share) == planes
