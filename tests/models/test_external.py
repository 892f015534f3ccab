"""Other libraries' models under our contract: their own features, stages that train, words where they do not fit."""

import json
import socket
import sys

import pytest
import timm
import torch
from torchvision import models as zoo

from hybrid_sbir.models import Classifier, TwoBranch, create_backbone

SMALL = [
    "timm:test_resnet",
    "timm:test_vit",
    "timm:test_efficientnet",
    "timm:test_convnext",
    "torchvision:shufflenet_v2_x0_5",
]


def image(side=64, channels=3, count=2):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("torchvision:resnet34", 21_797_672),
        ("torchvision:resnet50", 25_557_032),
        ("googlenet", 6_624_904),
        ("se_resnext50", 27_559_896),
        ("torchvision:vit_b_16", 86_567_656),
    ],
)
def test_parameters_are_the_published_ones(name, parameters):
    with torch.device("meta"):
        model = Classifier(create_backbone(name), 1000)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("name", SMALL)
def test_features_are_the_librarys_own_and_all_is_trained(name):
    torch.manual_seed(0)
    backbone = create_backbone(name).eval()
    library, _, model = name.partition(":")
    own = timm.create_model(model) if library == "timm" else zoo.get_model(model, weights=None)
    state = backbone.state_dict()
    given = {theirs: state[ours[0]] for theirs, ours in backbone.library_names.items()}
    assert all(n.startswith(backbone.classifiers) for n in own.load_state_dict(given, strict=False).missing_keys)
    if library == "torchvision":
        own.fc = torch.nn.Identity()
    own.eval()
    x = image(160)
    with torch.no_grad():
        wanted = own.forward_head(own.forward_features(x), pre_logits=True) if library == "timm" else own(x)
        assert (backbone.pooled_features(x) - wanted).abs().max() < 1e-6 * max(1, wanted.abs().max())
    maps = backbone.train().stage_features(x)
    assert tuple(m.shape[1] for m in maps) == backbone.stage_widths
    assert [tuple(m.shape[2:]) for m in maps] == backbone.stage_sizes(160, 160)
    backbone.pooled_features(x).square().sum().backward()
    assert all(p.grad is not None for p in backbone.parameters())


@pytest.mark.parametrize(("name", "side", "shares"), [("googlenet", 64, (0, 2, 3)), ("timm:test_vit", 32, (0, 2, 4))])
def test_two_branches_train_everything(name, side, shares):
    for share in shares:
        torch.manual_seed(0)
        model = TwoBranch(name, 3, shared_stages=share, embedding_size=8).train()
        before = {n: p.clone() for n, p in model.named_parameters()}
        optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
        generator = torch.Generator().manual_seed(1)
        parts = [part for each in model(image(side, count=4), image(side, count=4).flip(3)) for part in each]
        sum((part * torch.randn(part.shape, generator=generator)).sum() for part in parts).backward()
        optimiser.step()
        still = [n for n, p in model.named_parameters() if torch.equal(p, before[n])]
        assert not still, f"shared_stages {share}: {still[:5]} did not move"
        again = TwoBranch.of(json.loads(json.dumps(model.plan())))
        again.load_state_dict(model.state_dict())
        assert again.plan() == model.plan()


def test_one_channel():
    for name in ("torchvision:shufflenet_v2_x0_5", "timm:test_resnet"):
        backbone = create_backbone(name, in_channels=1).eval()
        assert backbone.pooled_features(image(64, 1)).shape == (2, backbone.num_features)
        with pytest.raises(ValueError, match=r"takes \(N, 1, H, W\)"):
            backbone(image(64, 3))


def test_no_connection_is_tried(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    create_backbone("timm:test_resnet.r160_in1k")
    create_backbone("torchvision:shufflenet_v2_x0_5")


def test_a_model_for_one_size_says_so_and_is_built_for_another():
    fixed = create_backbone("timm:cait_xxs24_224@32")
    assert fixed.whole
    assert len(fixed.stages) == 1
    with pytest.raises(ValueError, match=r"does not take 48 x 48 pixels .*backbone 'timm:cait_xxs24_224@48'"):
        fixed(image(48))
    with pytest.raises(ValueError, match=r"shared_stages is 2; this backbone has 1 stages \(its blocks take more"):
        TwoBranch("timm:cait_xxs24_224@32", 3, shared_stages=2)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("torchvision:resnet5", {}, "no classification model 'resnet5'; it has .*torchvision:resnet50"),
        ("timm:resnet10", {}, "timm has no model 'resnet10'; did you mean one of .*timm:resnet10t"),
        ("timm:hf-hub:someone/model", {}, "timm has no model"),
        ("googlenett", {}, "did you mean one of googlenet"),
        ("timm:", {}, "write LIBRARY:MODEL"),
        ("timm:test_vit@big", {}, "with a side in pixels"),
        ("torchvision:resnet18@64", {}, "takes images of any size: leave out '@64'"),
        ("timm:test_resnet@64", {}, "If it takes images of any size, leave the size out"),
        ("googlenet", {"width": 0.5}, "has the widths it has"),
        ("googlenet", {"stem": "tiny"}, "has a stem of its own"),
        ("googlenet", {"in_channels": 0}, "in_channels is 0"),
    ],
)
def test_mistakes_are_refused_in_words(name, options, words):
    with pytest.raises(ValueError, match=words):
        create_backbone(name, **options)


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"pip install 'hybrid-sbir\[timm\]'"):
        create_backbone("se_resnext50")
