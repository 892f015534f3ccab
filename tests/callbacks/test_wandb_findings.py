"""What an evaluation found, for W&B: counts, pictures, galleries, what a classifier takes samples for, costs."""

from types import SimpleNamespace

import numpy as np
import torch
from lightning.pytorch import LightningModule

from hybrid_sbir.callbacks.wandb_cost import cost
from hybrid_sbir.callbacks.wandb_findings import Finding, class_rows, confused_rows, count_pairs
from hybrid_sbir.callbacks.wandb_gallery import retrieval_finding
from hybrid_sbir.callbacks.wandb_outputs import Outputs
from hybrid_sbir.callbacks.wandb_pictures import SIDE, confusion, strip, tile
from hybrid_sbir.complexity import measure
from hybrid_sbir.models import Classifier, create_backbone
from hybrid_sbir.tasks import ClassificationTask

CLASSES = ("ant", "bee", "cat")


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
