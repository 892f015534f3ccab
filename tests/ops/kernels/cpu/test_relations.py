"""The fused C kernels of both relations against the definitions: outputs and all gradients, on any window."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_sbir.ops import Window, reference
from hybrid_sbir.ops.kernels.cpu import allocate, build, relations
from tests.ops.arguments import GEOMETRIES, geometries

OPERATORS = ["pair_relation", "pair_moments", "pair_attention", "patch_relation", "patch_attention"]
GEOMETRY = {"kernel_size": 3}
# R relation, S hidden, G weight channels, and how many of x share a weight; 20 and 33 leave a part of every vector.
CHANNELS = [(1, 1, 1, 1), (3, 17, 1, 8), (17, 3, 2, 3), (20, 33, 17, 9), (33, 20, 3, 8), (64, 32, 32, 8)]


@pytest.fixture(autouse=True, scope="module")
def _kernels():
    works, reason = build.available()
    if not works:
        pytest.skip(reason)


def arguments(operator, geometry=GEOMETRY, size=(5, 6), batch=2, channels=(3, 4, 2, 3), dtype=torch.float64):
    """Seeded tensors in the order of the operator's parameters."""
    window, (r, s, g, share) = Window(**geometry), channels
    oh, ow = window.output_size(*size)
    k, p = window.positions, oh * ow
    maps, x = [(batch, r, *size)] * 2, (batch, g * share, *size)
    pair = [*maps, (1, s, k, p), (s, r)]
    shapes = {
        "pair_relation": pair,
        "pair_moments": pair,
        "pair_attention": [x, *pair, (s,), (s,), (g, s), (g,)],
        "patch_relation": [*maps, (r, k + 1), (r, k + 1), (s, r, k + 1)],
        "patch_attention": [x, (batch, s, p), (g, k, s), (g, k)],
    }[operator]
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    for i in {"pair_relation": [3], "pair_moments": [3], "pair_attention": [4, 7]}.get(operator, []):
        tensors[i] /= tensors[i].shape[1] ** 0.5  # sums stay near one, and the softmax far from a single winner
    return [t.to(dtype) for t in tensors]


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def gradients_like(results):
    """Seeded gradients of those results that have one."""
    return [torch.randn(r.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) for r in results]


def defined(operator, tensors, window):
    """Results, their gradients as they come in, and the gradients of the inputs by the definition, in float64."""
    leaves = [t.double().requires_grad_() for t in tensors]
    results = as_tuple(getattr(reference, operator)(*leaves, window))
    through = [r for r in results if r.requires_grad]
    grads = gradients_like(through)
    return [r.detach() for r in results], grads, list(torch.autograd.grad(through, leaves, grads))


def computed(operator, tensors, window, grads):
    """Results and gradients of the kernels, in one list; ``grads`` are float64 and come in as the result's type."""
    results = as_tuple(getattr(relations, operator)(*tensors, window))
    grads = [g.to(r.dtype) for g, r in zip(grads, results, strict=False)]
    phi, psi, needed = tensors[0], tensors[1], (True,) * len(tensors)
    call = getattr(relations, f"{operator}_backward")
    if operator == "pair_relation":
        return [*results, *call(*grads, phi, psi, tensors[3], window, needed)]
    if operator == "pair_moments":
        return [*results, *call(*grads, results[0], *tensors, window, needed)]
    return [*results, *call(*grads, *tensors, *(results if operator == "pair_attention" else ()), window, needed)]


def distance(got, want):
    """The error's norm beside that of what is wanted; beside 1 where that is smaller (the bias under a softmax: 0)."""
    return float((got.double() - want).norm() / want.norm().clamp(min=1))


def agree(operator, tensors, geometry, bound=1e-13):
    window = Window(**geometry)
    results, grads, gradients = defined(operator, tensors, window)
    found = computed(operator, tensors, window, grads)
    wanted = [*results, *gradients]
    assert [t.shape for t in found] == [t.shape for t in wanted]
    errors = [distance(got, want) for got, want in zip(found, wanted, strict=True)]
    assert max(errors) < bound, errors
    return found


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_agrees_with_the_definition(operator, geometry):
    agree(operator, arguments(operator, geometry, (5, 8), batch=3), geometry)


@pytest.mark.parametrize("operator", OPERATORS)
@given(case=geometries(), r=st.integers(1, 9), s=st.integers(1, 9), g=st.integers(1, 5), share=st.integers(1, 9))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_on_any_window(operator, case, r, s, g, share):
    geometry, size = case
    agree(operator, arguments(operator, geometry, size, channels=(r, s, g, share)), geometry)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("channels", CHANNELS, ids=str)
@pytest.mark.parametrize("width", [16, 32, 64])
def test_any_number_of_channels_in_vectors_of_any_width(operator, channels, width, monkeypatch):
    for real in ("float", "double"):
        if not hasattr(build.library(real), f"{operator}_{width}"):
            pytest.skip(f"this machine has no vectors of {width} bytes")
    monkeypatch.setattr(relations, "_width", lambda *sizes: width)
    agree(operator, arguments(operator, channels=channels), GEOMETRY)
    # Unit roundoff 6e-8; the bias under a softmax has a gradient of 0, the sum of a few hundred terms of either sign.
    agree(operator, arguments(operator, channels=channels, dtype=torch.float32), GEOMETRY, bound=2e-5)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    ("batch", "size", "side"), [(1, (12, 17), 7), (19, (4, 4), 7), (9, (9, 7), 5), (33, (2, 3), 3)]
)
def test_many_tiles_and_pieces(operator, batch, size, side):
    """Positions cut into slices, samples into blocks, the last ones smaller; tiles of several samples."""
    agree(operator, arguments(operator, {"kernel_size": side}, size, batch, (40, 24, 8, 8)), {"kernel_size": side})


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_single(operator, dtype):
    """The results of float32 with the same numbers, rounded once."""
    halves, window = arguments(operator, dtype=dtype), Window(**GEOMETRY)
    _, grads, _ = defined(operator, halves, window)
    grads = [g.to(dtype).double() for g in grads]
    single = as_tuple(getattr(relations, operator)(*(t.float() for t in halves), window))
    half = as_tuple(getattr(relations, operator)(*halves, window))
    types = [torch.float32 if operator == "pair_moments" else dtype, torch.float32]
    for got, want, kind in zip(half, single, types, strict=False):
        torch.testing.assert_close(got, want.to(kind), rtol=0, atol=0)
    gradients = computed(operator, halves, window, grads)[len(half) :]
    assert [g.dtype for g in gradients] == [dtype] * len(halves)
    assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("operator", OPERATORS)
def test_types_may_differ(operator):
    """Autocast leaves parameters in float32; each gradient has the type of its input."""
    tensors = arguments(operator, dtype=torch.float32)
    tensors[0], window = tensors[0].bfloat16(), Window(**GEOMETRY)
    results, grads, wanted = defined(operator, tensors, window)
    found = computed(operator, tensors, window, grads)[len(results) :]
    types = [t.dtype for t in tensors]
    assert [g.dtype for g in found] == types if operator != "pair_relation" else found[3].dtype == torch.float32
    assert max(distance(got, want) for got, want in zip(found, wanted, strict=True)) < 0.02


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_empty_batch(operator):
    tensors, window = arguments(operator, batch=0), Window(**GEOMETRY)
    wanted = [torch.empty_like(r) for r in as_tuple(getattr(reference, operator)(*tensors, window))]
    found = computed(operator, tensors, window, gradients_like(wanted[:1] if operator == "pair_attention" else wanted))
    assert [t.shape for t in found] == [t.shape for t in [*wanted, *tensors]]
    assert not any(g.any() for g in found[len(wanted) :])


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("batch", [1, 5])
def test_the_same_bits_on_every_run_with_any_number_of_threads(operator, batch):
    geometry, runs = {"kernel_size": 5}, []
    tensors = arguments(operator, geometry, (11, 9), batch, (24, 20, 4, 8), torch.float32)
    _, grads, _ = defined(operator, tensors, Window(**geometry))
    for threads in (1, 2, 3, 2):
        torch.set_num_threads(threads)
        runs.append(computed(operator, tensors, Window(**geometry), grads))
    for run in runs[1:]:
        for first, other in zip(runs[0], run, strict=True):
            torch.testing.assert_close(other, first, rtol=0, atol=0)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("channels", [(3, 5, 2, 3), (16, 16, 8, 8)], ids=str)
def test_every_result_is_written_and_nothing_beside_it(operator, channels, monkeypatch):
    """Memory comes full of NaN, between guards that nobody may touch."""
    guard, lent = 64, []

    def poisoned(shape, dtype):
        count = torch.Size(shape).numel()
        lent.append((torch.full((count + 2 * guard,), torch.nan, dtype=dtype), count))
        lent[-1][0][[*range(guard), *range(-guard, 0)]] = 7
        return lent[-1][0][guard : guard + count].view(shape)

    monkeypatch.setattr(allocate, "result", poisoned)
    for size, batch in (((5, 6), 2), ((9, 4), 7)):
        agree(operator, arguments(operator, size=size, batch=batch, channels=channels), GEOMETRY)
    assert lent
    assert all((memory[:guard] == 7).all() and (memory[guard + count :] == 7).all() for memory, count in lent)


@pytest.mark.parametrize("operator", OPERATORS)
def test_strided_input(operator):
    dense, window = arguments(operator), Window(**GEOMETRY)
    _, grads, _ = defined(operator, dense, window)
    wanted = computed(operator, dense, window, grads)
    strided = [torch.stack([t, t + 1], -1)[..., 0] for t in dense]
    last = [t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for t in dense]
    for other in (strided, last):
        for got, want in zip(computed(operator, other, window, grads), wanted, strict=True):
            torch.testing.assert_close(got, want, rtol=0, atol=0)
            assert got.is_contiguous()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("operator", OPERATORS)
def test_nan_and_infinity_go_where_the_definition_lets_them(operator, value):
    """In one place of each of the inputs in turn; infinite moments, and what an infinite scale makes, may be NaN."""
    window = Window(**GEOMETRY)
    for i in range(len(arguments(operator))):
        tensors = arguments(operator)
        tensors[i].view(-1)[1] = value
        wanted = as_tuple(getattr(reference, operator)(*tensors, window))
        for got, want in zip(as_tuple(getattr(relations, operator)(*tensors, window)), wanted, strict=True):
            if operator == "pair_moments":
                got, want = (torch.where(t.isinf(), torch.nan, t) for t in (got, want))
            if operator == "pair_attention" and i == 5 and abs(value) == torch.inf:
                got, want = (t[got.isfinite()] for t in (got, want))
            torch.testing.assert_close(got, want, equal_nan=True, msg=lambda words, i=i: f"input {i}: {words}")


def test_moments_of_values_far_from_zero():
    """A mean of 1000 would leave nothing of a variance taken as the mean of squares less the squared mean."""
    tensors = arguments("pair_moments", size=(9, 11), batch=7, dtype=torch.float32)
    tensors[2] += 1000
    mean, variance = relations.pair_moments(*tensors, Window(**GEOMETRY))
    wanted = reference.pair_moments(*(t.double() for t in tensors), Window(**GEOMETRY))
    torch.testing.assert_close(mean.double(), wanted[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(variance.double(), wanted[1], rtol=1e-4, atol=0)


@pytest.mark.parametrize(("dtype", "lowest"), [(torch.float32, -86.0), (torch.float64, -706.0)])
def test_exponentials_are_within_two_units_in_the_last_place(dtype, lowest):
    """exp(logits) comes out as the gradient of the positions where x, its gradient and scale are 1 and output is -1."""
    logits = (torch.linspace(1e-4, 1, 9 * 600, dtype=torch.float64).square() * lowest).to(dtype).view(1, 1, 9, 600)
    x, zeros, one, zero = *torch.ones(2, 1, 1, 20, 30, dtype=dtype), *torch.tensor([1, 0], dtype=dtype).view(2, 1)
    maps, lse = [x, zeros * 0, zeros * 0], torch.zeros(1, 1, 600, dtype=dtype)
    parameters = [zero.view(1, 1), one, zero, -one.view(1, 1), zero]
    arguments = [x, *maps, -logits, *parameters, zeros * 0, lse]
    weights = -relations.pair_attention_backward(*arguments, Window(**GEOMETRY), (True,) * 9)[3]
    error = (weights.double() / logits.double().exp() - 1).abs().max()
    assert error < 2 * torch.finfo(dtype).eps
