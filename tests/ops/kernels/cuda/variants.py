"""Which programs there are, and a choice of them in which every two options meet."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from hybrid_sbir.ops.kernels.cuda.programs import Program
from tests.ops.kernels.cuda.nvrtc import ARCHITECTURES

HALF, BFLOAT, SINGLE, DOUBLE = torch.float16, torch.bfloat16, torch.float32, torch.float64

Types = tuple[tuple[str, torch.dtype], ...]
Constants = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Family:
    """Programs of the same parts.

    Attributes:
        parts: names of the .cu files.
        types: every combination of tensor types.
        constants: every combination of further defines.
    """

    parts: tuple[str, ...]
    types: Sequence[Types]
    constants: Sequence[Constants] = ((),)
    kernel_sizes: Sequence[int] = (3, 7)

    def factors(self) -> list[Sequence[object]]:
        """What may be chosen: types, constants, kernel size, reflection, width of offsets, architecture."""
        return [self.types, self.constants, self.kernel_sizes, (True, False), (False, True), ARCHITECTURES]

    def program(self, choice: Sequence[object]) -> tuple[Program, str]:
        """The program and the architecture of a choice."""
        types, constants, kernel_size, reflect, wide, architecture = choice
        return Program(self.parts, kernel_size, reflect, types, constants, wide), architecture

    def every(self) -> Iterator[tuple[Program, str]]:
        """The whole product."""
        return map(self.program, itertools.product(*self.factors()))

    def covering(self) -> Iterator[tuple[Program, str]]:
        """A few choices such that any two options of different factors meet in one of them."""
        return map(self.program, pairwise(self.factors()))


def pairwise(factors: Sequence[Sequence[object]]) -> Iterator[list[object]]:
    """Choices that cover every pair of options, found greedily: each time the one with the most pairs not seen yet."""
    indexed = [[(f, i) for i in range(len(options))] for f, options in enumerate(factors)]
    left = {
        frozenset(pair) for one, other in itertools.combinations(indexed, 2) for pair in itertools.product(one, other)
    }
    every = [frozenset(choice) for choice in itertools.product(*indexed)]
    pairs = {choice: {frozenset(pair) for pair in itertools.combinations(sorted(choice), 2)} for choice in every}
    while left:
        best = max(every, key=lambda choice: len(pairs[choice] & left))
        left -= pairs[best]
        yield [factors[f][i] for f, i in sorted(best)]


def _types(first: str, second: str, pairs: Sequence[tuple[torch.dtype, torch.dtype]]) -> list[Types]:
    return [((first, a), (second, b)) for a, b in pairs]


SAME = [(dtype, dtype) for dtype in (SINGLE, HALF, BFLOAT, DOUBLE)]
MIXED = [(HALF, SINGLE), (SINGLE, BFLOAT)]

# Planes of a thread, tiled, softmax. Eight planes are the models'; fewer are smaller programs of the same text.
_CONSTANTS = [
    (("PLANES", planes), ("TILED", tiled), ("SOFTMAX", softmax))
    for planes, tiled, softmax in [(8, 0, 0), (8, 0, 1), (8, 1, 0), (8, 1, 1), (4, 1, 1), (1, 0, 0)]
]

FAMILIES = [
    Family(("tiles", "aggregation"), _types("x_t", "weight_t", [*SAME, *MIXED]), _CONSTANTS),
    Family(("tiles", "aggregation_grad_weight"), _types("x_t", "weight_t", [*SAME, *MIXED]), _CONSTANTS),
    Family(("tiles", "aggregation_grad_x"), _types("x_t", "weight_t", [*SAME, *MIXED]), _CONSTANTS),
    Family(("subtraction",), _types("phi_t", "psi_t", [*SAME, *MIXED])),
]
