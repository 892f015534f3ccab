"""What a position of a map looks at: its weights in every attention block, laid on the map they are taken from.

Shapes: C image channels, H, W size of a map, k footprint side, G share groups or heads.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hybrid_sbir.attention.blocks import AttentionBlock, backbone_of, choose_blocks
from hybrid_sbir.attention.grid import Grid, map_grids
from hybrid_sbir.attention.weights import HEADS, LOCAL, AttentionKind, Law, WeightRecorder, law_of
from hybrid_sbir.models.two_branch import Domain


@dataclass(frozen=True)
class Footprint:
    """The weights of one position in one block.

    Attributes:
        block: the block's name, STAGE.BLOCK.
        kind: pairwise, patchwise, sasa, non-local, bot or vit.
        law: whether the weights have signs, and whether they sum to 1.
        cell: row and column of the position in the block's map.
        grid: the block's map on the image.
        weights: (G, k, k), by row and column of the footprint; of a block that looks at the whole map (G, H, W), of a
            non-local one (1, H // 2, W // 2).
        on_map: (G, H, W), the same weights where they are taken from: what lies beyond the border is reflected into the
            map, and weights that fall on one position are added, as the block adds them; sasa leaves it out. Of a
            block that looks at the whole map as ``weights``.
        map_grid: where ``on_map`` lies on the image.
        outside: (k, k), which part of the footprint lies beyond the border.
        reflected: (H, W), onto which positions that part falls.
    """

    block: str
    kind: AttentionKind
    law: Law
    cell: tuple[int, int]
    grid: Grid
    weights: Tensor
    on_map: Tensor
    map_grid: Grid
    outside: Tensor
    reflected: Tensor

    @property
    def groups(self) -> int:
        """Number of share groups or heads, G."""
        return self.weights.shape[0]

    @property
    def group_noun(self) -> str:
        """What one of the groups is called."""
        return "head" if self.kind in HEADS else "share group"

    @property
    def local(self) -> bool:
        """Whether the block looks at a window around the position, and not at the whole map."""
        return self.kind in LOCAL

    @property
    def neighbours(self) -> int:
        """Number of weights: of the window, without what is left out, or of the whole map."""
        return self.weights[0].numel() - (int(self.outside.sum()) if self.kind == "sasa" else 0)


@torch.no_grad()
def footprints(
    model: nn.Module,
    image: Tensor,
    at: tuple[float, float] | None = None,
    *,
    cell: tuple[int, int] | None = None,
    blocks: Sequence[str] | None = None,
    domain: Domain = "sketch",
) -> list[Footprint]:
    """Look at what one position of an image looks at, in every attention block.

    Args:
        model: a Backbone, a Classifier, or two branches; in evaluation mode.
        image: what the model is given, (C, height, width): normalised.
        at: the position, x and y in pixels of ``image``; in each block the nearest position of its map is taken.
        cell: or row and column in the map of each chosen block.
        blocks: names STAGE.BLOCK; all where not given.
        domain: which of two branches.

    Raises:
        ValueError: no such block, a position outside, an image too small, a model in training mode.
    """
    backbone, chosen = backbone_of(model, domain), choose_blocks(model, blocks, domain)
    if image.ndim != 3:
        raise ValueError(f"the image is {tuple(image.shape)}; one image is (channels, height, width)")
    if (at is None) == (cell is None):
        raise ValueError("give the position either in pixels (at: x, y) or in a map (cell: row, column)")
    height, width = image.shape[1:]
    if at is not None and not (-0.5 <= at[0] <= width - 0.5 and -0.5 <= at[1] <= height - 0.5):
        raise ValueError(f"position {at} is outside of the image: x is 0 to {width - 1}, y 0 to {height - 1}")
    with ExitStack() as watched:
        recorders = [watched.enter_context(WeightRecorder(block.module)) for block in chosen]
        backbone(image.unsqueeze(0))
    grids = map_grids(backbone, height, width)
    pairs = zip(chosen, recorders, strict=True)
    return [
        _footprint(block, recorder.weights[0], grids[block.stage + (not block.before)], at, cell)
        for block, recorder in pairs
    ]


def _footprint(
    block: AttentionBlock,
    weights: Tensor,
    grid: Grid,
    at: tuple[float, float] | None,
    cell: tuple[int, int] | None,
) -> Footprint:
    """The weights (G, K or Q, P) of a whole map, for one position."""
    place = grid.cell_at(*at) if at is not None else cell
    assert place is not None
    if not (0 <= place[0] < grid.rows and 0 <= place[1] < grid.columns):
        raise ValueError(f"cell {place} is outside of block {block.name}'s map of {grid.rows} x {grid.columns}")
    own = weights[:, :, place[0] * grid.columns + place[1]]
    if block.kind not in LOCAL:
        keys = grid.pooled() if block.kind == "non-local" else grid
        own = own.unflatten(1, (keys.rows, keys.columns))
        nowhere = torch.zeros(own.shape[1:], dtype=torch.bool)
        return Footprint(block.name, block.kind, law_of(block.module), place, grid, own, own, keys, nowhere, nowhere)
    own = own.unflatten(1, (round(own.shape[1] ** 0.5), -1))
    on_map, outside, reflected = fold(own, place, (grid.rows, grid.columns), reflecting=block.kind != "sasa")
    return Footprint(block.name, block.kind, law_of(block.module), place, grid, own, on_map, grid, outside, reflected)


def fold(
    weights: Tensor, cell: tuple[int, int], size: tuple[int, int], reflecting: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Lay a footprint's weights on the map, reflecting at the border without repeating the edge, as the block does.

    Args:
        weights: (G, k, k).
        cell: the footprint's middle.
        size: H and W.
        reflecting: false leaves out what lies beyond the border.

    Returns:
        The weights on the map (G, H, W), which of the footprint lies outside (k, k), and where that falls (H, W).
    """
    reach = weights.shape[1] // 2
    near = [torch.arange(place - reach, place + reach + 1) for place in cell]
    beyond = [(steps < 0) | (steps >= length) for steps, length in zip(near, size, strict=True)]
    outside = beyond[0][:, None] | beyond[1]
    if not reflecting:
        near = [steps.clamp(0, length - 1) for steps, length in zip(near, size, strict=True)]
        weights = weights.masked_fill(outside.to(weights.device), 0)
    rows, columns = ((length - 1 - (length - 1 - steps.abs()).abs()) for steps, length in zip(near, size, strict=True))
    target = (rows[:, None] * size[1] + columns).flatten()
    on_map = weights.new_zeros(weights.shape[0], size[0] * size[1])
    on_map.index_add_(1, target.to(weights.device), weights.flatten(1))
    reflected = torch.zeros(size[0] * size[1], dtype=torch.bool)
    reflected[target[outside.flatten()]] = reflecting
    return on_map.unflatten(1, size), outside, reflected.unflatten(0, size)
