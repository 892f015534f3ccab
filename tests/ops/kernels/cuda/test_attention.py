"""Whole attentions composed of the CUDA kernels, and that the implementation has every operator of the contract."""

import inspect

import pytest
import torch

from hybrid_sbir.ops import Window, composed, reference, shifted, shifted_relations
from hybrid_sbir.ops.kernels.cuda import implementation
from tests.ops.arguments import make_arguments

GEOMETRIES = [{"kernel_size": 3}, {"kernel_size": 3, "stride": 2, "padding_mode": "zeros"}]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["reflect", "strided"])
@pytest.mark.parametrize("operator", ["pair_attention", "patch_attention"])
def test_whole_attentions_agree_with_the_definition(device, operator, geometry):
    window = Window(**geometry)
    inputs = [t.requires_grad_() for t in make_arguments(operator, geometry, (6, 7))]
    wanted = getattr(reference, operator)(*inputs, window)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    grad = torch.randn(wanted[0].shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = torch.autograd.grad(wanted[0], inputs, grad)

    args = [t.detach().to(device) for t in inputs]
    found = getattr(composed, operator)(implementation, *args, window)
    found = found if isinstance(found, tuple) else (found,)
    saved = found if len(found) == 2 else ()
    backward = getattr(composed, f"{operator}_backward")
    found_gradients = backward(implementation, grad.to(device), *args, *saved, window, (True,) * len(args))
    for actual, expected in zip((*found, *found_gradients), (*wanted, *gradients), strict=True):
        torch.testing.assert_close(actual.cpu(), expected.detach(), rtol=1e-11, atol=1e-11)


def test_every_operator_has_the_contracts_parameters():
    """The plain implementation has all operators; the kernels take the same arguments in the same order."""
    plain = {**vars(shifted), **vars(shifted_relations)}
    operators = ["aggregation", "softmax_aggregation", "subtraction", "pair_relation", "patch_relation"]
    for name in [f"{operator}{way}" for operator in operators for way in ("", "_backward")]:
        ours, theirs = (inspect.signature(f).parameters for f in (getattr(implementation, name), plain[name]))
        assert list(ours) == list(theirs)
    assert all(callable(getattr(implementation, name)) for name in implementation.__all__)
