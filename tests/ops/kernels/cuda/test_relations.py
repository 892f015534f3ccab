"""The relations' kernels, run on the host (and on a GPU where there is one), against the definitions."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_sbir.ops import Window, shifted_relations
from hybrid_sbir.ops.kernels.cuda import patch_relations, relation_launch, relations
from tests.ops.arguments import GEOMETRIES, geometries
from tests.ops.kernels.cuda.relation_calls import (
    OPERATORS,
    arguments,
    backward,
    defined,
    everything,
    forward,
    gradients_like,
)

GEOMETRY = {"kernel_size": 3}
CHANNELS = [(1, 1), (3, 17), (17, 3), (33, 1), (1, 33), (33, 17), (17, 33), (72, 130)]


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    if request.param == "cpu":
        request.getfixturevalue("host_launcher")
    return request.param


def agree(operator, tensors, geometry, device="cpu", **tolerance):
    """Results and gradients of the kernels are the definition's."""
    window = Window(**geometry)
    grads = gradients_like(operator, tensors, window)
    results, gradients = defined(operator, grads, tensors, window)
    there = ([g.to(device) for g in grads], [t.to(device) for t in tensors])
    found = [t.cpu() for t in everything(operator, *there, window)]
    for got, want in zip(found, [*results, *gradients], strict=True):
        torch.testing.assert_close(got.double(), want, **tolerance)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_agrees_with_the_definition(operator, geometry, device):
    agree(operator, arguments(operator, geometry, (4, 9) if geometry["kernel_size"] == 7 else (5, 8)), geometry, device)


@pytest.mark.parametrize("operator", OPERATORS)
@given(case=geometries(), channels=st.integers(1, 9), relations=st.integers(1, 9), batch=st.integers(1, 3))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_on_any_window(host_launcher, operator, case, channels, relations, batch):
    geometry, size = case
    agree(operator, arguments(operator, geometry, size, batch, relations, channels), geometry)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("relations", "channels"), CHANNELS)
def test_partial_and_several_tiles(operator, relations, channels, device):
    tensors = arguments(operator, GEOMETRY, (5, 6), relations=relations, channels=channels)
    agree(operator, tensors, GEOMETRY, device)


@pytest.mark.parametrize("blocks", [1, 5, 10**6])
@pytest.mark.parametrize("operator", OPERATORS)
def test_sums_may_be_cut_into_any_number_of_splits(operator, blocks, monkeypatch, device):
    for module in (relation_launch, patch_relations):
        monkeypatch.setattr(module, "BLOCKS", blocks)
    agree(operator, arguments(operator, GEOMETRY, (9, 14), 3, 5, 18), GEOMETRY, device)


@pytest.mark.parametrize("operator", ["pair_relation", "pair_moments"])
def test_more_samples_than_take_turns_on_a_tile(operator, device):
    agree(operator, arguments(operator, {"kernel_size": 5}, (4, 9), batch=11), {"kernel_size": 5}, device)


@pytest.mark.parametrize("operator", OPERATORS)
def test_chunks_of_samples_change_no_bit_of_what_is_a_samples_own(operator, host_launcher, monkeypatch):
    window, tensors = Window(**GEOMETRY), arguments(operator, GEOMETRY, (5, 7), 3, 3, 4, torch.float32)
    grads = gradients_like(operator, tensors, window)
    whole = backward(operator, grads, tensors, window)
    host_launcher.launched.clear()
    monkeypatch.setitem(shifted_relations.WORKSPACE_BYTES, "cpu", 1)
    parts = backward(operator, grads, tensors, window)
    assert sum(kernel == "subtraction_backward" for _, kernel in host_launcher.launched) == 3
    for a, b in zip(whole[:2], parts[:2], strict=True):
        assert torch.equal(a, b)
    torch.testing.assert_close(parts[2:], whole[2:])


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_same_bits_every_time_in_any_order_of_threads_and_with_wide_offsets(operator, host_launcher):
    window, tensors = Window(**GEOMETRY), arguments(operator, GEOMETRY, (5, 9), 3, 18, 17, torch.float32)
    grads = gradients_like(operator, tensors, window)
    once = everything(operator, grads, tensors, window)
    for reverse, wide in [(False, False), (True, False), (False, True)]:
        host_launcher.reversed, host_launcher.wide = reverse, wide
        again = everything(operator, grads, tensors, window)
        assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


@pytest.mark.gpu
@pytest.mark.parametrize("operator", OPERATORS)
def test_the_same_bits_every_time_on_a_gpu(operator):
    window, tensors = Window(7), [t.cuda() for t in arguments(operator, {"kernel_size": 7}, (14, 14), 8, 64, 64)]
    grads = [g.cuda() for g in gradients_like(operator, [t.cpu() for t in tensors], window)]
    once, again = (everything(operator, grads, tensors, window) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(operator, dtype, device):
    """Sums are made in float32: what remains is the rounding of the result, half of the type's eps."""
    tensors = arguments(operator, GEOMETRY, (6, 7), 2, 9, 10, dtype)
    agree(operator, tensors, GEOMETRY, device, rtol=0.51 * torch.finfo(dtype).eps, atol=2e-5)


MIXED = [
    ([torch.float16, torch.float32], torch.float32, torch.float32),
    ([torch.float32, torch.bfloat16], torch.float32, torch.float32),
    ([torch.float16, torch.float16], torch.float32, torch.float32),
    ([torch.float32, torch.float32], torch.bfloat16, torch.float32),
    ([torch.float16, torch.float64], torch.float32, torch.float64),
    ([torch.float32, torch.float32], torch.float64, torch.float64),
]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("maps", "parameters", "sums"), MIXED)
def test_mixed_types(operator, maps, parameters, sums, device):
    """Results and gradients have their input's type; moments the accumulation's."""
    tensors = arguments(operator, GEOMETRY, (4, 5))
    dtypes = [*maps, *[parameters] * (len(tensors) - 2)]
    tensors = [t.to(device, dtype) for t, dtype in zip(tensors, dtypes, strict=True)]
    window = Window(**GEOMETRY)
    grads = gradients_like(operator, [t.cpu() for t in tensors], window)
    results, gradients = defined(operator, grads, [t.cpu() for t in tensors], window)
    found = everything(operator, [g.to(device) for g in grads], tensors, window)
    types = [sums] * 2 if operator == "pair_moments" else [maps[0]]
    for got, want, dtype in zip(found, [*results, *gradients], [*types, *dtypes], strict=True):
        assert got.dtype == dtype
        assert got.is_contiguous()
        torch.testing.assert_close(got.cpu().double(), want, rtol=0.51 * torch.finfo(dtype).eps + 1e-6, atol=1e-5)


@pytest.mark.parametrize("operator", OPERATORS)
def test_any_strides(operator, device):
    window = Window(**GEOMETRY)
    dense = [t.to(device) for t in arguments(operator, GEOMETRY, (4, 6), channels=3)]
    grads = [g.to(device) for g in gradients_like(operator, [t.cpu() for t in dense], window)]
    last = [t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for t in dense]
    strided = [torch.stack([t, t + 1], -1)[..., 0] for t in dense]
    spread = [torch.stack([g, g + 1], -1)[..., 0] for g in grads]
    want = everything(operator, grads, dense, window)
    for found in (everything(operator, grads, last, window), everything(operator, spread, strided, window)):
        assert all(torch.equal(a, b) and b.is_contiguous() for a, b in zip(want, found, strict=True))


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_empty_batch(operator, device):
    window, tensors = Window(**GEOMETRY), [t.to(device) for t in arguments(operator, GEOMETRY, (4, 5), batch=0)]
    grads = [g.to(device) for g in gradients_like(operator, [t.cpu() for t in tensors], window)]
    results = forward(operator, tensors, window)
    if operator == "pair_moments":
        assert all(r.isnan().all() for r in results)  # as the mean of nothing
    else:
        assert results[0].shape[0] == 0
    for gradient, tensor in zip(backward(operator, grads, tensors, window), tensors, strict=True):
        assert gradient.shape == tensor.shape
        assert not gradient.any()


@pytest.mark.parametrize("operator", ["pair_relation", "patch_relation"])
def test_only_the_needed_gradients(operator, host_launcher):
    window, tensors = Window(**GEOMETRY), arguments(operator, GEOMETRY, (4, 5))
    grads = gradients_like(operator, tensors, window)
    whole = backward(operator, grads, tensors, window)
    for i, want in enumerate(whole):
        found = backward(operator, grads, tensors, window, tuple(i == j for j in range(5)))
        assert torch.equal(found[i], want)


def test_maps_that_nobody_needs_cost_nothing(host_launcher):
    window, tensors = Window(**GEOMETRY), arguments("pair_relation", GEOMETRY, (4, 5))
    grads = gradients_like("pair_relation", tensors, window)
    found = backward("pair_relation", grads, tensors, window, (False, False, True, True))
    assert found[:2] == (None, None)
    assert [kernel for _, kernel in host_launcher.launched] == ["hidden_gradient"]


def test_the_activated_relation_is_a_scaled_and_clamped_one(device):
    tensors = arguments("pair_relation", GEOMETRY, (4, 6), relations=5, channels=9)
    scale, shift = torch.randn(2, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    plain = relations.pair_relation(*(t.to(device) for t in tensors), Window(**GEOMETRY)).cpu()
    moved = [t.to(device) for t in (*tensors, scale, shift)]
    found = relations.pair_relation_activated(*moved, Window(**GEOMETRY)).cpu()
    torch.testing.assert_close(found, (plain * scale[:, None, None] + shift[:, None, None]).relu())
