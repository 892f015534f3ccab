"""What a run becomes for others: a published file or ONNX graphs, each with its card; and what is refused."""

import json
import os

import numpy as np
import pytest
import torch

from hybrid_sbir.cli import main
from hybrid_sbir.encoding import load_encoder, onnx_graph
from hybrid_sbir.encoding.model_file import read_model_file, weights_digest
from hybrid_sbir.encoding.onnx_folder import read_onnx_manifest
from hybrid_sbir.encoding.onnx_graph import write_graph
from hybrid_sbir.models import save_classifier
from hybrid_sbir.models.stage import StageSpec
from tests.encoding.trained import CLASSES, FINGERPRINT, classifier, two_branch, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"), two_branch())


def refused(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["export", *map(str, words)])
    assert stopped.value.code
    return capsys.readouterr().err


def test_a_run_becomes_a_published_file_with_a_card(run, tmp_path, capsys):
    out = tmp_path / "new" / "model.safetensors"
    main(["export", str(run), "--out", str(out)])
    encoder, images = load_encoder(out), torch.randn(2, 3, 32, 32)
    assert encoder.about["classes"] == CLASSES
    assert encoder.about["data"]["fingerprint"] == FINGERPRINT
    assert encoder.about["scores"]["test"]["values"] == {"test/map": 0.25, "test/p10": 0.5}
    for domain in ("sketch", "photo"):
        np.testing.assert_array_equal(encoder.embed(images, domain), load_encoder(run).embed(images, domain))
    card = out.with_suffix(".md").read_text()
    digest = capsys.readouterr().out.partition("SHA-256 ")[2].split()[0]
    for word in (
        digest,
        FINGERPRINT,
        "0.2500",
        "1,234 sketches",
        "567 photos",
        "uses the catalogue",
        "sketch_square_eval",
        "| Sketches | TUBerlin (tu_berlin) |",
        "on other data than it was trained on, sketches of Sketchy, photos of Prepared (mine)",
    ):
        assert word in card
    assert "/somewhere" not in card + out.read_bytes()[:20_000].decode(errors="replace")


def test_scores_of_another_checkpoint_are_not_this_ones(run, tmp_path):
    out = tmp_path / "model.safetensors"
    main(["export", str(run / "checkpoints" / "last.ckpt"), "--out", str(out)])
    assert load_encoder(out).about["scores"] == {}
    assert "No evaluation of this checkpoint is recorded" in out.with_suffix(".md").read_text()


def test_a_classifier_of_a_run_and_a_published_one(tmp_path, capsys):
    model = classifier()
    out, images = tmp_path / "model.safetensors", torch.randn(2, 3, 32, 32)
    main(["export", str(write_run(tmp_path / "run", model)), "--out", str(out)])
    encoder = load_encoder(out)
    wanted = torch.nn.functional.normalize(model.features(images)).detach().numpy()
    np.testing.assert_allclose(encoder.embed(images, "sketch"), wanted, atol=1e-6)
    assert encoder.about["classes"] == CLASSES
    published, again = tmp_path / "published.safetensors", tmp_path / "again.safetensors"
    save_classifier(model, published)
    assert "--transform and --size" in refused([published, "--out", again], capsys)
    main(["export", str(published), "--out", str(again), "--transform", "photo_eval", "--size", "48"])
    assert load_encoder(again).preparation["photo"].size == 48


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """Of two blocks, one of them of this package's own operators: graphs take the exporter a second a block."""
    stages = [StageSpec("resnet", 32, 1), StageSpec("san", 32, 1, "patchwise", 3)]
    return write_run(tmp_path_factory.mktemp("run"), two_branch(stages, width=1.0, shared_stages=1))


def test_a_run_becomes_onnx_graphs_that_give_the_same_vectors(small_run, tmp_path, capsys):
    run = small_run
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    out = tmp_path / "graphs"
    main(["export", str(run), "--out", str(out)])
    assert "differ from PyTorch's by" in capsys.readouterr().out
    graphs = ["photo.onnx", "sketch.onnx"]
    assert sorted(f.name for f in out.iterdir()) == ["README.md", "manifest.json", "model.safetensors", *graphs]
    manifest = read_onnx_manifest(out)
    assert manifest.weights == weights_digest(read_model_file(out / "model.safetensors").model)
    for name in graphs:
        graph = onnx.load(out / name)
        assert graph.opset_import[0].version == manifest.opset == 20
        assert str(run.parent).encode() not in (out / name).read_bytes()
        assert b"site-packages" not in (out / name).read_bytes()
    own, torch_again, wanted = load_encoder(out), load_encoder(out, runtime="torch"), load_encoder(run)
    assert (own.runtime, torch_again.runtime, own.embedding_size) == ("onnx", "torch", wanted.embedding_size)
    assert own.about["classes"] == CLASSES
    for batch in (1, 3, 8):
        images = torch.randn(batch, 3, 32, 32)
        for domain in ("sketch", "photo"):
            for views in ({}, {"mirror": True}):
                found = own.embed(images, domain, **views)
                np.testing.assert_allclose(found, wanted.embed(images, domain, **views), atol=1e-4)
                np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="--scales"):
        own.embed(images, "sketch", scales=(0.5,))
    _damages(out)


def _damages(out):
    content = (out / "sketch.onnx").read_bytes()
    (out / "sketch.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"sketch\.onnx is damaged: its contents were altered"):
        load_encoder(out).embed(torch.zeros(1, 3, 32, 32), "sketch")
    (out / "photo.onnx").unlink()
    with pytest.raises(ValueError, match=r"photo\.onnx cannot be read"):
        load_encoder(out).embed(torch.zeros(1, 3, 32, 32), "photo")
    text = (out / "manifest.json").read_text()
    (out / "manifest.json").write_text(text.replace('"size": 32', '"size": 33'))
    with pytest.raises(ValueError, match="does not match its SHA-256"):
        load_encoder(out)
    (out / "manifest.json").write_text("{" + json.dumps("hybrid_sbir.onnx.1"))
    with pytest.raises(ValueError, match="cannot be read"):
        load_encoder(out)


def test_what_is_no_export_is_refused_in_words(run, tmp_path, capsys):
    assert "no checkpoint" in refused([tmp_path / "none", "--out", tmp_path / "a.safetensors"], capsys).lower()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no folder 'checkpoints'" in refused([empty, "--out", tmp_path / "a.safetensors"], capsys)
    (empty / "checkpoints").mkdir()
    assert "no checkpoint" in refused([empty, "--out", tmp_path / "a.safetensors"], capsys)
    damaged = write_run(tmp_path / "damaged", two_branch(), names=("best",))
    content = bytearray((damaged / "checkpoints" / "best.ckpt").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "checkpoints" / "best.ckpt").write_bytes(content)
    assert "is damaged" in refused([damaged, "--out", tmp_path / "a.safetensors"], capsys)
    record = write_run(tmp_path / "record", two_branch(), names=("best",))
    (record / "metrics.json").write_text('{"data": 3}')
    assert "metrics.json is damaged" in refused([record, "--out", tmp_path / "a.safetensors"], capsys)
    assert "ends in .safetensors" in refused([run, "--out", tmp_path / "a.pt"], capsys)
    assert not (tmp_path / "a.safetensors").exists()
    assert not (tmp_path / "a.pt").exists()


def test_nothing_that_stands_is_lost(run, tmp_path, capsys):
    out = tmp_path / "model.safetensors"
    out.write_bytes(b"mine")
    assert "--overwrite true" in refused([run, "--out", out], capsys)
    assert out.read_bytes() == b"mine"
    main(["export", str(run), "--out", str(out), "--overwrite", "true"])
    assert load_encoder(out).about["classes"] == CLASSES
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    assert "--overwrite true" in refused([run, "--out", folder], capsys)
    assert "other than an export" in refused([run, "--out", folder, "--overwrite", "true"], capsys)
    assert (folder / "mine.txt").read_text() == "mine"


def test_what_stands_where_the_card_would_be_is_not_lost(run, tmp_path, capsys):
    notes = tmp_path / "model.md"
    notes.write_text("my notes")
    assert "model.md, where the model card would be, exists already" in refused(
        [run, "--out", tmp_path / "model.safetensors"], capsys
    )
    assert notes.read_text() == "my notes"
    assert not (tmp_path / "model.safetensors").exists()
    assert "model.md is a file" in refused([run, "--out", notes / "model.safetensors"], capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(run, tmp_path, capsys):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    assert "read-only" in refused([run, "--out", closed / "model.safetensors"], capsys)


def test_options_that_do_not_fit_are_refused(run, tmp_path, capsys):
    pytest.importorskip("onnx")
    out = tmp_path / "graphs"
    assert "opset is 7" in refused([run, "--out", out, "--opset", "7"], capsys)
    assert "scales are" in refused([run, "--out", out, "--scales", "-1"], capsys)
    assert "together" in refused([run, "--out", out, "--size", "32"], capsys)
    assert list(tmp_path.iterdir()) == []


FAMILIES = [
    ("resnet26", {}),
    ("resnet26", {"activation": "post", "head": "published", "shared_norm": "joint"}),
    ("san10_pair", {}),
    ("san10_patch", {}),
    ("hib_patch_2_2_nl", {}),
    ("hib_pair_2_2_nl", {}),
    ("hib_nl_gaussian_2_2", {}),
    ("hib_nl_embedded_2_2", {}),
    ("hib_nl_concatenation_2_2", {}),
    ("botnet26", {}),
    ("sasa26", {}),
    ("hib_vit_2_2", {}),
    ("se_resnet26", {}),
    ("torchvision:mobilenet_v3_small", {"width": 1.0, "stem": "imagenet"}),
    ("timm:resnet10t", {"width": 1.0, "stem": "imagenet"}),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("backbone", "options"), FAMILIES, ids=lambda value: str(value))
def test_every_family_of_backbones_becomes_a_graph(tmp_path, backbone, options):
    pytest.importorskip("onnx")
    model = two_branch(backbone, side=64, **{"width": 0.25, "stem": "small", **options})
    images = torch.randn(5, 3, 64, 64)  # as the batch norms have seen
    for domain in ("sketch", "photo"):
        assert write_graph(model, domain, images, tmp_path / f"{domain}.onnx").difference <= 1e-4


def test_images_that_the_model_gives_no_numbers_for_are_not_compared(tmp_path):
    pytest.importorskip("onnx")
    images = torch.randn(5, 3, 32, 32)
    images[1:] = torch.inf
    assert write_graph(two_branch(), "sketch", images, tmp_path / "sketch.onnx").difference <= 1e-4
    with pytest.raises(onnx_graph.ExportProblem, match="gives no numbers for any of 4 drawings"):
        write_graph(two_branch(), "sketch", images[1:], tmp_path / "none.onnx")


@pytest.mark.slow
def test_scales_have_graphs_and_large_weights_files_of_their_own(small_run, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setattr(onnx_graph, "INLINE_BYTES", 1000)
    out = tmp_path / "graphs"
    main(["export", str(small_run), "--out", str(out), "--scales", "1", "1.5"])
    assert {"sketch.onnx.data", "photo_48.onnx.data"} <= set(read_onnx_manifest(out).files)
    images, views = torch.randn(2, 3, 32, 32), {"scales": (1.0, 1.5), "mirror": True}
    wanted = load_encoder(small_run).embed(images, "photo", **views)
    np.testing.assert_allclose(load_encoder(out).embed(images, "photo", **views), wanted, atol=1e-4)
    content = (out / "sketch.onnx.data").read_bytes()
    (out / "sketch.onnx.data").write_bytes(content[:-9])
    with pytest.raises(ValueError, match=r"sketch\.onnx\.data is damaged"):
        load_encoder(out).embed(images, "sketch")
