"""Sources put together: what is compiled in, what is not, and how wide offsets are."""

import itertools
import re

import pytest
import torch

from hybrid_sbir.ops import Window
from hybrid_sbir.ops.kernels.cuda.programs import FOLDER, Program, make_program
from tests.ops.kernels.cuda.variants import FAMILIES


def test_different_programs_have_different_sources_and_names():
    programs = {program for family in FAMILIES for program, _ in family.every()}
    assert len({p.source() for p in programs}) == len({p.name() for p in programs}) == len(programs) > 100


def test_sizes_are_not_compiled_in():
    tensors = [{"phi_t": torch.zeros(n, 3, h, 9)} for n, h in ((1, 8), (2, 9))]
    one, other = (make_program(("subtraction",), Window(3, stride=s), t) for s, t in zip((1, 2), tensors, strict=True))
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("window", "dtype", "line"),
    [
        (Window(5), torch.float32, "#define KERNEL_SIZE 5"),
        (Window(5), torch.float32, "#define REFLECT 1"),
        (Window(5, padding_mode="zeros"), torch.float32, "#define REFLECT 0"),
        (Window(5), torch.float16, "typedef half_t phi_t;"),
        (Window(5), torch.float16, "typedef float acc_t;"),
        (Window(5), torch.float64, "typedef double acc_t;"),
        (Window(5), torch.bfloat16, "typedef int index_t;"),
    ],
)
def test_the_source_says_what_it_is_for(window, dtype, line):
    source = make_program(("subtraction",), window, {"phi_t": torch.zeros(1, dtype=dtype)}, {"MORE": 3}).source()
    assert line in source.splitlines()
    assert "#define MORE 3" in source.splitlines()


@pytest.mark.parametrize(("count", "wide"), [(2**31 - 2000, False), (2**31, True)])
def test_offsets_are_wide_when_a_tensor_needs_it(count, wide):
    large, small = torch.empty(count, device="meta"), torch.empty(3, device="meta")
    assert make_program((), Window(3), {"x_t": large}).wide is wide
    assert make_program((), Window(3), {"x_t": small}, results=(None, large)).wide is wide
    assert not make_program((), Window(3), {"x_t": small}, results=(None, small)).wide


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.cu")), ids=lambda p: p.name)
def test_texts_include_nothing_and_define_no_t(path):
    """NVRTC's wheel has no headers, and a macro named T breaks the one that NVRTC brings itself."""
    text = path.read_text(encoding="utf-8")
    assert "#include" not in text
    assert not re.search(r"#\s*define\s+T\b", text)
    assert len(text.splitlines()) <= 250


@pytest.mark.parametrize("name", ["THREADS"])
def test_numbers_said_twice_agree(name):
    """What the launch and the text must both know."""
    from hybrid_sbir.ops.kernels.cuda import subtractions, tiling

    for part, number in (("tiles", tiling.THREADS), ("subtraction", subtractions._THREADS)):
        found = re.findall(rf"#define {name} (\d+)", (FOLDER / f"{part}.cu").read_text(encoding="utf-8"))
        assert found == [str(number)]


def test_programs_are_equal_if_everything_is():
    options = [
        (("subtraction",), k, r, (("phi_t", torch.float32),), (), w) for k in (3, 5) for r in (0, 1) for w in (0, 1)
    ]
    for one, other in itertools.combinations(options, 2):
        assert Program(*one) != Program(*other)
    assert Program(*options[0]) == Program(*options[0])
