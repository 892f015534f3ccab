"""The published file: the same bits again, and nothing that is damaged, foreign or larger than it says."""

import hashlib
import json
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from hybrid_sbir.encoding import load_encoder
from hybrid_sbir.encoding.model_file import model_file_bytes, read_model_file, write_model_file
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models import save_classifier
from hybrid_sbir.models.checkpoints import CheckpointError
from tests.encoding.trained import classifier, two_branch

PREPARATION = {"sketch": Preparation("sketch_square_eval", 32, 3), "photo": Preparation("photo_eval", 32, 3)}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "model.safetensors"
    write_model_file(path, two_branch(), PREPARATION, {"name": "tiny", "classes": ["ant"]})
    return path


def changed(file, out, change, seal=True):
    """The same tensors under a header that ``change`` made another, with a checksum that fits it."""
    with safe_open(str(file), "pt") as opened:
        metadata = opened.metadata()
    header = json.loads(metadata["header"])
    text = change(header)
    text = text if isinstance(text, str) else json.dumps(header, sort_keys=True)
    sealed = hashlib.sha256(text.encode()).hexdigest() if seal else metadata["seal"]
    out.write_bytes(save(load_file(str(file)), {**metadata, "header": text, "seal": sealed}))
    return out


@pytest.mark.parametrize("head", ["published", "neck"])
@pytest.mark.parametrize("shared_norm", ["separate", "joint", "domain"])
@pytest.mark.parametrize("shared_stages", [0, 2])
def test_every_pair_of_branches_comes_back_to_the_bit(tmp_path, shared_norm, head, shared_stages):
    model = two_branch(shared_norm=shared_norm, head=head, shared_stages=shared_stages)
    path = tmp_path / "model.safetensors"
    write_model_file(path, model, PREPARATION, {"name": "tiny"})
    found = read_model_file(path)
    wanted = model.state_dict()
    assert found.model.state_dict().keys() == wanted.keys()
    assert all(value.equal(wanted[name]) for name, value in found.model.state_dict().items())
    assert found.preparation == PREPARATION
    assert found.about == {"name": "tiny"}
    assert not found.model.training
    assert model_file_bytes(found.model, found.preparation, found.about) == path.read_bytes()
    parameters = sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for p in found.model.parameters()) == parameters  # what is shared stays shared


@pytest.mark.parametrize(
    ("backbone", "options"),
    [("torchvision:squeezenet1_1", {}), ("timm:resnet10t", {}), ("timm:vit_tiny_patch16_224@32", {})],
)
def test_models_of_other_libraries(tmp_path, backbone, options):
    if backbone.startswith("timm"):
        pytest.importorskip("timm")
    model = two_branch(backbone, side=64 if "@" not in backbone else 32, width=1.0, stem="imagenet", shared_stages=1)
    path = tmp_path / "model.safetensors"
    write_model_file(path, model, PREPARATION)
    wanted = model.state_dict()
    assert all(value.equal(wanted[name]) for name, value in read_model_file(path).model.state_dict().items())


def test_half_precision_and_a_classifier(tmp_path):
    path = tmp_path / "model.safetensors"
    model = classifier().bfloat16()
    write_model_file(path, model, PREPARATION)
    found = read_model_file(path).model.state_dict()
    assert all(found[name].equal(value.to(found[name].dtype)) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: "{", "no JSON"),
        (lambda h: "[" * 100_000, "no JSON"),
        (lambda h: "[1]", "it must have"),
        (lambda h: h.pop("plan"), "it must have"),
        (lambda h: h.update(plan=[]), "'plan' of its header is a list"),
        (lambda h: h.update(kind="three_branch"), "'three_branch'"),
        (lambda h: h["aliases"].update({"photo.x": "nowhere"}), "'photo.x' stands for 'nowhere'"),
        (lambda h: h["aliases"].update({"sketch.stem.conv.weight": "photo.stem.conv.weight"}), "which cannot be"),
        (lambda h: h["aliases"].update({"photo.x": 3}), "no name of a tensor"),
        (lambda h: h["aliases"].clear(), "does not fit"),
        (lambda h: h["preparation"].pop("photo"), "does not say how a photo is prepared"),
        (lambda h: h["preparation"]["photo"].update(size=-1), "size is -1"),
        (lambda h: h["preparation"]["photo"].update(size=10**9), "size is 1000000000"),
        (lambda h: h["preparation"]["photo"].update(size="32"), "whole numbers"),
        (lambda h: h["preparation"]["photo"].update(channels=4), "channels"),
        (lambda h: h["preparation"]["sketch"].update(preset="none"), "unknown preset"),
        (lambda h: h["preparation"]["sketch"].update(more=1), "does not say how a sketch is prepared"),
        (lambda h: h["plan"].update(num_classes=2**40), "wrong shapes"),
        (lambda h: h["plan"].update(num_classes=-5), "no model of this package"),
        (lambda h: h["plan"]["head"].update(embedding_size=2**50), "wrong shapes|no model of this package"),
        (lambda h: h["plan"]["spec"]["stages"][3].update(width=2**24), "wrong shapes"),
        (lambda h: h["plan"]["spec"]["stages"][3].update(width=-32), "no model of this package"),
        (lambda h: h["plan"]["spec"]["stages"][3].update(depth=10**12), "blocks"),
        (lambda h: h["plan"]["spec"]["stages"][3].update(depth="many"), "no model of this package"),
        (lambda h: h["plan"]["spec"].update(stages=7), "no model of this package"),
        (lambda h: h["plan"].update(spec="resnet26"), "no model of this package"),
        (lambda h: h["plan"]["options"].update(unheard=1), "no model of this package"),
        (lambda h: h.update(sha256="0" * 64), "do not match their SHA-256"),
    ],
)
def test_a_header_that_cannot_be_is_refused_in_words(file, tmp_path, change, words):
    with pytest.raises(CheckpointError, match=words):
        load_encoder(changed(file, tmp_path / "other.safetensors", change))


def test_a_header_that_was_altered_is_refused(file, tmp_path):
    other = changed(
        file, tmp_path / "other.safetensors", lambda h: h["preparation"]["photo"].update(size=33), seal=False
    )
    with pytest.raises(CheckpointError, match="header does not match its SHA-256"):
        load_encoder(other)


def test_no_flipped_bit_passes(file, tmp_path):
    content, other = file.read_bytes(), tmp_path / "other.safetensors"
    text = int.from_bytes(content[:8], "little") + 8
    draw = random.Random(0)
    places = [
        *range(8),
        *(draw.randrange(8, text) for _ in range(40)),
        *(draw.randrange(len(content)) for _ in range(20)),
    ]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << draw.randrange(8)
        other.write_bytes(flipped)
        try:
            found = read_model_file(other)
        except (CheckpointError, OSError):
            continue
        assert model_file_bytes(*found) == content, f"byte {place}"  # only the padding behind the header is no content


@pytest.mark.parametrize("length", [0, 5, 8, 500, 50_000])
def test_a_file_cut_short_is_refused(file, tmp_path, length):
    other = tmp_path / "other.safetensors"
    other.write_bytes(file.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="cut short"):
        load_encoder(other)


def test_what_others_wrote_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, str(path))
    with pytest.raises(CheckpointError, match="hybrid-sbir export"):
        load_encoder(path)
    save_classifier(classifier(), path)
    with pytest.raises(CheckpointError, match="--transform and --size"):
        load_encoder(path)
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(CheckpointError, match=r"no \.safetensors"):
        load_encoder(path)
    with pytest.raises(FileNotFoundError, match="no model file"):
        load_encoder(tmp_path / "none.safetensors")
