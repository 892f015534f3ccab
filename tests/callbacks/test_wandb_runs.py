"""What real runs tell W&B, read from its files: names, curves, scores, media, artifacts; and no key anywhere."""

import base64
import contextlib
import csv
import hashlib
import json
import math
import zipfile
import zlib

import numpy as np
import pytest
import yaml
from PIL import Image

from hybrid_sbir.callbacks.wandb_names import flat
from tests.callbacks import wandb_runs
from tests.callbacks.wandb_reader import Logged
from tests.callbacks.wandb_runs import CLASSIFICATION, KEY, NETRC_KEY, STAGE2, STAGE3, UNIMODAL
from tests.two_domains import CLASSES

TRAINED = (CLASSIFICATION, STAGE2, STAGE3)
ALL = (*TRAINED, UNIMODAL)
RETRIEVED = (STAGE3, UNIMODAL)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    made = wandb_runs.made(tmp_path_factory)
    output = (made / "output.txt").read_text()
    assert output.endswith("all done\n"), output
    assert "W&B:" not in output, "a warning"
    return made


@pytest.fixture(scope="module")
def logged(root):
    return {name: Logged(root / "runs" / name) for name in ALL}


def record(root, name):
    return json.loads((root / "runs" / name / "metrics.json").read_text())


@pytest.mark.parametrize("name", TRAINED)
def test_curves_are_those_of_metrics_csv(name, root, logged):
    with (root / "runs" / name / "metrics.csv").open() as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert len(rows) >= 2
    assert logged[name].epochs == rows
    steps = [row["_step"] for row in logged[name].history]
    assert steps == sorted(set(steps)), "what is logged later comes later, over all starts"


def test_curves_are_drawn_over_epochs(logged):
    defined = {metric.name or metric.glob_name: metric for metric in logged[STAGE3].metrics}
    assert {"epoch", "step"} <= set(defined)
    for pattern in ("train/*", "val/*", "val_unseen/*", "lr"):
        assert defined[pattern].step_metric == "epoch"


@pytest.mark.parametrize("name", TRAINED)
def test_the_best_epoch_is_that_of_metrics_json(name, root, logged):
    best = record(root, name)["best"]
    assert {key: logged[name].summary[f"best/{key}"] for key in best} == best


@pytest.mark.parametrize(("name", "verb"), [(CLASSIFICATION, "validate"), (STAGE3, "test"), (UNIMODAL, "test")])
def test_scores_are_those_of_metrics_json(name, verb, root, logged):
    scores = {key: value for key, value in record(root, name)[verb].items() if "/" in key}
    assert len(scores) >= 3
    for key, value in scores.items():
        own = logged[name].summary[key if key.startswith(verb) else f"{verb}/{key}"]
        assert own == value or (math.isnan(own) and value is None)


@pytest.mark.parametrize(
    ("name", "group", "job", "called", "tags"),
    [
        (CLASSIFICATION, "table-4.1", "resnet26-pre", "resnet26-pre-seed3", {"pre", "Folder", "quick"}),
        (UNIMODAL, "table-4.3", "resnet26-pre", "resnet26-pre-seed3", {"pre", "Folder", "quick"}),
        (
            STAGE3,
            "table-4.4",
            "hib_patch_2_2-pretrained-modern",
            "hib_patch_2_2-pretrained-modern-seed1/stage3",
            {"pre", "Folder", "quick", "modern", "stage3"},
        ),
    ],
)
def test_runs_are_named_by_their_folders(name, group, job, called, tags, logged):
    for start in logged[name].starts:
        assert (start.run_group, start.job_type, start.display_name) == (group, job, called)
        assert set(start.tags) == tags
        assert start.host == "not-recorded"


@pytest.mark.parametrize(("name", "starts"), [(CLASSIFICATION, 3), (STAGE2, 1), (STAGE3, 3), (UNIMODAL, 1)])
def test_all_verbs_of_a_run_are_one_run(name, starts, root, logged):
    ids = {start.run_id for start in logged[name].starts}
    assert len(logged[name].starts) == starts
    assert ids == {json.loads((root / "runs" / name / "wandb_run.json").read_text())["id"]}
    assert logged[name].exits == [0] * starts


@pytest.mark.parametrize("name", TRAINED)
def test_the_whole_configuration_is_logged_flat(name, root, logged):
    config = flat(yaml.safe_load((root / "runs" / name / "config.yaml").read_text()))
    assert len(config) > 50
    own = logged[name].config
    assert {key: own[key] for key in config} == config
    assert (own["activation"], own["dataset"], own["preset"]) == ("pre", "Folder", "quick")
    assert own["row"] == logged[name].starts[0].job_type


def test_confusion_and_classes_add_up_to_the_score(root, logged):
    run = logged[CLASSIFICATION]
    score = record(root, CLASSIFICATION)["validate"]["val/top1"]
    columns, rows = run.table("per_class/val")
    assert columns == ["class", "samples", "top1", "mistaken most for", "times"]
    samples, right = sum(row[1] for row in rows), sum(row[1] * row[2] for row in rows)
    assert right / samples == pytest.approx(score, abs=1e-12)
    assert [row[0] for row in rows] == list(CLASSES)
    _, pairs = run.table("confused/val")
    assert sum(pair[2] for pair in pairs) == samples - round(right)
    (path,), (caption,) = run.media("confusion/val")
    assert caption == f"val: {round(right)} of {samples} right"
    assert Image.open(path).size[0] > 6 * 20


def test_predictions_agree_with_validation(logged):
    """The same samples, by way of predictions.npz."""
    run = logged[CLASSIFICATION]
    for key in ("per_class", "confused"):
        assert run.table(f"{key}/predict") == run.table(f"{key}/val")


@pytest.mark.parametrize("name", RETRIEVED)
def test_classes_of_a_retrieval_are_those_of_metrics_json(name, root, logged):
    said = record(root, name)["test"]["details"]
    for evaluation, about in said.items():
        columns, rows = logged[name].table(f"per_class/{evaluation}")
        assert {row[0]: dict(zip(columns[1:], row[1:], strict=True)) for row in rows} == about["per_class"]


@pytest.mark.parametrize("name", RETRIEVED)
def test_galleries_open_and_their_captions_count_what_is_right(name, root, logged):
    paths, captions = logged[name].media("gallery/test")
    assert 3 <= len(paths) <= 12
    assert len({caption.split(":")[0] for caption in captions}) >= 3, "queries of several classes"
    for path, caption in zip(paths, captions, strict=True):
        with Image.open(path) as picture:
            frames = np.asarray(picture.convert("RGB")).astype(int)[1:4]  # of all tiles, above their pictures
        green = (np.abs(frames - (0, 158, 115)).max(axis=2) < 40).mean()
        assert (green > 0.05) == (int(caption.split(": ")[1].split(" ")[0]) > 0), caption


def test_a_gallery_of_a_file_is_that_of_the_test(logged):
    """``predict`` writes embeddings.npz; what is nearest in it is what the test ranked first."""
    tested, predicted = (logged[STAGE3].media(f"gallery/{key}")[1] for key in ("test", "predict"))
    short = [caption.split(", AP")[0] for caption in tested]
    assert [caption for caption in predicted if caption in short]
    assert len(predicted) == len(short)


@pytest.mark.parametrize("name", TRAINED)
def test_the_best_checkpoint_is_an_artifact_with_its_checksum(name, root, logged):
    (model,) = [artifact for artifact in logged[name].artifacts if artifact.type == "model"]
    path = root / "runs" / name / "checkpoints/best.ckpt"
    (file,) = model.manifest.contents
    content = path.read_bytes()
    assert (file.path, file.size, file.local_path) == ("best.ckpt", len(content), str(path.resolve()))
    assert file.digest == base64.b64encode(hashlib.md5(content).digest()).decode()
    about = json.loads(model.metadata)
    assert about["sha256"] == hashlib.sha256(content).hexdigest()
    assert about["best"] == record(root, name)["best"]
    assert "best" in model.aliases


@pytest.mark.parametrize("name", ALL)
def test_results_are_an_artifact_as_they_were_then(name, root, logged):
    results = [artifact for artifact in logged[name].artifacts if artifact.type == "results"]
    assert len(results) == len(logged[name].starts)
    files = {file.path: file for file in results[-1].manifest.contents}
    assert set(files) == ({"metrics.json"} if name == UNIMODAL else {"metrics.json", "metrics.csv", "config.yaml"})
    for path, file in files.items():
        content = (root / "runs" / name / path).read_bytes()
        assert json.loads(results[-1].metadata)["sha256"][path] == hashlib.sha256(content).hexdigest()
        with open(file.local_path, "rb") as copy:  # noqa: PTH123 - a path of W&B's
            assert copy.read() == content


@pytest.mark.parametrize("name", ALL)
def test_costs_are_logged(name, root, logged):
    assert logged[name].summary["cost/parameters"] == record(root, name)["parameters"]
    assert logged[name].summary["cost/macs"] > 1e5


def unpacked(content):
    """Bytes as they are and as what is packed in them, in members of zip files and zlib or gzip streams."""
    yield content
    if content[:2] == b"PK":
        import io

        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from unpacked(archive.read(member))
    for magic in (b"\x1f\x8b\x08", b"\x78\x9c", b"\x78\x01", b"\x78\xda"):
        start = content.find(magic)
        while start >= 0:
            with contextlib.suppress(zlib.error):
                yield zlib.decompressobj(47).decompress(content[start:])
            start = content.find(magic, start + 1)


def forms(key):
    """How a key may stand in a file: as it is, backwards, in base64 at any place, in hexadecimal."""
    raw = key.encode()
    yield from (raw, raw[::-1], raw.hex().encode())
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + raw)[4 : -4 - shift]


def test_no_key_is_found_in_any_byte(root):
    files = [path for path in root.rglob("*") if path.is_file() and path.name != ".netrc"]
    assert {path.suffix for path in files} >= {".wandb", ".ckpt", ".json", ".csv", ".yaml", ".npz", ".txt", ".log"}
    wanted = [form for key in (KEY, NETRC_KEY) for form in forms(key)]
    leaks = [path for path in files for content in unpacked(path.read_bytes()) for form in wanted if form in content]
    assert not leaks


def test_the_search_finds_what_is_hidden(tmp_path):
    hidden = tmp_path / "a.zip"
    with zipfile.ZipFile(hidden, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", "padding " * 99 + base64.b64encode(f"api:{KEY}".encode()).decode())
    assert any(form in content for content in unpacked(hidden.read_bytes()) for form in forms(KEY))
    assert any(KEY.encode() in content for content in unpacked(b"junk" + zlib.compress(KEY.encode())))


def test_nothing_is_left_in_the_home_folder(root):
    left = [path for path in (root / "home").rglob("*") if path.is_file() and "wandb" in path.parts]
    assert not [path for path in left if "artifacts" in path.parts], "copies for uploads lie in the run's folder"
