"""The four forms of the non-local block against loops over pairs of positions, straight from the paper's equations."""

import pytest
import torch
import torch.nn.functional as F

from hybrid_sbir.models import StageSpec, create_backbone
from hybrid_sbir.models.nonlocal_net import FORMS, NonLocalBlock


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weight_of(block, left, right):
    """f of two positions: (N, D) and (N, D) -> (N,), before the division."""
    if block.form == "dot":
        return (left * right).sum(1)
    if block.form == "concatenation":
        return F.relu(torch.cat([left, right], 1) @ block.relate.weight[0, :, 0])
    return ((left * right).sum(1) / left.shape[1] ** 0.5).exp()


def looped(block, x):
    y = block.norm(x)
    theta, phi, g = block.theta(y).flatten(2), *(F.max_pool2d(t(y), 2).flatten(2) for t in (block.phi, block.g))
    attended = g.new_zeros(*g.shape[:2], theta.shape[2])
    for p in range(theta.shape[2]):
        weights = torch.stack([weight_of(block, theta[:, :, p], phi[:, :, q]) for q in range(phi.shape[2])], 1)
        divisor = weights.sum(1, keepdim=True) if block.form in ("gaussian", "embedded") else phi.shape[2]
        attended[:, :, p] = (g * (weights / divisor).unsqueeze(1)).sum(2)
    return block.out(attended.unflatten(2, x.shape[2:])) + x


@pytest.mark.parametrize("preactivate", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_agrees_with_a_loop(form, preactivate):
    torch.manual_seed(0)
    block, x = NonLocalBlock(16, preactivate, form).double(), noise(2, 16, 5, 6)
    torch.testing.assert_close(block(x), looped(block, x))


@pytest.mark.parametrize("form", FORMS)
def test_a_new_block_is_the_identity_in_the_post_order(form):
    torch.manual_seed(0)
    stages = [StageSpec("resnet", 32, 2, nonlocal_at=[1], form=form)]
    block = create_backbone(stages, activation="post").stages[0].blocks[1]
    x = noise(2, 32, 6, 6).float()
    assert torch.equal(block(x), x)


def test_parameters_of_each_form():
    """Gaussian: neither theta nor phi. Concatenation: w_f of 2 D numbers more. Embedded: as the dot product."""
    count = {form: sum(p.numel() for p in NonLocalBlock(64, True, form).parameters()) for form in FORMS}
    keys = 2 * (64 * 8 + 8)
    differences = {form: number - count["dot"] for form, number in count.items()}
    assert differences == {"dot": 0, "gaussian": -keys, "embedded": 0, "concatenation": 2 * 8}
