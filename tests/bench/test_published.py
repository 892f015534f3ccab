"""The published layout computes what the package's attention computes: outputs, every gradient, running statistics."""

import copy

import pytest
import torch
from torch import nn

from hybrid_sbir import ops
from hybrid_sbir.bench import published
from hybrid_sbir.models import Classifier, create_backbone
from hybrid_sbir.models.san import PairwiseAttention, PatchwiseAttention, SANBlock


def outcome(module, x, gradient):
    """Output, gradients of the input and of all parameters, and the buffers afterwards."""
    x = x.clone().requires_grad_()
    y = module(x)
    y.backward(gradient)
    return [y, x.grad, *(p.grad for p in module.parameters()), *module.buffers()]


def roused(block):
    """Fresh biases and shifts are zero, and would hide what they belong to."""
    torch.manual_seed(1)
    for value in block.parameters():
        nn.init.normal_(value, std=0.3)
    return block


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("attention", "kernel_size"), [("pairwise", 3), ("pairwise", 7), ("patchwise", 7)])
def test_a_block_agrees_with_ours(attention, kernel_size, training):
    ours = roused(SANBlock(64, attention, kernel_size).double()).train(training)
    theirs = copy.deepcopy(ours)
    assert published.publish(theirs) == 1
    assert not [m for m in theirs.modules() if isinstance(m, PairwiseAttention | PatchwiseAttention)]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, gradient = torch.randn(2, 64, 5, 6).double(), torch.randn(2, 64, 5, 6).double()
    for own, other in zip(outcome(ours, x, gradient), outcome(theirs, x, gradient), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-10)


def test_every_attention_of_a_backbone_is_replaced():
    torch.manual_seed(0)
    model = Classifier(create_backbone("hib_pair_2_2_nl", width=0.125), 3).eval()
    image = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        before = model(image)
        assert published.publish(model) == 3
        torch.testing.assert_close(model(image), before, rtol=1e-4, atol=1e-4)


def test_there_is_nothing_to_replace_without_attention():
    assert published.publish(create_backbone("resnet26", width=0.125)) == 0


def test_unfold_and_einsum_are_the_aggregation():
    torch.manual_seed(0)
    x, weight = torch.randn(2, 8, 4, 5).double(), torch.randn(2, 2, 9, 20).double()
    expected = ops.aggregation(x, weight, kernel_size=3)
    torch.testing.assert_close(published.aggregate(x, weight, 3), expected)
