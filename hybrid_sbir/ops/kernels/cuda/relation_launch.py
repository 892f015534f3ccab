"""What both relations share: maps as the kernels take them, how products are cut into blocks, and hidden's gradient.

Shapes: N batch, R relation channels, S hidden channels, H, W input size, OH, OW output size, P = OH * OW output
positions, K window positions, J = K + 1 (the centre first, then the neighbours), L terms of a sample (K * P or P).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hybrid_sbir.ops.accumulation import accumulation_type
from hybrid_sbir.ops.kernels.cuda.launch import Argument, launch
from hybrid_sbir.ops.kernels.cuda.programs import Program
from hybrid_sbir.ops.window import Window

THREADS = 256  # of a block, as in relation_tile.cu and hidden_gradient.cu

# Blocks worth having: some for each multiprocessor of the largest GPU (132), several times. Sums are cut into splits
# until there are so many; a constant, so that the order of additions does not depend on the GPU.
BLOCKS = 1024

_LARGEST_OFFSET = 2**31 - 1 - THREADS  # a block may reckon that far beyond an end; it never reads there

_TILES = (8, 16, 32, 64)
_HIDDEN_TILE = 2048  # hidden_gradient.cu: terms of a slice times channels of the larger tile
_FILL = 16  # a tile's fill costs about what 16 of its rows cost; reckoned from instructions, not measured


def tile_rows(channels: int) -> int:
    """Rows of a tile for a product with ``channels`` rows: few rows of zeros, few fills."""
    return min(_TILES, key=lambda rows: ceil_div(channels, rows) * (rows + _FILL))


def tile_columns(rows: int) -> int:
    """Columns of a tile with ``rows`` rows, as in relation_tile.cu."""
    return 128 if rows == 64 else 256


def ceil_div(a: int, b: int) -> int:
    """The smallest integer that is not below a / b."""
    return -(-a // b)


def cut(length: int, parts: int) -> tuple[int, int]:
    """Cut ``length`` into at most ``parts`` equal shares: how many, and how long each is (the last may be shorter)."""
    share = ceil_div(length, max(1, min(parts, length)))
    return ceil_div(length, share), share


@dataclass(frozen=True)
class Maps:
    """phi and psi, contiguous and of one type, with the window that goes over them.

    Attributes:
        phi: (N, R, H, W).
        psi: (N, R, H, W).
        window: the geometry.
        accumulation: the type that sums are made in, and that the kernels take parameters in.
    """

    phi: Tensor
    psi: Tensor
    window: Window
    accumulation: torch.dtype

    @classmethod
    def of(cls, phi: Tensor, psi: Tensor, window: Window, *others: Tensor) -> "Maps":
        """The maps of an operator whose ``others`` (parameters, gradients) also say how precise the sums are."""
        dtype = torch.promote_types(phi.dtype, psi.dtype)
        accumulation = accumulation_type(dtype, *(t.dtype for t in others))
        return cls(phi.to(dtype).contiguous(), psi.to(dtype).contiguous(), window, accumulation)

    def samples(self, part: slice) -> "Maps":
        """The maps of some samples."""
        return replace(self, phi=self.phi[part], psi=self.psi[part])

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.phi.shape[2], self.phi.shape[3]

    @property
    def positions(self) -> int:
        """P."""
        oh, ow = self.window.output_size(*self.size)
        return oh * ow

    def parameter(self, tensor: Tensor, *order: int) -> Tensor:
        """A parameter as the kernels read it: its dimensions in ``order``, contiguous, in the accumulation type."""
        tensor = tensor.to(self.accumulation)
        return (tensor.permute(order) if order else tensor).contiguous()

    def empty(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """A result or workspace, by default in the accumulation type."""
        return torch.empty(shape, dtype=dtype or self.accumulation, device=self.phi.device)

    def run(
        self,
        parts: Sequence[str],
        grid: int,
        tensors: Sequence[Tensor | None],
        numbers: Sequence[int],
        channels: int,
        relation: torch.dtype,
        constants: Mapping[str, int],
    ) -> None:
        """Launch the kernel named as the last of the ``parts``.

        Args:
            parts: the .cu files.
            grid: number of blocks.
            tensors: the kernel's tensors after phi and psi.
            numbers: the kernel's numbers before R.
            channels: S.
            relation: type of the relation, or of its gradient.
            constants: further defines.
        """
        types = (("map_t", self.phi.dtype), ("parameter_t", self.accumulation), ("relation_t", relation))
        window, operands = self.window, [self.phi, self.psi, *tensors]
        reflect = window.padding_mode == "reflect"
        wide = any(t is not None and t.numel() > _LARGEST_OFFSET for t in operands)
        program = Program(tuple(parts), window.kernel_size, reflect, types, tuple(constants.items()), wide)
        sizes: list[Argument] = [self.phi.shape[1], channels, *self.size, *window.output_size(*self.size)]
        arguments = [*operands, *numbers, *sizes, window.stride, window.border, window.dilation]
        launch(program, parts[-1], grid, THREADS, arguments)


def hidden_gradient(maps: Maps, grad: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """Gradient of the first linear map: sums over samples and terms of ``grad`` times what was multiplied.

    Args:
        maps: phi and psi.
        grad: gradient of the relation, contiguous, (N, S, K, P) or (N, S, P).
        scale: for the patchwise relation, (J, R), as the kernels read it.
        shift: likewise.

    Returns:
        (S, R), or (J, S, R) for the patchwise relation, in the accumulation type.
    """
    (n, channels), relations = grad.shape[:2], maps.phi.shape[1]
    layers = 1 if scale is None else len(scale)
    rows, columns = tile_rows(channels), tile_rows(relations)
    slices = ceil_div(grad[:, 0].numel(), _HIDDEN_TILE // max(rows, columns))
    if not slices:
        return maps.empty(layers, channels, relations).zero_().squeeze(0)
    tiles = ceil_div(channels, rows) * ceil_div(relations, columns) * layers
    splits, share = cut(slices, min(slices // 4, BLOCKS // tiles))  # a split of few slices would not pay its end
    out = maps.empty(splits, layers, channels, relations)
    constants = {"TILE_S": rows, "TILE_R": columns, "PATCH": int(scale is not None)}
    tensors = [scale, shift, grad, out]
    maps.run(("places", "hidden_gradient"), tiles * splits, tensors, [share, n], channels, grad.dtype, constants)
    return out.sum(0, dtype=torch.float64).to(maps.accumulation).squeeze(0)
