"""From the front door: a run's folder and an image file become a picture, and mistakes are told in words."""

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from hybrid_sbir.attention import eval_transform, footprints, load_model, look_at
from hybrid_sbir.cli import main
from hybrid_sbir.models import Classifier, StageSpec, TwoBranch, create_backbone, save_classifier
from hybrid_sbir.tasks.restoring import BRANCHES_KEY, KEY, describe
from tests.attention.networks import mixed, unsettle


def leave(folder, key, model, **data):
    """A run's folder as training leaves it: the best checkpoint and config.yaml."""
    (folder / "checkpoints").mkdir(parents=True)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, key: describe(model, ["cat", "dog"])}, folder / "checkpoints" / "best.ckpt")
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": {"init_args": data}}))
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    model = Classifier(mixed(), 2)
    folder = tmp_path_factory.mktemp("runs") / "classifier"
    return leave(folder, KEY, model, eval_transform="sketch_square_eval", size=64, channels=3)


@pytest.fixture(scope="module")
def branches(tmp_path_factory):
    stages = [StageSpec("san", 32, 1, "patchwise", 3), StageSpec("san", 32, 1, "pairwise", 3)]
    model = unsettle(TwoBranch(stages, 2, shared_stages=1, stem="tiny"))
    folder = tmp_path_factory.mktemp("runs") / "row-seed0" / "stage3"
    settings = {"sketch_eval": "sketch_square_eval", "photo_eval": "photo_eval", "size": 32}
    return leave(folder, BRANCHES_KEY, model, **settings)


@pytest.fixture
def sketch(tmp_path):
    sheet = np.full((90, 120), 255, dtype=np.uint8)
    sheet[40:44, 10:100] = 0
    Image.fromarray(sheet).save(tmp_path / "sketch.png")
    return tmp_path / "sketch.png"


def call(*words):
    main(["attention", *map(str, words)])


def test_a_run_becomes_a_picture_of_what_its_model_saw(classifier, sketch, tmp_path, capsys):
    out = tmp_path / "new" / "picture.png"
    call("--model", classifier, "--image", sketch, "--at", 60, 42, "--out", out)
    assert Image.open(out).width > 1000
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == ["2.1", "2.2", "3.1", "4.1"]
    assert lines[-1] == f"wrote {out}: 4 blocks of {classifier / 'checkpoints' / 'best.ckpt'}"


def test_the_image_is_prepared_as_in_the_run(classifier, branches, sketch):
    trained = load_model(classifier)
    prepared = eval_transform(trained.path, 3, "sketch")
    assert (prepared.size, prepared.channels) == (64, 3)
    seen = look_at(sketch, prepared, (60, 42))
    assert seen.pixels.min() < 128
    assert seen.pixels[0, 0] == 255  # the whole sketch, on white
    x = torch.rand(3, 64, 64)
    found = footprints(trained.model, x, (9, 9))
    again = footprints(mixed(), x, (9, 9))
    assert all(a.weights.equal(b.weights) for a, b in zip(found, again, strict=True))
    both = load_model(branches)
    assert isinstance(both.model, TwoBranch)
    by_domain = [eval_transform(both.path, 3, domain).geometry for domain in ("sketch", "photo")]
    assert [type(geometry).__name__ for geometry in by_domain] == ["SquareView", "CentreView"]


def test_each_of_two_branches_chosen_blocks_and_groups(branches, sketch, tmp_path, capsys):
    for domain in ("sketch", "photo"):
        out = tmp_path / f"{domain}.svg"
        call("--model", branches, "--image", sketch, "--at", 60, 42, "--out", out, "--domain", domain,
             "--blocks", "2.1", "--groups", 0)  # fmt: skip
        assert out.read_text().startswith("<?xml")
        assert capsys.readouterr().out.startswith("2.1: pairwise, softmax")


def test_a_file_of_weights_needs_to_be_told_how_images_are_prepared(sketch, tmp_path, capsys):
    torch.manual_seed(0)
    save_classifier(
        unsettle(Classifier(create_backbone("hib_pair_3_1_nl", width=0.125), 2)), tmp_path / "w.safetensors"
    )
    words = ["--model", tmp_path / "w.safetensors", "--image", sketch, "--at", 60, 42, "--out", tmp_path / "a.png"]
    assert "--transform (such as" in refusal(capsys, *words)
    call(*words, "--transform", "sketch_square_eval", "--size", 128, "--blocks", "4.1", "--groups", 0)
    assert (tmp_path / "a.png").is_file()


def refusal(capsys, *words):
    with pytest.raises(SystemExit) as end:
        call(*words)
    assert end.value.code in (1, 2)
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--at", 120, 3], "which is 120 x 90 pixels: give x from 0 to 119 and y from 0 to 89"),
        (["--at", -1, 3], "position -1 3 is outside of"),
        (
            ["--at", 60, 42, "--blocks", "2.2", "9.1"],
            "no attention block 9.1; there are (STAGE.BLOCK): 2.1 (non-local)",
        ),
        (["--at", 60, 42, "--groups", 1, 8], "block 2.2 has 2 share groups, 0 to 1; got 8"),
        (["--at", 60, 42, "--size", 16], "an input of 16 x 16 pixels is 2 x 2 at stage 3"),
        (["--at", 60, 42, "--out", "a.gif"], "a.gif ends in '.gif'"),
        (["--at", 60], "at"),
        (["--at", 60, 42, "--transform", "photo_train"], "crops at random"),
    ],
)
def test_mistakes_are_told_in_words_and_nothing_is_written(classifier, sketch, tmp_path, capsys, more, words):
    out = ["--out", tmp_path / "picture.png"] if "--out" not in more else []
    assert words in refusal(capsys, "--model", classifier, "--image", sketch, *out, *more)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sketch.png"]


def test_a_model_without_attention_says_so(sketch, tmp_path, capsys):
    model = Classifier(create_backbone("resnet26", width=0.125), 2)
    run = leave(tmp_path / "resnet", KEY, model, eval_transform="photo_eval", size=64, channels=3)
    said = refusal(capsys, "--model", run, "--image", sketch, "--at", 60, 42, "--out", tmp_path / "a.png")
    assert "this model has no attention block to look into: its stages are resnet" in said


def test_missing_and_damaged_files_are_named(classifier, sketch, tmp_path, capsys):
    words = ["--at", 60, 42, "--out", tmp_path / "a.png"]
    assert "no checkpoint" in refusal(capsys, "--model", tmp_path / "none.ckpt", "--image", sketch, *words)
    assert "none.png: missing" in refusal(capsys, "--model", classifier, "--image", tmp_path / "none.png", *words)
    run = leave(tmp_path / "run", KEY, Classifier(mixed(), 2), size=64)
    assert "--transform" in refusal(capsys, "--model", run, "--image", sketch, *words)
    (run / "config.yaml").write_text("data: [")
    assert "config.yaml is damaged" in refusal(capsys, "--model", run, "--image", sketch, *words)
