"""The two-domain data module as it is used: configured by the command line, and on the real sets."""

import warnings
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pytest
import torch
import yaml
from lightning import LightningDataModule
from lightning.pytorch.cli import LightningArgumentParser

from hybrid_sbir.cli import main
from hybrid_sbir.data.datamodules import Folder, SketchPhotoData, Sketchy
from hybrid_sbir.data.pairing.matched import ClassMismatchWarning
from hybrid_sbir.data.preparation.prepare import prepare
from tests.data.pairing.folders import epoch, fill

CONFIG = """
model: {class_path: ClassificationTask}
data:
  class_path: SketchPhotoData
  init_args:
    sketches: {class_path: Folder, init_args: {root: sketches}}
    photos: {class_path: Folder, init_args: {root: photos}}
    test_sketches: {class_path: Folder, init_args: {root: sketches, split: all}}
    test_photos: {class_path: Folder, init_args: {root: photos, split: all}}
    size: 16
    batch_size: 4
    num_workers: 0
"""
OVERLAY = "data: {init_args: {sampling: classes, per_class: 2, held_out: 2}}"


class TestTheCommandLine:
    @pytest.fixture
    def printed(self, tmp_path, monkeypatch, capsys):
        """The configuration that the real command line makes of files and options."""
        (tmp_path / "base.yaml").write_text(CONFIG)
        (tmp_path / "overlay.yaml").write_text(OVERLAY)

        def parse(*options):
            files = [word for name in ("base", "overlay") for word in ("--config", str(tmp_path / f"{name}.yaml"))]
            monkeypatch.setattr("sys.argv", ["hybrid-sbir", "fit", *files, *options, "--print_config"])
            with pytest.raises(SystemExit) as end:
                main()
            assert not end.value.code, capsys.readouterr().err
            return yaml.safe_load(capsys.readouterr().out)["data"]

        return parse

    def built(self, config):
        parser = LightningArgumentParser()
        parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
        return parser.instantiate_classes(parser.parse_object({"data": config})).data

    def test_files_overlays_and_options(self, printed, tmp_path):
        root = fill(tmp_path / "both")
        config = printed(
            *("--data.init_args.sketches.init_args.root", str(root / "sketches")),
            *("--data.init_args.photos.init_args.root", str(root / "photos")),
            *("--data.init_args.test_sketches.init_args.root", str(root / "sketches")),
            *("--data.init_args.test_photos.init_args.root", str(root / "photos")),
            *("--data.init_args.held_out", "[bee, fox]"),
        )
        assert config["class_path"].endswith("SketchPhotoData")
        both = self.built(config)
        assert (both.classes, both.held_out) == (("ant", "cat", "dog", "eel"), ("bee", "fox"))
        assert (both.drawing.sampling, both.drawing.per_class) == ("classes", 2)
        assert len(both.train_dataloader()) == 8
        with pytest.warns(ClassMismatchWarning, match="bee, fox"):
            (said,) = both.evaluations("test")
        assert said.groups == {"seen": (0, 2, 3, 4), "unseen": (1, 5)}

    def test_another_class_of_source_by_its_short_name(self, printed):
        config = printed(
            *("--data.init_args.sketches", "Embedded", "--data.init_args.sketches.init_args.domain", "sketch"),
            *("--data.init_args.photos", "Embedded", "--data.init_args.photos.init_args.domain", "photo"),
            *("--data.init_args.test_sketches", "null", "--data.init_args.test_photos", "null"),
            *("--data.init_args.held_out", "3", "--data.init_args.max_classes", "5"),
        )
        both = self.built(config)
        assert (both.num_classes, len(both.held_out)) == (5, 3)


KEPT = {
    "tu_berlin/sketches_png.zip": (("airplane", "banana", "bear (animal)", "bee"), 15),
    "photos/photos_90.zip": (("airplane", "banana", "bear (animal)", "bee"), 10),
    "sketchy/sketchy_85.zip": (("airplane", "axe", "banana", "bear"), 25),
}


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory):
    """A few classes of the real sets: class folders, and Sketchy prepared from its official layout."""
    root = tmp_path_factory.mktemp("real")
    for place, (classes, most) in KEPT.items():
        taken = dict.fromkeys(classes, 0)
        with zipfile.ZipFile(shared / "data" / place) as archive:
            for name in sorted(archive.namelist()):
                folder = PurePosixPath(name).parent.name
                limit = 2 * most if "sketchy" in place else most
                if folder in taken and taken[folder] < limit and not name.endswith("/"):
                    taken[folder] += 1
                    archive.extract(name, root / place.split("/")[0])
        assert min(taken.values()) >= most
    prepare("sketchy", root / "sketchy", root / "data", progress=False)
    return root


@pytest.fixture(scope="module")
def module(real, shared):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the map leaves nothing to be said of TU-Berlin and the photos
        return SketchPhotoData(
            Folder(str(real / "tu_berlin/png")),
            Folder(str(real / "photos")),
            test_sketches=Sketchy("sketch", str(real / "data")),
            test_photos=Sketchy("photo", str(real / "data")),
            test_class_map=str(shared / "data/sketchy/class_map.json"),
            held_out=["banana"],
            sampling="classes",
            per_class=4,
            pseudo_sketches=0.25,
            size=32,
            batch_size=12,
            num_workers=0,
            pack=str(real / "packed"),
        )


class TestRealData:
    def test_training(self, module):
        module.setup("fit")
        batches = epoch(module.train_dataloader())
        assert len(batches) == 3
        for batch in batches:
            assert batch.sketch_label.bincount().tolist() == [4, 4, 4]
            assert torch.isfinite(batch.photo).all()
            pseudo = batch.index >= len(module.training.sketches)
            assert pseudo.sum() == 3
            for sketch in batch.sketch:  # dark lines on white, an edge map too, and not a blank sheet
                assert sketch.median() > 1.5
                assert sketch.std() > 0.1

    def test_an_edge_map_is_of_a_training_photo_of_the_class(self, module):
        numbered, photos = module.training.numbered, module.training.photos
        first = len(module.training.sketches)
        assert len(numbered) == first + len(photos)
        assert np.array_equal(numbered.labels[first:], photos.labels)
        assert [numbered.name(first + i) for i in range(4)] == [f"edges of {photos.name(i)}" for i in range(4)]
        assert numbered.read(first).mode == "L"
        assert numbered.read(first).size == photos.read(0).size

    def test_validation(self, module):
        sizes = [sum(len(batch.label) for batch in loader) for loader in module.val_dataloader()]
        assert sizes == [9, 6, 15, 10]  # 3 classes of 15 sketches and 10 photos, a fifth of each; all of the fourth

    def test_the_test_is_of_other_drawers_and_photos(self, module):
        with pytest.warns(ClassMismatchWarning, match="axe, banana"):
            (said,) = module.evaluations("test")
        assert said.classes == ("airplane", "axe", "banana", "bear")
        assert said.groups == {"seen": (0, 3), "unseen": (1, 2)}
        for loader in module.test_dataloader():
            labels = torch.cat([batch.label for batch in loader])
            assert labels.bincount().tolist() == [25, 25, 25, 25]
