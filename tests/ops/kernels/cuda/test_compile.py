"""Every program compiles for every architecture with NVRTC, as CuPy calls it, and spills no register."""

import itertools

import pytest

from tests.ops.kernels.cuda import nvrtc
from tests.ops.kernels.cuda.variants import FAMILIES, pairwise

IDS = [family.parts[-1] for family in FAMILIES]


def test_the_choice_covers_every_pair_of_options():
    factors = ["abc", "de", "fghi"]
    chosen = list(pairwise(factors))
    for one, other in itertools.combinations(range(3), 2):
        pairs = {(choice[one], choice[other]) for choice in chosen}
        assert pairs == set(itertools.product(factors[one], factors[other]))
    assert len(chosen) < 3 * 2 * 4


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_a_choice_of_programs_compiles_and_stays_in_registers(family):
    nvrtc.require()
    for program, architecture in list(family.covering()):
        nvrtc.check(program, architecture)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
@pytest.mark.parametrize("architecture", nvrtc.ARCHITECTURES)
def test_every_program_compiles_and_stays_in_registers(family, architecture):
    nvrtc.require()
    for program, target in family.every():
        if target == architecture:
            nvrtc.check(program, architecture)
