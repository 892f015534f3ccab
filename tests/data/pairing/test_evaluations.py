"""Queries and catalogues: which samples, each once over all processes, through the trainer too; other test sets."""

import json

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.data.datamodule import MissingClassWarning
from hybrid_sbir.data.datamodules import Embedded, Folder, Prepared, SketchPhotoData, Sketchy
from hybrid_sbir.data.manifest import ManifestError
from hybrid_sbir.data.pairing.matched import ClassMismatchWarning
from hybrid_sbir.data.preparation.prepare import prepare
from tests.data.pairing.folders import CLASSES, PLAIN, as_process, data, epoch, fill, photo_shown, same, sketch_shown


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def sketchy(tmp_path_factory):
    """Sketchy's official layout: two classes of four photos, each drawn twice."""
    top = tmp_path_factory.mktemp("sketchy")
    for name, grey in (("alarm_clock", 40), ("ant", 80)):
        for domain in ("photo", "sketch"):
            (top / "official/256x256" / domain / "tx_000000000000" / name).mkdir(parents=True)
        for number in range(4):
            files = [f"photo/tx_000000000000/{name}/n{number}.jpg"]
            files += [f"sketch/tx_000000000000/{name}/n{number}-{k}.png" for k in (1, 2)]
            for file in files:
                Image.new("L", (16, 16), grey + number).save(top / "official/256x256" / file)
    prepare("sketchy", top / "official", top / "data", progress=False)
    return str(top / "data")


class TestValidation:
    def test_in_order_each_validation_sample_once(self, root):
        both = data(root)
        (said,) = both.evaluations("val")
        assert said == ("val", CLASSES, {})
        queries, catalogue = (epoch(loader) for loader in both.val_dataloader())
        for batches, shown in ((queries, sketch_shown), (catalogue, photo_shown)):
            assert all(isinstance(batch, ClassificationBatch) for batch in batches)
            assert torch.cat([batch.index for batch in batches]).tolist() == list(range(12))
            label = torch.cat([batch.label for batch in batches])
            assert torch.equal(torch.cat([shown(batch.image) for batch in batches])[:, 0], label)
            assert label.bincount().tolist() == [2] * 6

    def test_few_queries_a_class(self, root):
        both = data(root, val_queries_per_class=1)
        queries, catalogue = both.val_dataloader()
        assert sorted(torch.cat([batch.label for batch in queries]).tolist()) == list(range(6))
        assert sum(len(batch.label) for batch in catalogue) == 12
        chosen = [
            sorted(
                both.open_evaluations("val")[0].queries.name(i)
                for both in [data(root, val_queries_per_class=1, split_seed=seed)]
                for i in range(6)
            )
            for seed in (0, 0, 1)
        ]
        assert chosen[0] == chosen[1] != chosen[2]

    @pytest.mark.parametrize("world", [1, 2, 5, 16])
    def test_processes_see_each_sample_once_even_where_some_see_none(self, root, world):
        seen = [[], [], [], []]
        for rank in range(world):
            both = as_process(data(root, held_out=["fox"]), rank, world)
            for number, loader in enumerate(both.val_dataloader()):
                seen[number] += [index for batch in epoch(loader) for index in batch.index.tolist()]
        assert [sorted(each) for each in seen] == [list(range(n)) for n in (10, 10, 10, 10)]

    def test_each_part_has_its_transforms(self, root):
        both = data(root, sketch_eval="sketch_eval", sketch_test="sketch_test", size=28)
        assert both.eval_transforms("val")[0].geometry.shorter_side == 28
        assert both.eval_transforms("test")[0].geometry.shorter_side == 32
        modern = SketchPhotoData(Embedded("sketch"), Embedded("photo"))
        assert modern.eval_transforms("val") == modern.eval_transforms("test")
        assert type(modern.eval_transforms("val")[0].geometry).__name__ == "SquareView"

    def test_an_unknown_part(self, root):
        with pytest.raises(ValueError, match="part is 'train'; evaluations are of 'val' or 'test'"):
            data(root).evaluations("train")

    def test_a_query_whose_class_has_no_photo_is_warned_of(self, tmp_path):
        fill(tmp_path)
        for number in range(1, 10):
            (tmp_path / f"photos/ant/{number}.png").unlink()  # a single one stays in training
        both = data(tmp_path)
        with pytest.warns(MissingClassWarning, match="'val': 1 of 6 classes have query sketches but no photo: ant"):
            both.setup("fit")

    def test_an_empty_evaluation_is_refused(self, tmp_path):
        fill(tmp_path, per_class=1)
        with pytest.raises(ValueError, match="'val' has no query sketch of any of its 6 classes; choose another split"):
            data(tmp_path).setup("validate")

    def test_counts_in_words(self, root):
        lines = data(root, held_out=["bee"]).describe().splitlines()
        assert lines[0] == "val: 10 query sketches, 10 photos, 5 classes"
        assert lines[1] == "val_unseen: 10 query sketches, 10 photos, 1 classes"
        assert lines[3].split() == ["ant", "8", "2", "8", "2"]
        assert lines[4].split() == ["bee", "8", "2", "8", "2", "held", "out"]
        assert len(lines) == 9


class TestTest:
    def test_by_default_the_sets_own_with_held_out_classes_apart(self, root):
        both = data(root, held_out=["bee", "ant"])
        (said,) = both.evaluations("test")
        assert said.name == "test"
        assert said.classes == ("cat", "dog", "eel", "fox", "ant", "bee")
        assert said.groups == {"seen": (0, 1, 2, 3), "unseen": (4, 5)}
        for loader, shown in zip(both.test_dataloader(), (sketch_shown, photo_shown), strict=True):
            for batch in loader:
                names = [said.classes[label] for label in batch.label]
                assert names == [CLASSES[label] for label in shown(batch.image)[:, 0]]
        assert data(root).evaluations("test")[0].groups == {"seen": (0, 1, 2, 3, 4, 5)}

    def test_folders_as_a_whole_with_classes_matched_to_those_trained_with(self, root, tmp_path):
        fill(tmp_path, ("Ant", "bee", "yak"), ("Ant", "bee", "yak"), per_class=3)
        whole = {f"test_{name}": Folder(str(tmp_path / name), split="all") for name in ("sketches", "photos")}
        (tmp_path / "map.json").write_text(json.dumps({"ant": "Ant"}))
        both = data(root, test_class_map=str(tmp_path / "map.json"), held_out=["bee"], **whole)
        with pytest.warns(ClassMismatchWarning, match="those of the test"):
            (said,) = both.evaluations("test")
        assert said == ("test", ("Ant", "bee", "yak"), {"seen": (0,), "unseen": (1, 2)})
        for loader in both.test_dataloader():
            assert torch.cat([batch.label for batch in loader]).bincount().tolist() == [3, 3, 3]

    def test_several_folders_of_photos_are_one_class_of_sketches(self, root, tmp_path):
        fill(tmp_path, ("1", "2"), ("big ben", "towers", "bee"), per_class=3)
        whole = {f"test_{name}": Folder(str(tmp_path / name), split="all") for name in ("sketches", "photos")}
        (tmp_path / "photos.json").write_text(json.dumps({"big ben": "1", "towers": "1", "bee": "2"}))
        (tmp_path / "trained.json").write_text(json.dumps({"bee": "2"}))
        maps = {"test_photo_map": tmp_path / "photos.json", "test_class_map": tmp_path / "trained.json"}
        both = data(root, **whole, **{name: str(path) for name, path in maps.items()})
        with pytest.warns(ClassMismatchWarning):
            (said,) = both.evaluations("test")
        assert (said.classes, said.groups) == (("1", "2"), {"seen": (1,), "unseen": (0,)})
        queries, catalogue = both.test_dataloader()
        assert torch.cat([batch.label for batch in queries]).bincount().tolist() == [3, 3]
        assert torch.cat([batch.label for batch in catalogue]).bincount().tolist() == [6, 3]

    def test_every_name_of_joined_classes_was_trained_with(self, tmp_path):
        fill(tmp_path / "train", ("apple", "pear", "bee"), ("fruit", "bee"))
        fill(tmp_path / "test", ("apple", "pear", "bee", "yak"), ("apple", "pear", "bee", "yak"), per_class=3)
        (tmp_path / "map.json").write_text(json.dumps({"apple": "fruit", "pear": "fruit"}))
        whole = {f"test_{name}": Folder(str(tmp_path / "test" / name), split="all") for name in ("sketches", "photos")}
        both = data(tmp_path / "train", class_map=str(tmp_path / "map.json"), **whole)
        assert both.classes == ("apple", "bee")
        with pytest.warns(ClassMismatchWarning):
            (said,) = both.evaluations("test")
        assert said.classes == ("apple", "bee", "pear", "yak")
        assert said.groups == {"seen": (0, 1, 2), "unseen": (3,)}

    def test_sketchy_prepared(self, root, sketchy):
        test = {
            f"test_{name}": Sketchy(domain, sketchy) for name, domain in (("sketches", "sketch"), ("photos", "photo"))
        }
        both = data(root, **test)
        with pytest.warns(ClassMismatchWarning, match="alarm_clock"):
            both.setup("test")
        (said,) = both.evaluations("test")
        assert said == ("test", ("alarm_clock", "ant"), {"seen": (1,), "unseen": (0,)})
        queries, catalogue = (torch.cat([batch.label for batch in loader]) for loader in both.test_dataloader())
        assert (queries.bincount().tolist(), catalogue.bincount().tolist()) == ([8, 8], [4, 4])


class TestSketchy:
    def test_its_sketches_meet_the_photos_they_were_drawn_from(self, sketchy):
        options = {**PLAIN, "size": 16, "batch_size": 2, "level": "instance", "sampling": "triplets"}
        sources = [Sketchy(domain, sketchy, split="random80") for domain in ("sketch", "photo")]
        both = SketchPhotoData(*sources, **options)
        sketches, photos = both.training.sketches, both.training.photos
        own = both.training.pool.own
        assert (own >= 0).all()  # a photo and its sketches are in one part
        for sketch, photo in enumerate(own):
            assert photos.name(int(photo)).split("/")[-2:] == [
                sketches.name(sketch).split("/")[-2],
                sketches.name(sketch).split("/")[-1].split("-")[0] + ".jpg",
            ]
        for _ in range(3):
            for batch in both.train_dataloader():
                assert torch.allclose(batch.sketch, batch.positive, atol=0.1)  # one grey level apart at most: JPEG
                assert not torch.allclose(batch.sketch, batch.negative, atol=0.3)

    def test_names_that_say_nothing(self, tmp_path):
        fill(tmp_path)
        for file in sorted((tmp_path / "photos").rglob("*.png")):
            file.rename(file.with_name(f"photo{file.name}"))
        with pytest.raises(ValueError, match=r"no sketch is named after a photo.*ID-k\.png.*use level: class"):
            data(tmp_path, level="instance").train_dataloader()

    def test_a_domain_of_a_whole_set_or_of_a_split(self, sketchy):
        for domain, count in (("sketch", 16), ("photo", 8)):
            for split in ("retrieval", "all"):
                whole = Sketchy(domain, sketchy, split=split)
                assert [len(whole.part(part)) for part in ("train", "val", "test")] == [count] * 3
                assert not whole.divided
            parts = Sketchy(domain, sketchy, split="stratified80")
            assert len(parts.part("train")) + len(parts.part("val")) == count
            assert all(f"/{domain}/" in parts.part("train").name(i) for i in range(len(parts.part("train"))))

    def test_what_it_is_not(self, sketchy, root, tmp_path):
        with pytest.raises(ValueError, match="domain is 'drawing'; it can be sketch, photo"):
            Sketchy("drawing", sketchy)
        prepare("folder", root / "photos", tmp_path, progress=False)
        with pytest.raises(ManifestError, match="no part 'queries' of a split 'retrieval'"):
            Sketchy("sketch", str(tmp_path), split="random80", name="folder")


def test_a_whole_set_has_every_sample_in_every_part(root, tmp_path):
    prepare("folder", root / "photos", tmp_path, progress=False)
    for whole in (Folder(str(root / "photos"), split="all"), Prepared("folder", str(tmp_path), split="all")):
        assert [len(whole.part(part)) for part in ("train", "val", "test")] == [60] * 3
        assert whole.classes == CLASSES
        with pytest.raises(ValueError, match="which is for a test; to train, choose one that keeps validation apart"):
            whole.setup("fit")


class Recorder(LightningModule):
    """Trains one weight on each batch's mean, and keeps what it has seen."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen, self.validated = [], [[], [], [], []]

    def training_step(self, batch, batch_idx):
        self.seen.append((batch.index.tolist(), batch.photo.sum().item()))
        return self.layer(batch.photo.mean()[None]).sum()

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.validated[dataloader_idx] += batch.index.tolist()

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        return batch

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(path, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    options = {"max_epochs": 2, "enable_checkpointing": False, **options}
    return Trainer(default_root_dir=path, use_distributed_sampler=False, **quiet, **options)


@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec.*is deprecated",
    "ignore:Be aware that when using `ckpt_path`",
)
class TestWithATrainer:
    @pytest.mark.parametrize("sampling", ["pairs", "classes"])
    def test_resuming_inside_an_epoch(self, root, tmp_path, sampling):
        options = {"sampling": sampling, "per_class": 4, "held_out": 1, "photo_train": "photo_train"}
        torch.manual_seed(0)
        whole = Recorder()
        saver = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=3, save_top_k=-1)
        trainer(tmp_path, callbacks=[saver], enable_checkpointing=True, num_sanity_val_steps=0).fit(
            whole, data(root, **options)
        )
        assert len(whole.seen) == 10
        assert [sorted(set(each)) for each in whole.validated] == [list(range(n)) for n in (10, 10, 10, 10)]
        for step in (3, 6, 9):
            resumed = Recorder()
            trainer(tmp_path).fit(resumed, data(root, **options), ckpt_path=tmp_path / f"step={step}.ckpt")
            assert resumed.seen == whole.seen[step:]
            assert torch.equal(resumed.layer.weight, whole.layer.weight)

    def test_prediction_gives_queries_and_catalogue_as_the_test_does(self, root, tmp_path):
        both = data(root)
        predicted = trainer(tmp_path).predict(Recorder(), both)
        for batches, loader in zip(predicted, both.test_dataloader(), strict=True):
            assert same([ClassificationBatch(*batch) for batch in batches], epoch(loader))

    def test_an_unreadable_image_while_predicting(self, tmp_path):
        fill(tmp_path)
        both = data(tmp_path, num_workers=1)
        broken = tmp_path / "photos" / both.open_evaluations("test")[0].catalogue.name(3)
        broken.write_bytes(b"no image")
        with pytest.raises(ValueError, match=rf"^{broken}: unreadable: .*finds such files before a run"):
            trainer(tmp_path).predict(Recorder(), both)


def test_the_sets_own_settings_are_not_used(tmp_path):
    """What a set draws itself is drawn at the module's size, not at the 224 pixels that are a set's default."""
    both = SketchPhotoData(
        *(Embedded(domain, per_class=2, eval_per_class=1, max_classes=3, seed=9) for domain in ("sketch", "photo")),
        size=16,
        batch_size=4,
        num_workers=0,
    )
    assert both.training.sketches.read(0).size == (18, 18)
    (batch,) = both.train_dataloader()
    assert batch.sketch.shape == (4, 3, 16, 16)
    assert np.isfinite(batch.sketch.numpy()).all()
