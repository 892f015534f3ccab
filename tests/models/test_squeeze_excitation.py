"""Squeeze-and-Excitation against torchvision's, and in the branch of every kind of block."""

import pytest
import torch
from torchvision.ops import SqueezeExcitation as Torchvisions

from hybrid_sbir.models import StageSpec, create_backbone
from hybrid_sbir.models.squeeze_excitation import SqueezeExcitation
from hybrid_sbir.models.stage import Stage

KINDS = ["resnet", "basic", "san", "nonlocal", "bot", "sasa", "vit"]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_agrees_with_torchvision():
    torch.manual_seed(0)
    ours, theirs, x = SqueezeExcitation(32, 4), Torchvisions(32, 8), noise(2, 32, 5, 4)
    pairs = ((ours.reduce, theirs.fc1), (ours.expand, theirs.fc2))
    for mine, other in pairs:
        other.weight.data.copy_(mine.weight.data[:, :, None, None])
        other.bias.data.copy_(mine.bias.data)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_that_is_shut_leaves_the_shortcut(kind, order):
    """Of every kind of block: the gate stands in the branch (the second one of ViT's), before the sum."""
    torch.manual_seed(0)
    stage = Stage(StageSpec(kind, 32, 1, squeeze=16), 32, 1, order).eval()
    block = stage.blocks[0][2] if kind == "nonlocal" and order == "post" else stage.blocks[0]
    x = noise(2, 32, 6, 6).abs()
    block.squeeze.expand.bias.data.fill_(-1000)
    want = x
    if kind == "vit":
        tokens = x.flatten(2).transpose(1, 2)
        want = (tokens + block.attention(block.norm1(tokens))).transpose(1, 2).view_as(x)
    torch.testing.assert_close(block(x), want)


@pytest.mark.parametrize("kind", KINDS)
def test_it_adds_its_own_parameters_and_no_others(kind):
    with torch.device("meta"):
        plain, squeezed = (create_backbone([StageSpec(kind, 64, 3, squeeze=s)]) for s in (0, 16))
    assert set(plain.state_dict()) < set(squeezed.state_dict())
    count = [sum(p.numel() for p in model.parameters()) for model in (plain, squeezed)]
    assert count[1] - count[0] == 3 * (64 * 8 + 8 + 8 * 64 + 64)


@pytest.mark.parametrize(("channels", "between"), [(4, 4), (8, 8), (64, 8), (128, 8), (256, 16), (2048, 128)])
def test_narrow_blocks_keep_enough_channels_between_the_layers(channels, between):
    assert SqueezeExcitation(channels, 16).reduce.out_features == between
