"""BoTNet's attention against timm's, whose tables and projections it is given, and the bottleneck around it."""

import pytest
import torch
import torch.nn.functional as F
from timm.layers.bottleneck_attn import BottleneckAttn
from torch import nn

from hybrid_sbir.models import StageSpec, create_backbone
from hybrid_sbir.models.botnet import RelativeAttention
from hybrid_sbir.models.stage import Stage


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def timms(ours, height, width):
    """timm's module with the same weights; its positions are scaled with the query, as in the authors' code."""
    channels = ours.value.out_channels
    theirs = BottleneckAttn(channels, feat_size=(height, width), num_heads=ours.heads, scale_pos_embed=True)
    state = {
        "qkv.weight": torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]),
        "pos_embed.height_rel": ours.positions.rows,
        "pos_embed.width_rel": ours.positions.columns,
    }
    theirs.load_state_dict(state)
    return theirs


@pytest.mark.parametrize("heads", [1, 4])
def test_agrees_with_timm(heads):
    torch.manual_seed(0)
    ours, x = RelativeAttention(32, heads, 6), noise(2, 32, 6, 6)
    theirs = timms(ours, 6, 6)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    mine, other = (torch.autograd.grad(m(x).square().sum(), list(m.parameters())) for m in (ours, theirs))
    torch.testing.assert_close(torch.cat(mine[:3]), other[0])


def test_the_gradients_of_the_tables_agree_with_timm():
    torch.manual_seed(1)
    ours, x = RelativeAttention(16, 2, 4), noise(2, 16, 4, 4)
    theirs = timms(ours, 4, 4)
    for module in (ours, theirs):
        module(x).square().sum().backward()
    torch.testing.assert_close(ours.positions.rows.grad, theirs.pos_embed.height_rel.grad)
    torch.testing.assert_close(ours.positions.columns.grad, theirs.pos_embed.width_rel.grad)


@pytest.mark.parametrize("side", [64, 96, 224])
def test_one_model_runs_on_images_of_many_sizes(side):
    torch.manual_seed(0)
    backbone = create_backbone("hib_bot_2_2", width=0.125).eval()
    with torch.no_grad():
        assert backbone.pooled_features(noise(1, 3, side, side)).isfinite().all()


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 5), (1, 1)])
def test_the_stride_is_an_average_pool_after_the_attention(order, height, width):
    """The block written down anew; odd borders are averaged over the positions that there are."""
    torch.manual_seed(0)
    block = Stage(StageSpec("bot", 64, 1, position_size=4), 32, 2, order).eval().blocks[0]
    x = noise(2, 32, height, width)
    attention, pool = block.conv2
    assert attention.positions.rows.shape == (15, 8)
    assert isinstance(pool, nn.AvgPool2d)
    conv2 = lambda y: F.avg_pool2d(attention(y), 2, ceil_mode=True, count_include_pad=False)  # noqa: E731
    if order == "post":
        y = F.relu(block.norm2(conv2(F.relu(block.norm1(block.conv1(x))))))
        want = F.relu(block.norm3(block.conv3(y)) + block.shortcut(x))
    else:
        y = F.relu(block.norm3(conv2(F.relu(block.norm2(block.conv1(F.relu(block.norm1(x))))))))
        want = block.conv3(y) + block.shortcut(x)
    torch.testing.assert_close(block(x), want)
    assert want.shape[2:] == ((height + 1) // 2, (width + 1) // 2)
