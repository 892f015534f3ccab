"""The parts of W&B's report: names, flat configurations, counts, pictures, what a classifier takes samples for."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule

from hybrid_sbir.callbacks import wandb_run
from hybrid_sbir.callbacks.wandb_cost import cost
from hybrid_sbir.callbacks.wandb_files import artifact_name, log_model
from hybrid_sbir.callbacks.wandb_findings import Finding, class_rows, confused_rows, count_pairs
from hybrid_sbir.callbacks.wandb_gallery import retrieval_finding
from hybrid_sbir.callbacks.wandb_log import becomes_whole, is_whole
from hybrid_sbir.callbacks.wandb_logger import WandbTracker
from hybrid_sbir.callbacks.wandb_names import flat, name_run
from hybrid_sbir.callbacks.wandb_outputs import Outputs
from hybrid_sbir.callbacks.wandb_pictures import SIDE, confusion, strip, tile
from hybrid_sbir.callbacks.wandb_run import Memory, WandbRun
from hybrid_sbir.complexity import measure
from hybrid_sbir.models import Classifier, create_backbone
from hybrid_sbir.tasks import ClassificationTask

CLASSES = ("ant", "bee", "cat")


def config(backbone="resnet26", activation="pre", kind="TUBerlin", **settings):
    return {
        "seed_everything": 7,
        "model": {"class_path": "x.ClassificationTask", "init_args": {"backbone": backbone, "activation": activation}},
        "data": {"class_path": f"x.{kind}", "init_args": settings},
    }


FOLDERS = """
runs/table-4.1/quick/resnet26-pre-seed0 | table-4.1 | resnet26-pre | resnet26-pre-seed0 | pre TUBerlin quick
runs/table-4.2/thesis/san10-post-seed12 | table-4.2 | san10-post | san10-post-seed12 | post TUBerlin thesis
a/table-4.4/quick/r-scratch-thesis-seed2/stage3 | table-4.4 | r-scratch-thesis | r-scratch-thesis-seed2/stage3 | \
pre TUBerlin quick thesis stage3
a/table-4.4/quick/r-scratch-03-seed2/stage2 | table-4.4 | r-scratch-03 | r-scratch-03-seed2/stage2 | \
pre TUBerlin quick 03 stage2
a/table-4.4/quick/stage1/r-scratch-photo | table-4.4 | r-scratch-photo | r-scratch-photo-seed7/stage1 | \
pre TUBerlin quick stage1
runs/mine | None | mine | mine-seed7 | pre TUBerlin
runs/mine-seed3 | None | mine | mine-seed3 | pre TUBerlin
demo/stage2 | demo | stage2 | stage2-seed7 | pre TUBerlin
"""


@pytest.mark.parametrize("line", FOLDERS.strip().splitlines(), ids=lambda line: line.split(" ")[0])
def test_a_folder_names_its_run(line):
    folder, group, row, name, tags = line.split(" | ")
    activation = "post" if "-post-" in folder else "pre"
    found = name_run(Path(folder), config(activation=activation))
    assert (str(found.group), found.job_type, found.name) == (group, row, name)
    assert " ".join(found.tags) == tags


def test_a_folder_speaks_without_a_configuration():
    found = name_run(Path("runs/table-4.3/quick/resnet26-post-seed4"), {}, ["more"])
    assert (found.group, found.name, found.tags) == ("table-4.3", "resnet26-post-seed4", ("post", "quick", "more"))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"class_path": "a.Prepared", "init_args": {"name": "flickr25k"}}, "flickr25k"),
        ({"class_path": "a.UnimodalData", "init_args": {"images": {"class_path": "b.QuickDraw"}}}, "QuickDraw"),
        (
            {"class_path": "S", "init_args": {"sketches": {"class_path": "T"}, "photos": {"class_path": "P"}}},
            "T+P",
        ),
        (None, None),
    ],
)
def test_data_is_called_what_it_is(data, name):
    assert name_run(Path("runs/a"), {"data": data}).facts.get("dataset") == name


def test_stages_of_ones_own_are_custom():
    assert name_run(Path("runs/a"), config(backbone=[{"kind": "san"}])).facts["backbone"] == "custom"


def test_no_setting_is_lost_when_flat():
    nested = {
        "a": 1,
        "b": {"class_path": "x.y.Z", "init_args": {"c": [1, 2], "d": {"class_path": "Q", "init_args": {}}}},
        "e": [{"class_path": "F", "init_args": {"g": None}}, {"h": {}}],
    }
    assert flat(nested) == {"a": 1, "b": "Z", "b/c": [1, 2], "b/d": "Q", "e/0": "F", "e/0/g": None, "e/1/h": {}}


def test_artifacts_of_two_runs_never_share_a_name():
    folders = [Path("runs/table-4.1") / p / f"{row}-seed{s}" for p, row, s in itertools.product("qt", "ab", (0, 1))]
    folders += [Path("runs/x"), Path("demo/x"), Path("runs/table-4.4/q/a-seed0/stage2")]
    names = set()
    for folder in folders:
        named = name_run(folder)
        names.add(artifact_name(folder, named.group, named.facts.get("preset"), named.name))
    assert len(names) == len(folders)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._") for name in names)


class TestCounts:
    truth = np.array([0, 0, 0, 1, 1, 2])
    found = np.array([0, 1, -1, 1, 1, 0])

    def test_pairs(self):
        assert count_pairs(self.truth, self.found, 3).tolist() == [[1, 1, 0, 1], [0, 2, 0, 0], [1, 0, 0, 0]]

    def test_classes(self):
        rows = class_rows(count_pairs(self.truth, self.found, 3), CLASSES)
        assert rows == [["ant", 3, 1 / 3, "bee", 1], ["bee", 2, 1.0, None, 0], ["cat", 1, 0.0, "ant", 1]]

    def test_mistakes(self):
        rows = confused_rows(count_pairs(self.truth, self.found, 3), CLASSES)
        assert rows == [["ant", "bee", 1, 1 / 3], ["ant", "nothing", 1, 1 / 3], ["cat", "ant", 1, 1.0]]

    def test_classes_that_do_not_occur_are_left_out(self):
        finding = Finding("val")
        finding.add_classes(np.array([4, 4, 6]), np.array([4, 6, 6]), [f"c{n}" for n in range(200)])
        assert [row[0] for row in finding.tables["per_class/val"][1]] == ["c4", "c6"]
        assert finding.pictures["confusion/val"][0][1] == "val: 2 of 3 right"


class TestPictures:
    def test_right_and_wrong_differ_without_colour(self):
        blank = np.full((20, 30, 3), 255, np.uint8)
        right, wrong, query = (np.asarray(tile(blank, "ant", kind).convert("L")) for kind in (True, False, None))
        assert right.shape == (SIDE + 28, SIDE + 10)
        dark = [(picture[2] < 200).mean() for picture in (right, wrong, query)]
        assert dark[0] == dark[2] == 1, "a whole frame"
        assert 0.3 < dark[1] < 0.7, "a broken one"

    def test_grey_pictures_are_framed_too(self):
        assert tile(np.zeros((9, 9, 1), np.uint8), "x").mode == "RGB"

    def test_long_names_are_cut_with_an_ellipsis(self):
        short, long = (np.asarray(tile(np.zeros((9, 9, 3), np.uint8), text)) for text in ("ant", "ant" * 40))
        assert short.shape == long.shape

    def test_a_strip_holds_all_tiles(self):
        tiles = [tile(np.full((9, 9, 3), grey, np.uint8), "x") for grey in (10, 120, 230)]
        pixels = np.asarray(strip(tiles))
        assert {10, 120, 230} <= set(pixels[60, :, 0].tolist())

    def test_a_cell_is_as_dark_as_its_share_of_the_row(self):
        counts = np.array([[9, 1, 0, 0], [0, 5, 5, 0], [0, 0, 1, 3]])
        picture = confusion(counts, CLASSES)
        level = {
            (row, column): picture.getpixel((152 + column * 22, 152 + row * 22))[0] for row, column in np.ndindex(3, 4)
        }
        assert level[0, 2] == level[0, 3] == 255
        assert level[0, 0] < level[1, 1] < level[0, 1] < 255
        assert level[1, 1] == level[1, 2]
        assert level[2, 3] < level[2, 2]

    def test_of_many_classes_those_with_most_mistakes_are_drawn(self):
        counts = np.diag(np.full(100, 5))
        counts = np.concatenate([counts, np.zeros((100, 1), int)], axis=1)
        counts[90, 91] = 50
        assert confusion(counts, [f"class {n}" for n in range(100)]).size == (150 + 41 * 22 + 8, 150 + 40 * 22 + 26)


class TestOutputs:
    class Module(LightningModule):
        def forward(self, image):
            return image[:, :3]

    def batch(self, rows, label, index):
        return SimpleNamespace(label=torch.tensor(label), index=torch.tensor(index)), torch.tensor(rows)

    def test_padding_repeats_and_what_is_no_number(self):
        module = self.Module()
        outputs = Outputs(module)
        first, images = self.batch([[1.0, 2, 0], [float("nan"), 9, 9], [7, 7, 7]], [1, 2], [5, 3])
        module(images)  # filled up to three
        outputs.add(first)
        second, images = self.batch([[0.0, 0, 1], [3, 0, 0]], [2, 0], [4, 5])
        module(images)
        outputs.add(second)
        index, label, found = outputs.gather(SimpleNamespace(world_size=1))
        assert (index.tolist(), label.tolist(), found.tolist()) == ([3, 4, 5], [2, 2, 1], [-1, 2, 1])
        module(images)
        assert outputs._logits is None, "it no longer listens"

    def test_nothing_was_seen(self):
        assert Outputs(self.Module()).gather(SimpleNamespace(world_size=1)).shape == (3, 0)


def test_costs_are_those_that_the_models_are_listed_with():
    backbone = create_backbone("hib_patch_2_2", stem="small", width=0.125, in_channels=1)
    model = Classifier(backbone, 5)
    task = ClassificationTask(5, in_channels=1, backbone="hib_patch_2_2", stem="small", width=0.125).train()
    expected = measure(model, 64, 64)
    found = cost(task, torch.rand(1, 1, 64, 64))
    assert found == {"cost/parameters": expected.parameters, "cost/macs": expected.macs}
    assert task.training
    assert cost(task, None) == {"cost/parameters": expected.parameters}


def test_a_gallery_shows_the_nearest_photos_in_their_order():
    torch.manual_seed(0)
    queries, photos = torch.randn(6, 8), torch.randn(30, 8)
    labels, owners = torch.arange(6) % 3, torch.arange(30) % 3

    class Store:
        def read(self, index):
            from PIL import Image

            return Image.new("RGB", (8, 8), (index * 8, 0, 0))

    ranked = {"query": (queries, labels, torch.arange(6)), "photo": (photos, owners, torch.arange(30))}
    meter = SimpleNamespace(ranked=ranked, values={"ap": torch.full((6,), 0.5)})
    scores = SimpleNamespace(about=SimpleNamespace(name="test", classes=CLASSES), meter=meter)
    found = retrieval_finding(scores, (SimpleNamespace(store=Store()),) * 2, shown=6)
    order = torch.nn.functional.cosine_similarity(queries[:, None], photos[None], dim=2).argsort(descending=True)
    for row, (picture, caption) in enumerate(found.pictures["gallery/test"]):
        reds = [picture.getpixel((60 + 128 * place + (18 if place else 0), 60))[0] for place in range(11)]
        assert reds == [row * 8, *(order[row, :10] * 8).tolist()]
        right = int((owners[order[row, :10]] == labels[row]).sum())
        assert caption == f"{CLASSES[row % 3]}: {right} of 10 right, AP 0.50"
    first = owners[order[:, 0]]
    mistakes = sum(row[2] for row in found.tables["confused/test"][1])
    assert mistakes == int((first != labels).sum())


class TestMemory:
    def test_it_comes_back(self, tmp_path):
        Memory("abc", 3, 17).write(tmp_path)
        assert Memory.read(tmp_path) == Memory("abc", 3, 17)

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}'])
    def test_what_cannot_be_read_is_none(self, content, tmp_path):
        assert Memory.read(tmp_path) is None
        (tmp_path / "wandb_run.json").write_text(content)
        assert Memory.read(tmp_path) is None

    def test_ids_differ_whatever_the_seed(self):
        torch.manual_seed(0)
        first = Memory.new().id
        torch.manual_seed(0)
        assert Memory.new().id != first
        assert len(first) == 8

    @pytest.mark.parametrize(("epochs", "afresh", "kept"), [(2, False, True), (2, True, False), (0, True, True)])
    def test_a_run_that_begins_anew_is_a_new_one_unless_nothing_was_logged(
        self, epochs, afresh, kept, tmp_path, monkeypatch
    ):
        Memory("earlier0", epochs, 5).write(tmp_path)
        monkeypatch.setattr(WandbRun, "_init", lambda self, names, offline: SimpleNamespace(
            config={}, define_metric=lambda *_, **__: None))  # fmt: skip
        monkeypatch.setattr(wandb_run, "_define", lambda run: None)
        run = WandbRun(tmp_path, "p", None, True, False)
        run.open(name_run(Path("runs/a")), {}, afresh)
        assert not run.broken
        assert (run.id == "earlier0") == kept
        assert json.loads((tmp_path / "wandb_run.json").read_text())["id"] == run.id


def test_what_fails_is_said_once_and_ends_the_logging(tmp_path, recwarn):
    calls = []

    class Broken:
        def log(self, *_, **__):
            calls.append(1)
            raise OSError(28, "No space left on device")

    run = WandbRun(tmp_path, "p", None, True, False)
    run._run, run._memory = Broken(), Memory("a")
    for _ in range(3):
        run.log({"x": 1})
    run.close()
    assert len(calls) == 1
    said = [str(warning.message) for warning in recwarn if "W&B" in str(warning.message)]
    assert len(said) == 1
    assert "No space left on device" in said[0]


def test_a_large_checkpoint_is_left_out_and_that_is_said(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/best.ckpt").write_bytes(bytes(3_000_000))
    with pytest.warns(UserWarning, match=r"best\.ckpt has 3 MB and is no artifact \(.*most_megabytes is 2\)"):
        log_model(SimpleNamespace(), tmp_path, "x", {}, 2.0)


@pytest.mark.parametrize(("setting", "value"), [("shown", 0), ("most_megabytes", -1.0)])
def test_settings_that_make_no_sense(setting, value):
    with pytest.raises(ValueError, match=rf"init_args.{setting} is {value}; give"):
        WandbTracker(**{setting: value})


def test_a_cut_file_is_not_whole(tmp_path):
    from wandb.proto.wandb_internal_pb2 import Record

    def piece(record):
        content = record.SerializeToString()
        return b"\0" * 4 + len(content).to_bytes(2, "little") + b"\1" + content

    history, end = Record(), Record()
    history.history.step.num = 3
    end.exit.exit_code = 0
    whole = b":W&B" + b"\0" * 3 + piece(history) + piece(end)
    for content, expected in ((whole, True), (whole[:-1], False), (whole[: -len(piece(end))], False), (b":W&B", False)):
        (tmp_path / "run.wandb").write_bytes(content)
        assert is_whole(tmp_path / "run.wandb") == expected


def test_a_file_that_is_whole_a_moment_later_is_waited_for(tmp_path, monkeypatch):
    answers = iter([False, False, True])
    monkeypatch.setattr("hybrid_sbir.callbacks.wandb_log.is_whole", lambda path: next(answers))
    assert becomes_whole(tmp_path, 30)
    monkeypatch.setattr("hybrid_sbir.callbacks.wandb_log.is_whole", lambda path: False)
    assert not becomes_whole(tmp_path, 0.2)
