"""ViT's block against torchvision's encoder, the whole of ViT against timm's without a class token."""

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models.vision_transformer import EncoderBlock

from hybrid_sbir.models import BackboneSpec, Classifier, StageSpec, create_backbone
from hybrid_sbir.models.global_attention import ChannelNorm, TransformerBlock
from hybrid_sbir.models.stage import Stage
from hybrid_sbir.models.stem import Transition


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stir(module):
    """Move norms and biases away from where they start, where a mistake would not show."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return module


def test_the_block_agrees_with_torchvision():
    ours = stir(TransformerBlock(48, 3))
    theirs = EncoderBlock(3, 48, 192, 0.0, 0.0).eval()
    names = {
        "ln_1": "norm1", "ln_2": "norm2", "self_attention.in_proj_": "attention.qkv.",
        "self_attention.out_proj": "attention.out", "mlp.0": "mlp.0", "mlp.3": "mlp.2",
    }  # fmt: skip
    state = ours.state_dict()
    for name in theirs.state_dict():
        start = next(start for start in names if name.startswith(start))
        theirs.get_parameter(name).data.copy_(state[names[start] + name.removeprefix(start)])
    x = noise(2, 48, 4, 5)
    want = theirs(x.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(x)
    torch.testing.assert_close(ours(x), want, rtol=1e-5, atol=1e-5)


def timm_names(name):
    """Our name of a classifier's tensor -> timm's."""
    for ours, theirs in (
        ("backbone.stem.conv.", "patch_embed.proj."), ("backbone.stages.0.positions.table", "pos_embed"),
        ("backbone.stages.0.", ""), (".attention.", ".attn."), (".attn.out.", ".attn.proj."),
        (".mlp.0.", ".mlp.fc1."), (".mlp.2.", ".mlp.fc2."), ("backbone.closing.", "norm."),
    ):  # fmt: skip
        name = name.replace(ours, theirs)
    return name


@pytest.mark.parametrize("pixels", [64, 80])
def test_the_whole_agrees_with_timm(pixels):
    """Also at another size than the positions are made for, where both resample the positions (timm: bicubic, so it is
    given ours).
    """
    spec = BackboneSpec([StageSpec("vit", 64, 2, heads=2, position_size=4)], entry="patches")
    ours = stir(Classifier(create_backbone(spec, in_channels=3), 7)).eval()
    theirs = VisionTransformer(
        pixels, 16, num_classes=7, embed_dim=64, depth=2, num_heads=2, class_token=False, global_pool="avg",
        fc_norm=False,
    ).eval()  # fmt: skip
    state = {timm_names(name): value for name, value in ours.state_dict().items()}
    side = pixels // 16
    place = ours.backbone.stages[0].positions(torch.zeros(1, 64, side, side))
    state["pos_embed"] = place.flatten(2).transpose(1, 2)
    theirs.load_state_dict(state)
    x = noise(2, 3, pixels, pixels)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_it_is_torchvisions_vit_b_16_without_the_class_token():
    """The token has 768 numbers, and 768 for its position: 86,567,656 (torchvision's weights page) less 1,536."""
    with torch.device("meta"):
        model = Classifier(create_backbone("vit_b_16"), 1000)
    assert sum(p.numel() for p in model.parameters()) == 86_567_656 - 2 * 768


def test_channel_norm_is_layer_norm_at_every_position():
    norm, x = stir(ChannelNorm(6)), noise(2, 6, 3, 4)
    want = torch.empty_like(x)
    for i in range(3):
        for j in range(4):
            want[:, :, i, j] = nn.functional.layer_norm(x[:, :, i, j], (6,), norm.weight, norm.bias, 1e-6)
    torch.testing.assert_close(norm(x), want)


def test_positions_are_added_once_and_tell_places_apart():
    """Without them the blocks would give the same vector everywhere on a map of equal vectors."""
    torch.manual_seed(0)
    stage = Stage(StageSpec("vit", 64, 2, position_size=4), 64, 1, "pre")
    assert not isinstance(stage.transition, Transition)
    x = noise(1, 64, 1, 1).expand(1, 64, 4, 4)
    y = stage(x)
    assert (y - y[..., :1, :1]).abs().max() > 1e-3
    stage.positions.table.data.zero_()
    y = stage(x)
    torch.testing.assert_close(y, y[..., :1, :1].expand_as(y))


def test_inside_a_hybrid_a_transition_halves_the_map_before():
    stage = Stage(StageSpec("vit", 64, 1), 32, 2, "post")
    assert isinstance(stage.transition, Transition)
    assert stage(noise(2, 32, 9, 8)).shape == (2, 64, 4, 4)
