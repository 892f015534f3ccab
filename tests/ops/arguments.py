"""Seeded arguments for every operator, and a strategy that draws windows which fit."""

import torch
from hypothesis import strategies as st

from hybrid_sbir.ops import Window

GEOMETRIES = [
    {"kernel_size": 7},
    {"kernel_size": 3, "padding_mode": "zeros"},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "dilation": 2},
    {"kernel_size": 5, "padding": 1, "stride": 2},
    {"kernel_size": 3, "padding": 0},
    {"kernel_size": 1},
]


@st.composite
def geometries(draw):
    """A window and a map (H, W) on which it fits, the smallest reflection included."""
    kernel_size, dilation = draw(st.sampled_from([1, 3, 5])), draw(st.integers(1, 2))
    reach = dilation * (kernel_size // 2)
    padding = draw(st.none() | st.integers(0, reach))
    mode = draw(st.sampled_from(["reflect", "zeros"]))
    border = reach if padding is None else padding
    smallest = max(1, 2 * reach + 1 - 2 * border, border + 1 if mode == "reflect" else 1)
    sides = st.integers(smallest, smallest + 4)
    geometry = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "padding_mode": mode}
    return {**geometry, "stride": draw(st.integers(1, 3))}, (draw(sides), draw(sides))


def make_arguments(operator, geometry, size, batch=2, dtype=torch.float64, seed=0):
    """Random tensors that fit ``operator`` (a name of hybrid_sbir.ops), the window and the map's size."""
    window = Window(**geometry)
    oh, ow = window.output_size(*size)
    k, p, r = window.positions, oh * ow, 3
    shapes = {
        "windows": [(batch, r, *size)],
        "aggregation": [(batch, 6, *size), (batch, 2, k, p)],
        "softmax_aggregation": [(batch, 6, *size), (batch, 3, k, p)],
        "subtraction": [(batch, r, *size)] * 2,
        "pair_relation": [(batch, r, *size), (batch, r, *size), (1, 2, k, p), (2, r)],
        "pair_moments": [(batch, r, *size), (batch, r, *size), (1, 2, k, p), (2, r)],
        "pair_attention": [(batch, 6, *size), *[(batch, r, *size)] * 2, (1, 4, k, p), (4, r), (4,), (4,), (2, 4), (2,)],
        "patch_relation": [(batch, r, *size), (batch, r, *size), (r, k + 1), (r, k + 1), (4, r, k + 1)],
        "patch_attention": [(batch, 6, *size), (batch, 4, p), (2, k, 4), (2, k)],
    }[operator]
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
