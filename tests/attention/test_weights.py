"""The weights are those of the running block: aggregated with them, its own values give its own output."""

import inspect

import pytest
import torch
import torch.nn.functional as F

from hybrid_sbir import ops
from hybrid_sbir.attention import attention_weights
from hybrid_sbir.attention.weights import law_of
from hybrid_sbir.models.botnet import RelativeAttention
from hybrid_sbir.models.global_attention import TransformerBlock
from hybrid_sbir.models.nonlocal_net import NonLocalBlock
from hybrid_sbir.models.resnet import Bottleneck
from hybrid_sbir.models.san import SANBlock
from hybrid_sbir.models.sasa import LocalAttention
from tests.attention.networks import unsettle

FORMS = (
    ["dot", "gaussian", "embedded", "concatenation"] if "form" in inspect.signature(NonLocalBlock).parameters else []
)


def close(mine, theirs):
    assert (mine - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("attention", ["pairwise", "patchwise"])
@pytest.mark.parametrize(("kernel_size", "size"), [(3, (5, 8)), (7, (9, 6)), (7, (4, 4))])
def test_a_san_blocks_output_is_what_its_weights_aggregate(attention, kernel_size, size):
    block = unsettle(SANBlock(96, attention, kernel_size))
    x = torch.randn(2, 96, *size, generator=torch.Generator().manual_seed(1))
    weights = attention_weights(block, x)
    assert weights.shape == (2, 3, kernel_size**2, size[0] * size[1])
    with torch.no_grad():
        inner = F.relu(block.norm1(x))
        assert block.attention.folded
        folded = block.attention(inner)
        block.attention.folded = False
        plain = block.attention(inner)
        block.attention.folded = True
        aggregated = ops.aggregation(block.attention.beta(inner), weights, kernel_size=kernel_size)
        output = block.conv(F.relu(block.norm2(aggregated))) + x
        close(aggregated, folded)
        close(aggregated, plain)
        close(output, block(x))
    law = law_of(block)
    assert law.signed == (attention == "patchwise") == bool((weights < 0).any())
    if law.softmax:
        close(weights.sum(2), torch.ones(2, 3, size[0] * size[1]))


@pytest.mark.parametrize("preactivate", [False, True])
@pytest.mark.parametrize("form", FORMS or [None])
def test_a_non_local_blocks_output_is_what_its_rows_sum(preactivate, form):
    block = unsettle(NonLocalBlock(32, preactivate, *([form] if form else [])))
    x = torch.randn(2, 32, 6, 9, generator=torch.Generator().manual_seed(1))
    weights = attention_weights(block, x)
    assert weights.shape == (2, 1, 3 * 4, 6 * 9)
    with torch.no_grad():
        values = F.max_pool2d(block.g(block.norm(x)), 2).flatten(2)
        output = block.out((values @ weights[:, 0]).unflatten(2, (6, 9))) + x
        close(output, block(x))
    law = law_of(block)
    assert law.signed == bool((weights < 0).any())
    if law.softmax:
        close(weights.sum(2), torch.ones(2, 1, 54))


@pytest.mark.parametrize("size", [(5, 8), (9, 6), (2, 3)])
@pytest.mark.parametrize("made_for", [5, 8])
@torch.no_grad()
def test_a_botnet_blocks_output_is_what_its_heads_weigh(size, made_for):
    torch.manual_seed(0)
    block = RelativeAttention(16, heads=2, position_size=made_for).eval()
    x = torch.randn(2, 16, *size)
    weights = attention_weights(block, x)
    assert weights.shape == (2, 2, size[0] * size[1], size[0] * size[1])
    values = block.value(x).flatten(2).unflatten(1, (2, 8))  # a head's channels lie side by side
    close((values @ weights).flatten(1, 2).unflatten(2, size), block(x))
    close(weights.sum(2), torch.ones(2, 2, size[0] * size[1]))
    assert law_of(block) == (False, True)


@pytest.mark.parametrize(("kernel_size", "size"), [(3, (5, 8)), (7, (9, 6)), (7, (2, 3)), (1, (4, 4))])
@torch.no_grad()
def test_a_windows_heads_give_its_output_and_nothing_to_what_lies_outside(kernel_size, size):
    torch.manual_seed(0)
    block = LocalAttention(16, heads=2, kernel_size=kernel_size).eval()
    x = torch.randn(2, 16, *size)
    weights = attention_weights(block, x)
    assert weights.shape == (2, 2, kernel_size**2, size[0] * size[1])
    near = F.unfold(block.value(x), kernel_size, padding=kernel_size // 2).unflatten(1, (16, -1))
    close((near * weights[:, torch.arange(16) % 2]).sum(2).unflatten(2, size), block(x))
    close(weights.sum(2), torch.ones(2, 2, size[0] * size[1]))
    beyond = F.unfold(torch.ones(1, 1, *size), kernel_size, padding=kernel_size // 2)[0] == 0
    assert not weights[:, :, beyond].any()


@torch.no_grad()
def test_a_transformer_blocks_output_is_what_its_heads_weigh():
    torch.manual_seed(0)
    block = TransformerBlock(16, heads=2).eval()
    x = torch.randn(2, 16, 3, 5)
    weights = attention_weights(block, x)
    assert weights.shape == (2, 2, 15, 15)
    tokens = x.flatten(2).transpose(1, 2)
    values = block.attention.qkv(block.norm1(tokens))[..., 32:].transpose(1, 2).unflatten(1, (2, 8))
    attended = block.attention.out((values @ weights).flatten(1, 2).transpose(1, 2))
    close(attended, block.attention(block.norm1(tokens)))
    close(weights.sum(2), torch.ones(2, 2, 15))


def test_looking_leaves_nothing_behind():
    block = unsettle(SANBlock(32, "pairwise", 3))
    x = torch.randn(1, 32, 4, 4)
    before = block(x)
    state = {name: value.clone() for name, value in block.state_dict().items()}
    attention_weights(block, x)
    assert not any(module._forward_hooks for module in block.modules())
    assert all(value.equal(state[name]) for name, value in block.state_dict().items())
    assert block(x).equal(before)


def test_a_block_in_training_or_without_attention_is_refused():
    block = unsettle(SANBlock(32, "patchwise", 3))
    with pytest.raises(ValueError, match=r"training mode.*call eval\(\)"):
        attention_weights(block.train(), torch.randn(1, 32, 4, 4))
    with pytest.raises(ValueError, match="Bottleneck has no weights of positions; SANBlock, NonLocalBlock, "):
        attention_weights(Bottleneck(32, 32), torch.randn(1, 32, 4, 4))
