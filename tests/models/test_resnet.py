"""ResNets against torchvision's and timm's with the same weights, and published numbers of parameters."""

import pytest
import timm
import torch
import torchvision

from hybrid_sbir.complexity import measure
from hybrid_sbir.models import Classifier, create_backbone

# Parameters at 1000 classes and 3 channels, in the post-activation order, and where they are published.
PUBLISHED = {
    "resnet34": 21_797_672,  # torchvision's weights page
    "resnet50": 25_557_032,  # torchvision's weights page
    "se_resnet50": 28_088_024,  # timm's results, seresnet50
}


def build(name, classes=1000, device="cpu", activation="post"):
    torch.manual_seed(0)
    with torch.device(device):
        return Classifier(create_backbone(name, activation=activation), classes).eval()


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_as_published(name):
    assert count(build(name, device="meta")) == PUBLISHED[name]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("botnet50", 20.8e6, 20.9e6),  # Srinivas et al.: 20.8 M
        ("sasa26", 10.25e6, 10.35e6),  # Ramachandran et al., table 1: 10.3 M and 18.0 M
        ("sasa50", 17.95e6, 18.05e6),
    ],
)
def test_parameters_as_their_papers_round_them(name, low, high):
    assert low <= count(build(name, device="meta")) < high


def test_botnet50_is_resnet50_with_three_convolutions_replaced():
    """A 3x3 convolution of 512 channels gives way to three 1x1 ones and two tables of 2 * 14 - 1 or 2 * 7 - 1 offsets
    for heads of 128 channels; the first block attends on the larger map."""
    convolutions = 3 * (3 - 9) * 512**2
    tables = 2 * 128 * ((2 * 14 - 1) + 2 * (2 * 7 - 1))
    assert count(build("botnet50", device="meta")) == PUBLISHED["resnet50"] + convolutions + tables == 20_852_008


def theirs_of(name):
    """torchvision's or timm's name of a tensor of ours."""
    for ours, other in (
        ("backbone.stem.conv", "conv1"), ("backbone.stem.norm.0", "bn1"), (".norm", ".bn"), (".blocks", ""),
        (".shortcut", ".downsample"), ("head.", "fc."), (".squeeze.reduce", ".se.fc1"), (".squeeze.expand", ".se.fc2"),
    ):  # fmt: skip
        name = name.replace(ours, other)
    for stage in range(4):
        name = name.replace(f"backbone.stages.{stage}", f"layer{stage + 1}")
    return name


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("resnet34", torchvision.models.resnet34),
        ("resnet50", torchvision.models.resnet50),
        ("se_resnet50", lambda: timm.create_model("seresnet50")),
    ],
)
def test_outputs_agree_with_another_implementation(name, other):
    ours, theirs = build(name), other().eval()
    own = ours.state_dict()
    names = {theirs_of(name): name for name in own}
    state = theirs.state_dict()
    assert names.keys() == state.keys()
    theirs.load_state_dict({key: own[names[key]].view_as(value) for key, value in state.items()})
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        got, want = ours(x), theirs(x)
    assert (got - want).abs().max() <= 1e-5 * want.abs().max()


@pytest.mark.parametrize("name", ["resnet34", "se_resnet50"])
def test_the_orders_differ_in_norms_only(name):
    """Pre-activation has no norm in the stem and after the last convolution; each block one before the first, and one
    closes."""
    layers = {
        order: sorted(tuple(p.shape) for p in build(name, device="meta", activation=order).parameters() if p.ndim > 1)
        for order in ("pre", "post")
    }
    assert layers["pre"] == layers["post"]


# By hand, for one image of 224 x 224, beside what torchvision's and the papers' pages give in 10^9.
def test_macs_of_resnet34_as_torchvision_counts_them():
    """torchvision's weights page gives 3.66 GFLOPS (multiply-adds) for resnet34, 4.09 for resnet50."""
    assert round(measure(build("resnet34", device="meta"), 224, 224).macs / 1e9, 2) == 3.66
    assert round(measure(build("resnet50", device="meta"), 224, 224).macs / 1e9, 2) == 4.09
