"""The bytes that an operator must move, beside formulas written out by hand; the sizes that none can have."""

import pytest
import torch

from hybrid_sbir import ops
from hybrid_sbir.bench.operators import PUBLISHED, arguments
from hybrid_sbir.bench.sizes import OPERATORS, Size, bytes_moved, differentiable_results
from hybrid_sbir.bench.workload import Task, Workload

SIZE = Size(batch=3, side=5, channels=16, kernel_size=3)
N, M, G, R, P, K = 3, 16, 2, 4, 25, 9
X, WEIGHT, PHI, LSE = N * M * P, N * G * K * P, N * R * P, N * G * P
PAIR = 2 * PHI + R * K * P + R * R  # phi, psi, position, hidden
ATTENTION = X + PAIR + 2 * R + G * R + G
PATCH = 2 * PHI + 2 * R * (K + 1) + G * R * (K + 1)
PATCH_ATTENTION = X + N * G * P + G * K * G + G * K
FORMULAS = {
    "aggregation": (X + WEIGHT + X, X + X + WEIGHT + X + WEIGHT),
    "softmax_aggregation": (X + WEIGHT + X + LSE, X + X + WEIGHT + X + LSE + X + WEIGHT),
    "subtraction": (2 * PHI + N * R * K * P, N * R * K * P + 2 * PHI),
    "pair_relation": (PAIR + N * R * K * P, N * R * K * P + 2 * PAIR),
    "pair_moments": (PAIR + 2 * R, 2 * R + R + 2 * PAIR),
    "pair_attention": (ATTENTION + X + LSE, X + X + LSE + 2 * ATTENTION),
    "patch_relation": (PATCH + N * G * P, N * G * P + 2 * PATCH),
    "patch_attention": (PATCH_ATTENTION + X, X + 2 * PATCH_ATTENTION),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_bytes_that_must_be_moved(operator):
    assert bytes_moved(operator, SIZE, 4) == tuple(4 * numbers for numbers in FORMULAS[operator])
    assert bytes_moved(operator, SIZE, 2)[0] == 2 * FORMULAS[operator][0]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("operator", OPERATORS)
def test_the_arguments_fit_the_operator_and_the_published_layout_agrees(operator, channels_last):
    inputs = arguments(operator, SIZE, torch.device("cpu"), torch.float64, channels_last)
    ours = getattr(ops, operator)(*inputs, kernel_size=3)
    theirs = PUBLISHED[operator](*inputs, 3)
    ours, theirs = ([y] if isinstance(y, torch.Tensor) else list(y) for y in (ours, theirs))
    assert [tuple(y.shape) for y in ours if y.requires_grad] == differentiable_results(operator, SIZE)
    for own, other in zip(ours, theirs, strict=False):  # the published layout has no log of the divisor
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("operator", OPERATORS)
def test_both_passes_give_the_same_gradients_to_each_contender(operator):
    found = []
    for contender in ("ours", "ours, channels last", "published"):
        torch.manual_seed(0)
        workload = Workload(Task(operator, contender, SIZE, torch.float64), torch.device("cpu"))
        found.append(workload.both()[1])
    for gradients in zip(*found, strict=True):
        torch.testing.assert_close(gradients[1], gradients[0])
        torch.testing.assert_close(gradients[2], gradients[0])


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"batch": 0}, "the batch is 0; it must be at least 1"),
        ({"channels": 12}, "12 aggregated channels; they must be a multiple of 8"),
        ({"side": 1}, "a 3 x 3 window reflects 1 positions, but the map is only 1 x 1"),
    ],
)
def test_a_size_that_none_can_have_is_refused(numbers, words):
    with pytest.raises(ValueError, match=words):
        Size(**{"batch": 3, "side": 5, "channels": 16, "kernel_size": 3} | numbers)
