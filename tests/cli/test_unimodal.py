"""From a classifier to a page: train without some classes, search among these; alone and in two processes."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.cli.test_distributed import end, pair  # noqa: F401 - a fixture

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture(scope="session")
def six(tmp_path_factory):
    """Six classes of noise with a dark band each."""
    root = tmp_path_factory.mktemp("six")
    rng = np.random.default_rng(0)
    for label, name in enumerate(("ant", "bee", "cow", "dig", "elf", "fox")):
        (root / name).mkdir()
        for number in range(12):
            pixels = rng.integers(0, 256, (24, 24), dtype=np.uint8)
            pixels[:, label * 4 : label * 4 + 4] //= 4
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def words(six, tmp_path):
    """A command line's words over a configuration file for training (``fit``) or for searching."""

    def write(verb, name, *more):
        images = {"class_path": "Folder", "init_args": {"root": str(six)}}
        data = {"images": images, "held_out": ["dig", "elf", "fox"], "size": 16, "batch_size": 4, "num_workers": 0}
        model = {"class_path": "UnimodalRetrieval"}
        kind = "UnimodalData"
        if verb == "fit":
            stages = [{"kind": "resnet", "width": 32, "depth": 1}]
            model = {"class_path": "ClassificationTask", "init_args": {"backbone": stages, "stem": "tiny"}}
            kind = "SeenClasses"
        else:
            data |= {"queries_per_class": 3, "catalogue_per_class": 9}
        quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "max_epochs": 1}
        config = {"model": model, "data": {"class_path": kind, "init_args": data}, "trainer": quiet}
        file = tmp_path / f"{verb}_{name}.yaml"
        file.write_text(json.dumps(config))  # JSON is YAML
        return [verb, "--config", str(file), "--runs", str(tmp_path / "runs"), "--name", name, *map(str, more)]

    return write


@pytest.fixture
def trained(call, words, runs):
    assert call(words("fit", "seen")) == 0
    return ["--model.init_args.init_from", runs / "seen"]


def test_from_a_classifier_to_a_page(trained, call, words, runs, tmp_path, capsys):
    assert call(words("test", "found", *trained)) == 0
    record = json.loads((runs / "found/metrics.json").read_text())
    said = record["test"]["details"]["test"]
    assert 0 < record["test"]["test/map"] <= 1
    assert set(said["per_class"]) == {"dig", "elf", "fox"}
    assert said["remarks"] == []
    assert record["test"]["data"]["module"] == "UnimodalData"
    assert call(words("validate", "found", *trained)) == 0
    both = json.loads((runs / "found/metrics.json").read_text())
    assert both["validate"]["val/map"] == both["test"]["test/map"]
    assert call(words("predict", "found", *trained)) == 0
    assert not (runs / "found/predictions.npz").exists()
    capsys.readouterr()
    page = tmp_path / "page.html"
    assert call(["gallery", str(runs / "found"), "--out", str(page)]) == 0
    assert f"found: mAP {100 * record['test']['test/map']:.1f} %" in capsys.readouterr().out
    assert page.read_text().count("<article") == 9
    assert call(["refine", str(runs / "found"), "--expand", "2", "--k1", "4", "--k2", "2"]) == 0
    assert "expanded queries: map" in capsys.readouterr().out


def test_classes_that_were_trained_on_are_remarked(trained, call, words, runs):
    assert call(words("test", "known", *trained, "--data.init_args.held_out", "[ant, bee, elf]")) == 0
    record = json.loads((runs / "known/metrics.json").read_text())
    assert "2 of the 3 classes were trained on (ant, bee)" in record["test"]["details"]["test"]["remarks"][0]


def test_what_trains_nothing_says_so(trained, call, words, capsys, runs):
    with_data_only = words("test", "x", *trained)
    assert call(["fit", *with_data_only[1:]]) == 1
    assert "UnimodalRetrieval trains nothing: validate, test or predict with it" in capsys.readouterr().err
    assert call([*with_data_only, "--ckpt_path", "best"]) == 1
    assert "UnimodalRetrieval trains nothing and has no checkpoints; name what it is made of" in capsys.readouterr().err
    assert call(words("test", "x")) == 1
    assert "needs a trained classifier (--model.init_args.init_from" in capsys.readouterr().err
    assert (
        call(
            words(
                "test",
                "x",
                *trained,
                "--data.init_args.channels",
                3,
                "--data.init_args.eval_transform",
                "imagenet_eval",
            )
        )
        == 1
    )
    assert "this backbone takes (N, 1, H, W)" in capsys.readouterr().err
    assert not (runs / "x").exists()


def test_a_run_is_named_after_its_data_and_model(trained, call, words, runs):
    command = words("test", "x", *trained)
    place = command.index("--name")
    assert call(command[:place] + command[place + 2 :]) == 0
    assert (runs / "unimodaldata_unimodalretrieval/metrics.json").exists()


def test_the_classifiers_own_folder_may_hold_its_retrieval(trained, call, words, runs):
    assert call(words("test", "seen", *trained)) == 0
    record = json.loads((runs / "seen/metrics.json").read_text())
    assert record["finished"]
    assert 0 < record["test"]["test/map"] <= 1


def test_two_processes_find_and_leave_the_same(trained, call, words, runs, pair):  # noqa: F811
    saved, scores = [], []
    for name in ("one", "two"):
        for verb in ("test", "predict"):
            command = words(verb, name, *trained)
            codes = [call(command)] if name == "one" else end(pair(command, "two processes of one node"))
            assert set(codes) == {0}
        with np.load(runs / name / "embeddings.npz") as file:
            saved.append(dict(file))
        record = json.loads((runs / name / "metrics.json").read_text())["test"]
        scores.append({key: record[key] for key in ("test/map", "test/mrr", "test/p10", "details")})
    assert scores[0] == scores[1]
    assert saved[0].keys() == saved[1].keys()
    for name in saved[0]:
        np.testing.assert_array_equal(saved[0][name], saved[1][name], err_msg=name)
    assert sorted(path.name for path in (runs / "two").iterdir()) == ["embeddings.npz", "metrics.json"]


@pytest.mark.parametrize("data", ["quickdraw_unimodal", "tu_berlin_unimodal"])
@pytest.mark.parametrize("overlay", [[], [EXPERIMENTS / "table_4_3/torchvision.yaml"]], ids=["own", "torchvision"])
def test_the_configurations_are_read(data, overlay, call, capsys):
    files = [EXPERIMENTS / "base/unimodal.yaml", EXPERIMENTS / f"data/{data}.yaml", *overlay]
    assert call(["test", *(word for file in files for word in ("--config", str(file))), "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    settings = config["data"]["init_args"]
    assert config["model"]["init_args"]["torchvision"] == ("resnet50" if overlay else None)
    assert (settings["channels"], settings["eval_transform"]) == (
        (3, "imagenet_eval") if overlay else (1, "classification_eval")
    )


def test_pretrained_features_without_weights_at_hand_say_where_they_are_looked_for(
    call, words, capsys, monkeypatch, runs
):
    import torch

    monkeypatch.setattr(torch.hub, "_hub_dir", str(runs / "nowhere"))
    three = ["--data.init_args.channels", 3, "--data.init_args.eval_transform", "imagenet_eval"]
    assert call(words("test", "x", "--model.init_args.torchvision", "resnet50", *three)) == 1
    error = capsys.readouterr().err
    assert "no pretrained weights of torchvision's resnet50 on this machine" in error
    assert "downloads nothing silently" in error
