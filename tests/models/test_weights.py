"""Published checkpoints: the same numbers as the published models, every key accounted for, nothing executed."""

import numpy as np
import pytest
import torch

from hybrid_sbir.models import (
    CheckpointError,
    Classifier,
    create_backbone,
    load_classifier,
    load_published,
    save_classifier,
)
from hybrid_sbir.models.published import published_names
from hybrid_sbir.models.weights import convert
from tests.models.thesis_numbers import TABLE_3_1

PUBLISHED = [
    ("pre_resnet26_nl", "resnet26_nl"),
    ("pre_san10_pair", "san10_pair"),
    ("pre_hib_nl_2_2", "hib_nl_2_2"),
    ("pre_hib_patch_2_2_nl", "hib_patch_2_2_nl"),
    ("post_resnet26", "resnet26"),
    ("post_hib_pair_2_2_nl", "hib_pair_2_2_nl"),
]


def make_classifier(name="hib_patch_2_2_nl", activation="pre", classes=5):
    torch.manual_seed(0)
    return Classifier(create_backbone(name, activation=activation, width=0.125), classes).eval()


def published_state(model):
    names = published_names(model.backbone)
    return {names[name]: value for name, value in model.state_dict().items()}


def relative_error(got, want):
    return ((got - want).abs().max() / want.abs().max()).item()


def errors(path, dtype):
    """Largest error of features, logits and input gradient, relative to each one's largest value."""
    with np.load(path) as arrays:
        want = {name: torch.from_numpy(arrays[name]) for name in ("x", "feat", "logits", "gx")}
    model = load_published(path).to(dtype)
    x = want["x"].to(dtype).requires_grad_()
    logits = model(x)
    logits.square().sum().backward()
    got = {"feat": model.features(x).detach(), "logits": logits.detach(), "gx": x.grad}
    return {name: relative_error(value, want[name]) for name, value in got.items()}


@pytest.mark.parametrize(("file", "variant"), PUBLISHED)
def test_agrees_with_the_published_model(shared, file, variant):
    """The published numbers are float32, and some ReLU inputs lie within float32's rounding of zero: which side they
    fall on decides the gradient's fourth digit (the published formulation itself changes with the number of threads).
    So the gradient must agree in one of two precisions; features and logits agree in both.
    """
    path = shared / "parity" / f"{file}.npz"
    single, double = errors(path, torch.float32), errors(path, torch.float64)
    assert max(single["feat"], single["logits"], double["feat"], double["logits"]) < 1e-4
    assert min(single["gx"], double["gx"]) < 1e-4


@pytest.mark.parametrize(("file", "variant"), PUBLISHED)
def test_recognises_the_published_variant(shared, file, variant):
    path = shared / "parity" / f"{file}.npz"
    found, named = load_published(path), load_published(path, variant)
    assert found.backbone.activation == file.split("_")[0]
    assert published_names(found.backbone) == published_names(named.backbone)
    assert found.backbone.stage_widths == ((32, 64, 128, 192, 256) if "san10" in file else (32, 64, 128, 256))
    assert found.num_classes == 7


@pytest.mark.parametrize("activation", ["pre", "post"])
@pytest.mark.parametrize("name", TABLE_3_1)
def test_every_variant_survives_its_published_names(name, activation):
    model = make_classifier(name, activation)
    loaded = load_published(published_state(model))
    assert loaded.backbone.spec == model.backbone.spec
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in loaded.state_dict().items())


def test_reads_a_pth_of_parallel_training(tmp_path):
    model = make_classifier()
    state = {f"module.{name}": value for name, value in published_state(model).items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "model.pth")
    loaded = load_published(tmp_path / "model.pth", "hib_patch_2_2_nl:pre")
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_what_is_missing_and_what_is_left_over_is_listed():
    state = published_state(make_classifier())
    state["backbone.9.extra"] = state.pop("backbone.2.1.1.sam.conv1.weight")
    with pytest.raises(CheckpointError, match=r"missing backbone.2.1.1.sam.conv1.weight; left over backbone.9.extra"):
        load_published(state)


def test_a_tensor_of_the_wrong_shape_is_named():
    state = published_state(make_classifier())
    state["backbone.2.1.1.bn2.weight"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"stages.2.blocks.1.norm2.weight is \(3,\) and must be \(32,\)"):
        load_published(state)


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("fc.weight", torch.tensor(1.0), r"'fc.weight' is \(\); a weight of at least 1 axes"),
        ("stem.0.weight", torch.zeros(8), "'stem.0.weight' is .*at least 2 axes"),
        ("fc.bias", torch.full((5,), torch.nan), "holds NaN or infinity in head.bias"),
        (
            "fc.bias",
            torch.zeros(5, dtype=torch.complex64),
            "'fc.bias' of .*complex64; a weight is dense",
        ),
        ("fc.bias", torch.zeros(5).to_sparse(), "sparse"),
        ("module.fc.bias", torch.zeros(5), "holds 'fc.bias' twice, with and without the prefix"),
        ("stem.0.weight", torch.zeros(1).expand(10**7, 3, 7, 7), "does not fit"),
        ("backbone.2.0.3.weight", torch.zeros(1).expand(33, 64, 1, 1), "describes no backbone.*multiple of 32"),
    ],
)
def test_a_tensor_that_no_weight_can_be_is_named(name, tensor, words):
    with pytest.raises(CheckpointError, match=words):
        load_published(published_state(make_classifier()) | {name: tensor})


def test_the_wrong_variant_is_refused():
    with pytest.raises(CheckpointError, match=r"not a resnet26 \(pre\).*missing backbone"):
        load_published(published_state(make_classifier()), "resnet26")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pth", b"not a checkpoint", "a.pth cannot be read as .pth"),
        ("a.npz", b"PK\x03\x04 cut off", "a.npz cannot be read as .npz"),
        ("a.safetensors", b"\x00" * 20, "a.safetensors cannot be read"),
        ("a.txt", b"", "a checkpoint is one of .safetensors, .npz"),
    ],
)
def test_a_damaged_or_foreign_file_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        load_published(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*gone.pth"):
        load_published(tmp_path / "gone.pth")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"state_dict": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="refused because loading it could run code") as refusal:
        load_published(tmp_path / "evil.pth")
    assert "weights_only" not in str(refusal.value)  # torch's text advises to turn the protection off
    assert not (tmp_path / "owned").exists()


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="holds no tensors by name; its entries are epoch"):
        load_published(tmp_path / "a.pth")


def test_convert_gives_a_file_that_builds_itself_again(tmp_path, capsys):
    model = make_classifier("san10_pair_nl", "post", classes=3)
    torch.save(published_state(model), tmp_path / "published.pth")
    convert(tmp_path / "published.pth", tmp_path / "san.safetensors")
    assert "post-activation, 3 classes" in capsys.readouterr().out
    loaded = load_classifier(tmp_path / "san.safetensors")
    x = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_small_stems_and_other_options_survive_saving(tmp_path):
    backbone = create_backbone("hib_pair_3_1", activation="post", in_channels=1, width=0.125, stem="small")
    save_classifier(Classifier(backbone, 2), tmp_path / "small.safetensors")
    assert load_classifier(tmp_path / "small.safetensors")(torch.zeros(1, 1, 64, 64)).shape == (1, 2)


def test_a_foreign_safetensors_file_is_not_taken_for_a_classifier(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="no classifier of this package"):
        load_classifier(tmp_path / "a.safetensors")
    for plan in ("{", "{}", '{"spec": {"stages": [{"kind": "vgg"}]}}'):
        metadata = {"format": "hybrid_sbir.classifier.1", "plan": plan}
        save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata)
        with pytest.raises(CheckpointError, match="describes no backbone of this package"):
            load_classifier(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="a published classifier is a"):
        save_classifier(make_classifier(), tmp_path / "a.pth")
