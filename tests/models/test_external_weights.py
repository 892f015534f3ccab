"""Weights of other libraries' files: all of them or none, what is changed is said, damage is refused in words."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision import models as zoo

from hybrid_sbir.models import CheckpointError, Classifier, create_backbone, load_published
from hybrid_sbir.models.external_weights import load_library_weights
from hybrid_sbir.tasks.initial_weights import load_initial_weights
from tests.models.two_branch_cases import moved, snapshot

NAME = "torchvision:shufflenet_v2_x0_5"


@pytest.fixture
def theirs():
    torch.manual_seed(3)
    return zoo.shufflenet_v2_x0_5(weights=None).eval()


@pytest.fixture
def file(theirs, tmp_path):
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def test_a_whole_file_gives_the_librarys_answer(theirs, file):
    model = Classifier(create_backbone(NAME), 1000).eval()
    said = load_initial_weights(model, file, head=True)
    assert "loaded" in said
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(model(x), theirs(x), atol=1e-5)


def test_no_published_checkpoint_of_the_thesis_is_of_another_library(file):
    with pytest.raises(CheckpointError, match="variant 'googlenet' is none of the thesis's"):
        load_published(file, "googlenet")


def test_other_classes_keep_their_head(file):
    model = Classifier(create_backbone(NAME), 5)
    head = model.head.weight.clone()
    assert "skipped head.bias, head.weight" in load_initial_weights(model, file, head=False)
    assert torch.equal(model.head.weight, head)
    with pytest.raises(CheckpointError, match=r"head\.weight is \(1000, 1024\).*init_head false"):
        load_initial_weights(model, file, head=True)


def test_one_channel_sums_the_kernels_and_says_so(theirs, file):
    backbone = create_backbone(NAME, in_channels=1).eval()
    assert "conv1.0.weight: the kernels of the three channels were summed" in load_library_weights(backbone, file)
    grey = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    theirs.fc = torch.nn.Identity()
    with torch.no_grad():
        assert torch.allclose(backbone.pooled_features(grey), theirs(grey.expand(-1, 3, -1, -1)), atol=1e-5)


def test_positions_are_resampled_and_that_is_said(tmp_path):
    save_file(timm.create_model("vit_tiny_patch16_224", depth=4).state_dict(), tmp_path / "vit.safetensors")
    backbone = create_backbone("timm:test_vit@32")
    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "test_vit.safetensors")
    said = load_library_weights(backbone, tmp_path / "test_vit.safetensors")
    assert "pos_embed: 101 positions were resampled to 5" in said
    with pytest.raises(CheckpointError, match=r"vit\.safetensors holds no weights of timm:test_vit"):
        load_library_weights(backbone, tmp_path / "vit.safetensors")


@pytest.mark.parametrize("damage", ["missing", "other model", "cut short", "not finite"])
def test_damage_changes_nothing_and_is_said(damage, theirs, tmp_path):
    path, state = tmp_path / "weights.pth", theirs.state_dict()
    words = "missing conv5.0.weight"
    if damage == "missing":
        del state["conv5.0.weight"]
    if damage == "other model":
        state, words = timm.create_model("test_resnet").state_dict(), "missing conv5.*left over bn1"
    if damage == "not finite":
        state["conv1.0.weight"] = state["conv1.0.weight"].fill_(float("nan"))
        words = "NaN or infinity in stem"
    torch.save(state, path)
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
        words = "cannot be read as .pth"
    backbone = create_backbone(NAME)
    before = snapshot(backbone)
    with pytest.raises(CheckpointError, match=words):
        load_library_weights(backbone, path)
    assert not moved(backbone, before)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "googlenet",
            "torchvision's own weights of it were trained on images of mean 0.5, 0.5, 0.5 and deviation 0.5,",
        ),
        ("timm:test_vit", "timm's own weights of it were trained on images of mean 0.5, 0.5, 0.5"),
        (NAME, ""),
        ("timm:resnet10t", ""),
    ],
)
def test_images_that_weights_expect_otherwise_than_imagenets_are_said(name, said, tmp_path):
    backbone = create_backbone(name)
    library, _, model = str(backbone.spec).partition(":")
    made = timm.create_model(model) if library == "timm" else zoo.get_model(model, weights=None)
    torch.save(made.state_dict(), tmp_path / "weights.pth")
    notes = load_library_weights(backbone, tmp_path / "weights.pth")
    assert said in notes if said else "were trained on images" not in notes
