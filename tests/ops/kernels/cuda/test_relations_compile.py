"""The relations' programs compile for every architecture with NVRTC, as CuPy calls it, and spill no register."""

import itertools

import pytest
import torch

from tests.ops.kernels.cuda import nvrtc
from tests.ops.kernels.cuda.variants import BFLOAT, DOUBLE, HALF, SINGLE, Family

TILE = ("places", "relation_tile")
ROWS = (8, 16, 32, 64)
MOMENTS = 3


def types(*triples: tuple[torch.dtype, torch.dtype, torch.dtype]) -> list:
    return [tuple(zip(("map_t", "parameter_t", "relation_t"), triple, strict=True)) for triple in triples]


# Maps, parameters (always the accumulation type), relation or its gradient. The last two: the gradient of the moments,
# and parameters in double.
SAME = [(SINGLE, SINGLE, SINGLE), (HALF, SINGLE, HALF), (BFLOAT, SINGLE, BFLOAT), (DOUBLE, DOUBLE, DOUBLE)]
TYPES = types(*SAME, (HALF, SINGLE, SINGLE), (SINGLE, DOUBLE, SINGLE))
SUMS = types(*((maps, parameters, parameters) for maps, parameters, _ in SAME))

HEIGHTS = [(("TILE_ROWS", rows),) for rows in ROWS]
EPILOGUES = [(("TILE_ROWS", rows), ("EPILOGUE", what)) for rows, what in itertools.product(ROWS, range(MOMENTS))]
TEAMS = [(("TILE_S", s), ("TILE_R", r), ("PATCH", patch)) for s, r, patch in itertools.product(ROWS, ROWS, (0, 1))]

FAMILIES = [
    Family((*TILE, "pair_relation"), TYPES, EPILOGUES),
    Family((*TILE, "pair_relation"), SUMS, [(*height, ("EPILOGUE", MOMENTS)) for height in HEIGHTS]),
    Family((*TILE, "pair_gradient"), TYPES, HEIGHTS),
    Family((*TILE, "patch_relation"), TYPES, HEIGHTS),
    Family((*TILE, "patch_gradient"), TYPES, HEIGHTS),
    Family(("places", "hidden_gradient"), TYPES, TEAMS),
]
IDS = ["pair_relation", "pair_moments", "pair_gradient", "patch_relation", "patch_gradient", "hidden_gradient"]


def each_option_once(family: Family):
    """As many choices as the largest factor has options; the others take turns."""
    factors = family.factors()
    for i in range(max(map(len, factors))):
        yield family.program([options[(i + place) % len(options)] for place, options in enumerate(factors)])


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_every_option_compiles_and_stays_in_registers(family):
    nvrtc.require()
    for program, architecture in each_option_once(family):
        nvrtc.check(program, architecture)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_every_two_options_compile_together_and_stay_in_registers(family):
    nvrtc.require()
    for program, architecture in family.covering():
        nvrtc.check(program, architecture)
