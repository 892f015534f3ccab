"""The relations' kernels where numbers are awkward: ties, NaN, large offsets, gradients that half precision loses."""

import pytest
import torch

from hybrid_sbir.ops import Window
from hybrid_sbir.ops.kernels.cuda import relations
from tests.ops.kernels.cuda.relation_calls import OPERATORS, arguments, backward, defined, everything, gradients_like

GEOMETRY = {"kernel_size": 3}


@pytest.fixture(autouse=True)
def _on_the_host(host_launcher):
    pass


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_tie_has_no_gradient(operator):
    """phi_i - psi_j is exactly 0 where the neighbour is the centre; there PyTorch's ReLU gives 0."""
    tensors = [t.round() for t in arguments(operator, GEOMETRY, (4, 5))]
    tensors[1] = tensors[0].clone()
    window = Window(**GEOMETRY)
    grads = gradients_like(operator, tensors, window)
    _, want = defined(operator, grads, tensors, window)
    torch.testing.assert_close(list(backward(operator, grads, tensors, window)), list(want))


@pytest.mark.parametrize("operator", ["pair_relation", "patch_relation"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_nan_stays_one_and_spreads_as_in_the_definition(operator, place):
    window, tensors = Window(**GEOMETRY), arguments(operator, GEOMETRY, (5, 6))
    tensors[place][1, 2, 3, 4] = float("nan")
    grads = gradients_like(operator, tensors, window)
    results, gradients = defined(operator, grads, tensors, window)
    found = everything(operator, grads, tensors, window)
    assert results[0].isnan().any()
    for got, want in zip(found, [*results, *gradients], strict=True):
        torch.testing.assert_close(got, want, equal_nan=True)


def test_the_variance_survives_a_large_mean():
    """With a mean of 3000 in float32, the mean square less the squared mean would be off by about 1."""
    tensors = arguments("pair_moments", GEOMETRY, (9, 8), dtype=torch.float32)
    tensors[2] += 3000
    grads = [torch.zeros(2)] * 2
    (mean, variance), _ = defined("pair_moments", grads, tensors, Window(**GEOMETRY))
    found = relations.pair_moments(*tensors, Window(**GEOMETRY))
    torch.testing.assert_close(found[0].double(), mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(found[1].double(), variance, rtol=1e-3, atol=0)


def test_the_moments_gradient_is_not_lost_in_half_precision():
    """Divided by the count it is about 1e-8, which float16 rounds to nothing; the sums of it are not."""
    window = Window(**GEOMETRY)
    tensors = arguments("pair_moments", GEOMETRY, (16, 16), dtype=torch.float16)
    grads = [1e-4 * g for g in gradients_like("pair_moments", tensors, window)]
    _, want = defined("pair_moments", grads, tensors, window)
    found = backward("pair_moments", grads, tensors, window)
    assert all(w.abs().max() > 1e-5 for w in want[3:])
    torch.testing.assert_close(found[3].double(), want[3], rtol=2e-3, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("relations", "side"), [(16, 56), (32, 28), (64, 14), (128, 7)])
def test_the_published_models_sizes(operator, relations, side):
    """A sample of every stage of SAN, in float32; a map's gradient collects up to K * S products."""
    window, channels = Window(7), relations // 2 if operator == "patch_relation" else relations
    tensors = arguments(operator, {"kernel_size": 7}, (side, side), 1, relations, channels, torch.float32)
    tensors = [t / 8 if i > 1 else t for i, t in enumerate(tensors)]
    grads = gradients_like(operator, tensors, window)
    results, gradients = defined(operator, grads, tensors, window)
    for got, want in zip(everything(operator, grads, tensors, window), [*results, *gradients], strict=True):
        size = want.square().mean().sqrt().item()
        torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=1e-5 * size)
