"""Data modules from the front door: parts, classes, shards, and a trainer that resumes inside an epoch."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image

from hybrid_sbir.data.datamodule import MissingClassWarning
from hybrid_sbir.data.datamodules import Embedded, Folder, ListFiles
from hybrid_sbir.data.images import ImageProblem
from hybrid_sbir.data.listfile import write_list, write_mapping

SMALL = {"size": 16, "batch_size": 4, "num_workers": 0}


def fill(root, counts, side=20):
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (side, side + i % 3), dtype=np.uint8)).save(
                root / name / f"{i:03}.png"
            )
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("data") / "mine", {"bee": 10, "ant": 10, "cat": 12})


def indices(loader):
    return [index for batch in loader for index in batch.index.tolist()]


class TestFolder:
    def test_classes_are_known_before_anything_is_read(self, folder):
        data = Folder(str(folder), channels=3, **SMALL)
        assert (data.num_classes, data.channels, data.classes) == (3, 3, ("ant", "bee", "cat"))

    def test_parts_are_disjoint_and_stratified(self, folder):
        data = Folder(str(folder), **SMALL)
        data.setup("fit")
        train, val = data.part("train"), data.part("val")
        names = [{part.name(i) for i in range(len(part))} for part in (train, val)]
        assert not names[0] & names[1]
        assert len(names[0] | names[1]) == 32
        assert np.bincount(val.labels).tolist() == [2, 2, 2]

    def test_batches(self, folder):
        data = Folder(str(folder), **SMALL)
        data.setup("fit")
        batch = next(iter(data.train_dataloader()))
        assert (batch.image.shape, batch.label.shape) == ((4, 1, 16, 16), (4,))
        assert len(data.train_dataloader()) == 6, "26 training samples, the partial batch left out"
        assert indices(data.val_dataloader()) == list(range(6))

    def test_parts_given_as_folders(self, tmp_path):
        for part, count in (("train", 5), ("val", 3)):
            fill(tmp_path / part, {"x": count, "y": count})
        data = Folder(str(tmp_path), **SMALL)
        assert (len(data.part("train")), len(data.part("val")), len(data.part("test"))) == (10, 6, 6)
        fill(tmp_path / "test", {"x": 1, "y": 1})
        assert len(Folder(str(tmp_path), **SMALL).part("test")) == 2

    def test_a_class_may_be_called_train(self, tmp_path):
        fill(tmp_path, {"train": 5, "bus": 5})
        assert Folder(str(tmp_path), **SMALL).classes == ("bus", "train")

    def test_choosing_classes_renumbers_them(self, folder):
        data = Folder(str(folder), classes=["cat", "ant"], **SMALL)
        data.setup("fit")
        assert data.num_classes == 2
        val = data.part("val")
        assert {(val.name(i).split("/")[0], int(val.labels[i])) for i in range(len(val))} == {("cat", 0), ("ant", 1)}
        assert Folder(str(folder), max_classes=2, **SMALL).classes == ("ant", "bee")

    def test_the_fingerprint_tells_classes_splits_and_files_apart(self, folder, tmp_path):
        same = {Folder(str(folder), seed=seed, **SMALL).fingerprint for seed in (0, 1)}
        others = [
            Folder(str(folder), max_classes=2, **SMALL),
            Folder(str(folder), classes=["bee", "ant", "cat"], **SMALL),
            Folder(str(folder), split_seed=1, **SMALL),
            Folder(str(folder), split="kfold5_1", **SMALL),
            Folder(str(fill(tmp_path / "other", {"bee": 10, "ant": 10, "cat": 11})), **SMALL),
        ]
        assert len(same) == 1
        assert len(same | {data.fingerprint for data in others}) == 6

    def test_refusals(self, folder, tmp_path):
        with pytest.raises(
            ValueError, match="unknown split 'half'; known: random80, stratified80, kfold5_0 to kfold5_4"
        ):
            Folder(str(folder), split="half")
        with pytest.raises(
            FileNotFoundError, match=r"no folder .*; expected a folder with one folder of images a class"
        ):
            Folder(str(tmp_path / "absent"))
        with pytest.raises(FileNotFoundError, match="has no class folders"):
            Folder(str(tmp_path))
        with pytest.raises(ValueError, match=r"out of 3 \(ant, bee, cat...\); unknown: dog, repeated: 0"):
            Folder(str(folder), classes=["dog"])
        with pytest.raises(ValueError, match="augment_on must be 'host' or 'device', got 'gpu'"):
            Folder(str(folder), augment_on="gpu")
        with pytest.raises(ValueError, match="split_seed must not be negative, got -1"):
            Folder(str(folder), split_seed=-1)
        for side in (-5, 0):
            with pytest.raises(ValueError, match=f"pack_side must be a positive number of pixels, got {side}"):
                Folder(str(folder), pack_side=side)
        with pytest.raises(ValueError, match="max_classes must be from 2 to the 3 classes here, got 4"):
            Folder(str(folder), max_classes=4)
        with pytest.raises(ValueError, match="batch_size must be positive, num_workers not negative; got 0, 2"):
            Folder(str(folder), batch_size=0)
        with pytest.raises(
            ValueError, match=r"26 training samples give 1 process.* no full batch of 64; lower the batch size"
        ):
            Folder(str(folder)).train_dataloader()
        (tmp_path / "empty").mkdir()
        fill(tmp_path, {"full": 3})
        with pytest.raises(
            FileNotFoundError, match=r"no images of 1 of the 2 classes under .*: empty; looked for \.png"
        ):
            Folder(str(tmp_path)).part("train")

    def test_a_class_missing_from_one_part(self, tmp_path):
        fill(tmp_path, {"many": 8, "single": 1})
        with pytest.warns(MissingClassWarning, match="1 of 2 classes have no validation sample: single"):
            Folder(str(tmp_path), **SMALL).setup("fit")

    @pytest.mark.parametrize("stage", ["fit", "validate"])
    def test_an_empty_validation_part_is_refused(self, tmp_path, stage):
        fill(tmp_path, {"one": 1, "two": 1})
        with pytest.raises(ValueError, match=r"the validation part has no sample at all, .* 2 classes; add samples"):
            Folder(str(tmp_path), **SMALL).setup(stage)


class TestListFiles:
    @pytest.fixture
    def lists(self, folder, tmp_path):
        write_mapping(tmp_path / "mapping.txt", ["ant", "bee"])
        for part, numbers in (("train", range(8)), ("val", range(8, 10))):
            paths = [f"/somewhere/else/{name}/{i:03}.png" for name in ("ant", "bee") for i in numbers]
            write_list(tmp_path / f"{part}.txt", paths, [0] * len(numbers) + [1] * len(numbers))
        files = {name: str(tmp_path / f"{name}.txt") for name in ("train", "val", "mapping")}
        return {**files, "root": str(folder)}

    def test_lists_with_another_root(self, lists):
        data = ListFiles(**lists, **SMALL)
        data.setup("fit")
        assert (data.num_classes, len(data.part("train")), len(data.part("val"))) == (2, 16, 4)
        assert [batch.label.tolist() for batch in data.val_dataloader()] == [[0, 0, 1, 1]]

    def test_a_class_without_any_sample(self, lists, tmp_path):
        write_mapping(tmp_path / "mapping.txt", ["ant", "bee", "cat"])
        with pytest.raises(ValueError, match="1 of 3 classes have no sample at all: cat; add samples, or leave"):
            ListFiles(**lists, **SMALL).setup("fit")
        ListFiles(**lists, **SMALL, classes=["ant", "bee"]).setup("fit")

    def test_a_validation_class_without_training_samples(self, lists, tmp_path):
        write_list(tmp_path / "train.txt", [f"ant/{i:03}.png" for i in range(8)], [0] * 8)
        with pytest.raises(
            ValueError, match="1 classes of the validation part have no training sample: bee; add samples"
        ):
            ListFiles(**lists, **SMALL).setup("fit")


class TestEmbedded:
    def test_sketches_and_photos(self):
        for domain, channels in (("sketch", 1), ("photo", 3)):
            data = Embedded(domain, per_class=2, eval_per_class=1, channels=channels, max_classes=4, **SMALL)
            data.setup("fit")
            batch = next(iter(data.train_dataloader()))
            assert (data.num_classes, batch.image.shape) == (4, (4, channels, 16, 16))
            assert (len(data.part("train")), len(data.part("val")), len(data.part("test"))) == (8, 4, 4)
            assert data.part("val").read(0).size == (18, 18)

    def test_parts_and_seeds_are_different_pictures(self):
        one, other = (
            Embedded(per_class=1, eval_per_class=1, max_classes=2, data_seed=seed, **SMALL) for seed in (0, 1)
        )
        pictures = {data.part(part).read(0).tobytes() for data in (one, other) for part in ("train", "val", "test")}
        assert len(pictures) == 6
        assert one.fingerprint != other.fingerprint


class Recorder(LightningModule):
    """A linear classifier that notes what it sees."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(256, 3)
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch_idx, batch.index.tolist(), batch.image.double().sum().item()))
        return torch.nn.functional.cross_entropy(self.layer(batch.image.flatten(1)), batch.label)

    def validation_step(self, batch, batch_idx):
        pass

    def predict_step(self, batch, batch_idx):
        return batch.index

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer(path, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    options = {"max_epochs": 3, "enable_checkpointing": False, **options}
    return Trainer(default_root_dir=path, use_distributed_sampler=False, **quiet, **options)


@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec.*is deprecated",
    "ignore:Be aware that when using `ckpt_path`",
)
class TestWithATrainer:
    @pytest.mark.parametrize("workers", [0, 2])
    def test_resuming_inside_an_epoch_repeats_and_skips_nothing(self, folder, tmp_path, workers):
        options = {**SMALL, "num_workers": workers}
        torch.manual_seed(0)
        whole = Recorder()
        saver = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=4, save_top_k=-1)
        trainer(tmp_path, callbacks=[saver], enable_checkpointing=True).fit(whole, Folder(str(folder), **options))
        assert len(whole.seen) == 18
        for step in (4, 8, 12, 16):  # 12 is the end of an epoch
            resumed = Recorder()
            trainer(tmp_path).fit(resumed, Folder(str(folder), **options), ckpt_path=tmp_path / f"step={step}.ckpt")
            assert resumed.seen == whole.seen[step:]
            assert torch.equal(resumed.layer.weight, whole.layer.weight)

    def test_resuming_after_a_limited_epoch_starts_the_next_one(self, folder, tmp_path):
        whole, resumed = Recorder(), Recorder()
        saver = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
        limit = {"limit_train_batches": 3, "max_epochs": 2}
        trainer(tmp_path, callbacks=[saver], enable_checkpointing=True, **limit).fit(
            whole, Folder(str(folder), **SMALL)
        )
        trainer(tmp_path, **limit).fit(resumed, Folder(str(folder), **SMALL), ckpt_path=tmp_path / "epoch=0.ckpt")
        assert resumed.seen == whole.seen[3:]

    def test_augmenting_on_the_device_gives_the_hosts_batches(self, folder, tmp_path):
        seen = []
        for place in ("host", "device"):
            recorder = Recorder()
            data = Folder(str(folder), augment_on=place, **SMALL)
            trainer(tmp_path, max_epochs=1).fit(recorder, data)
            seen.append(recorder.seen)
            batches = trainer(tmp_path).predict(recorder, data)
            assert torch.cat(batches).tolist() == list(range(6))
        for host, device in zip(*seen, strict=True):
            assert host[:3] == device[:3]
            assert host[3] == pytest.approx(device[3], abs=4 * 256 * 0.01)

    @pytest.mark.parametrize("verb", ["fit", "predict"])
    @pytest.mark.parametrize("place", ["host", "device"])
    def test_an_unreadable_image_is_told_in_one_sentence(self, tmp_path, verb, place):
        fill(tmp_path / "data", {"ant": 10, "bee": 10})
        data = Folder(str(tmp_path / "data"), augment_on=place, **{**SMALL, "num_workers": 1})
        part = data.part("val" if verb == "predict" else "train")
        broken = tmp_path / "data" / part.name(0)
        broken.write_bytes(b"no image")
        with pytest.raises(ImageProblem, match=rf"^{broken}: unreadable: .*; 'hybrid-sbir data prepare folder' finds"):
            getattr(trainer(tmp_path, max_epochs=1), verb)(Recorder(), data)

    def test_prediction_gives_each_sample_once_in_order(self, folder, tmp_path):
        batches = trainer(tmp_path).predict(Recorder(), Folder(str(folder), **SMALL))
        assert torch.cat(batches).tolist() == list(range(6))


def test_an_overlay_for_more_devices_leaves_the_batch_size_to_the_experiment():
    overlay = yaml.safe_load((Path(__file__).parents[2] / "experiments/overlays/dual_gpu.yaml").read_text())
    assert overlay["trainer"]["devices"] == 2
    assert "data" not in overlay


@pytest.mark.parametrize("world_size", [2, 3, 8])
def test_processes_share_out_samples(folder, world_size):
    class FakeTrainer:
        def __init__(self, rank):
            self.global_rank, self.world_size = rank, world_size

    loaders = []
    for rank in range(world_size):
        data = Folder(str(folder), **{**SMALL, "batch_size": 1})
        data.trainer = FakeTrainer(rank)
        loaders.append((data.train_dataloader(), data.val_dataloader()))
    assert len({len(train) for train, _ in loaders}) == 1
    assert sorted(index for _, val in loaders for index in indices(val)) == list(range(6))
    seen = [index for train, _ in loaders for index in indices(train)]
    assert len(set(seen)) == len(seen) == 26 // world_size * world_size
