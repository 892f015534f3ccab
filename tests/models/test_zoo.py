"""One contract, every backbone: finite maps of the declared widths, gradients everywhere, any allowed size."""

import pytest
import torch

from hybrid_sbir.models import Classifier, StageSpec, create_backbone, list_backbones
from tests.models.thesis_numbers import TABLE_3_1

ORDERS = ["pre", "post"]


def image(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_thesis_variants_and_their_relatives_are_registered():
    relatives = {
        "resnet38",
        "resnet50",
        "san15_pair",
        "san15_patch",
        "san19_pair",
        "san19_patch",
        "pure_nl_resnet_stem",
    }
    assert set(list_backbones()) >= set(TABLE_3_1) | relatives


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", list_backbones())
def test_contract(name, order):
    torch.manual_seed(0)
    backbone = create_backbone(name, activation=order, in_channels=1, width=0.125, stem="small")
    x = image(2, 1, 64, 72)
    maps = backbone.stage_features(x)
    assert tuple(m.shape[1] for m in maps) == backbone.stage_widths
    assert [tuple(m.shape[2:]) for m in maps] == backbone.stage_sizes(64, 72)
    pooled = backbone.pooled_features(x)
    assert pooled.shape == (2, backbone.num_features)
    assert pooled.isfinite().all()
    pooled.square().sum().backward()
    # A new post-activation non-local block is the identity: its last batch norm starts at zero and passes nothing back.
    silent = "theta", "phi", "relate", "g.", "out.0"
    for parameter, value in backbone.named_parameters():
        assert value.grad is not None, f"{parameter} gets no gradient"
        assert value.grad.isfinite().all()
        if order == "pre" or not any(word in parameter for word in silent):
            assert value.grad.any() or parameter.endswith("bias"), f"{parameter}'s gradient is zero"


@pytest.mark.parametrize("stem", ["imagenet", "small", "tiny"])
@pytest.mark.parametrize("name", ["resnet26", "hib_pair_2_2_nl", "san10_patch", "pure_nl", "pure_nl_resnet_stem"])
def test_the_smallest_input_runs_and_a_pixel_less_is_refused_in_words(name, stem):
    backbone = create_backbone(name, width=0.125, stem=stem)
    side = backbone.smallest_input
    with torch.no_grad():
        assert backbone(image(2, 3, side, side)).isfinite().all()
    if side > 1:
        with pytest.raises(ValueError, match=rf"an input of {side - 1} x {side} pixels.*use at least {side} x {side}"):
            backbone(image(1, 3, side - 1, side))


def test_attention_at_full_stride_needs_a_map_of_four():
    san10 = create_backbone("san10_pair", width=0.125)
    assert san10.smallest_input == 128
    with pytest.raises(ValueError, match=r"96 x 96 pixels is 3 x 3 at stage 5.*at least 4 x 4; use at least 128 x 128"):
        san10(image(1, 3, 96, 96))


@pytest.mark.parametrize(("stem", "stride"), [("imagenet", 32), ("small", 16), ("tiny", 8)])
@pytest.mark.parametrize("name", ["resnet26", "san10_pair", "hib_nl_2_2"])
def test_a_smaller_stem_shrinks_less(name, stem, stride):
    with torch.device("meta"):
        backbone = create_backbone(name, stem=stem)
    assert backbone.stage_sizes(256, 512)[-1] == (256 // stride, 512 // stride)


def test_a_new_non_local_block_is_the_identity_in_the_post_order():
    torch.manual_seed(0)
    plain = create_backbone([StageSpec("nonlocal", 32, 0)], activation="post", width=1)
    with_block = create_backbone([StageSpec("nonlocal", 32, 1)], activation="post", width=1)
    block = with_block.stages[0].blocks[0][2]
    x = image(1, 32, 6, 6)
    assert torch.equal(block(x), x)
    assert sum(1 for _ in plain.parameters()) < sum(1 for _ in with_block.parameters())


def test_a_new_hybrid_is_a_list_of_stages():
    stages = [
        StageSpec("resnet", 32, 1),
        StageSpec("san", 64, 2, "patchwise", kernel_size=5, nonlocal_at=[0]),
        StageSpec("nonlocal", 96, 1),
    ]
    model = Classifier(create_backbone(stages, in_channels=1, stem="tiny"), 4)
    assert model(image(2, 1, 32, 32)).shape == (2, 4)
    assert model.backbone.stage_widths == (32, 64, 96)


def test_width_scales_every_stage_to_widths_that_every_block_accepts():
    with torch.device("meta"):
        backbone = create_backbone("san10_pair", width=0.3)
    assert backbone.stage_widths == (32, 64, 160, 320, 608)
    assert backbone.stem.conv.out_channels == 16


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: create_backbone("resnet27"), "no backbone 'resnet27'; did you mean one of resnet26"),
        (lambda: create_backbone("zzz"), "did you mean one of botnet26, "),
        (lambda: create_backbone("resnet26", activation="mid"), "activation is 'mid'; it must be one of pre, post"),
        (lambda: create_backbone("resnet26", stem="huge"), "stem is 'huge'; it must be one of imagenet, small, tiny"),
        (lambda: create_backbone("resnet26", width=0), "width is 0; it is a factor"),
        (lambda: create_backbone("resnet26", widths=[32]), "1 numbers for 4 stages"),
        (lambda: create_backbone("resnet26", in_channels=0), "in_channels is 0"),
        (lambda: create_backbone("resnet26", width=float("inf")), "width is inf"),
        (lambda: create_backbone("resnet26", stem_width=0), "stem_width is 0"),
        (
            lambda: create_backbone([StageSpec("san", 32, 1, kernel_size=20001)]).smallest_input,
            "4096 pixels are too few",
        ),
        (lambda: create_backbone([]), "at least one stage"),
        (
            lambda: create_backbone([StageSpec("vgg", 32, 1)]),
            "no stage kind 'vgg'; there are resnet, basic, san, nonlocal",
        ),
        (lambda: create_backbone([StageSpec("san", 40, 1)]), "width 40: the width must be a multiple of 32; try 32"),
        (lambda: create_backbone([StageSpec("san", 32, 1, "global")]), "no attention 'global'"),
        (lambda: create_backbone([StageSpec("san", 32, 1, kernel_size=4)]), "kernel_size is 4"),
        (lambda: create_backbone([StageSpec("resnet", 32, 0)]), "stage of 0 blocks"),
        (lambda: create_backbone([StageSpec("resnet", 32, 2, nonlocal_at=[2])]), r"names blocks \[2\].*blocks 0 to 1"),
        (lambda: create_backbone("resnet26", in_channels=1)(image(1, 3, 64, 64)), r"\(1, 3, 64, 64\).*\(N, 1, H, W\)"),
        (lambda: Classifier(create_backbone("resnet26", width=0.125), 0), "num_classes is 0"),
    ],
)
def test_a_refusal_says_what_was_got_and_what_is_allowed(call, words):
    with pytest.raises(ValueError, match=words):
        call()
