"""embeddings.npz: what a retrieval leaves, in which order, with which pictures; and what is left alone."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning import LightningDataModule
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from hybrid_sbir.batch import ClassificationBatch, RetrievalSet
from hybrid_sbir.callbacks import EmbeddingsFile, PredictionsFile, embedding_spool
from hybrid_sbir.callbacks.embedding_spool import Spool, Spooled, write_archive
from hybrid_sbir.callbacks.embeddings import nearest, spread, thumbnail

SIZE = 5


class Pictures(Dataset):
    """Flat pictures whose grey says which they are."""

    def __init__(self, labels, first_grey):
        self.labels, self.first_grey, self.store = np.array(labels), first_grey, self

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return torch.full((1, 4, 4), float(self.first_grey + index)), int(self.labels[index]), index

    def name(self, index):
        return f"{self.first_grey}/{index}.png"

    def read(self, index):
        return Image.new("L", (6, 3), self.first_grey + index)


class Data(LightningDataModule):
    def __init__(self, queries, catalogue):
        super().__init__()
        self.sets = [queries, catalogue]

    def evaluations(self, part):
        return [RetrievalSet(part, ("cat", "dog", "eel"), {"seen": (0, 2), "unseen": (1,)})]

    def predict_dataloader(self):
        def collate(samples):
            image, label, index = zip(*samples, strict=True)
            return ClassificationBatch(torch.stack(image), torch.tensor(label), torch.tensor(index))

        return [DataLoader(part, batch_size=4, collate_fn=collate) for part in self.sets]


class Task(LightningModule):
    """Embeds a picture by its grey, as a direction of its own."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        grey = batch.image[:, 0, 0, 0].long()
        return {"embedding": self.table[grey], "label": batch.label, "index": batch.index}


def table():
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(256, SIZE, generator=generator))


def predict(folder, data, task, *callbacks):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    run = Trainer(accelerator="cpu", default_root_dir=str(folder), callbacks=list(callbacks), **quiet)
    run.predict(task, datamodule=data, return_predictions=False)
    return run


@pytest.fixture
def data():
    return Data(Pictures([0, 0, 1, 2, 2, 2, 0], 0), Pictures([0, 1, 2] * 7, 100))


def test_all_that_a_page_needs(tmp_path, data):
    predict(tmp_path, data, Task(table()), EmbeddingsFile(shown=4, first=3, side=8), PredictionsFile())
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings.npz"]
    with np.load(tmp_path / "embeddings.npz") as file:
        saved = dict(file)
    assert saved["classes"].tolist() == ["cat", "dog", "eel"]
    assert (saved["group_seen"].tolist(), saved["group_unseen"].tolist()) == ([0, 2], [1])
    for role, start, dataset in (("query", 0, data.sets[0]), ("catalogue", 100, data.sets[1])):
        rows = slice(start, start + len(dataset))
        assert np.array_equal(saved[f"{role}_embedding"], table()[rows].numpy())
        assert saved[f"{role}_label"].tolist() == dataset.labels.tolist()
        assert saved[f"{role}_index"].tolist() == list(range(len(dataset)))
        assert saved[f"{role}_name"].tolist() == [dataset.name(index) for index in range(len(dataset))]
    assert saved["shown"].tolist() == [0, 1, 2, 3]  # one of each class, then a second of the first
    cosines = table()[:4] @ table()[100:121].T
    assert saved["first"].tolist() == cosines.argsort(dim=1, descending=True)[:, :3].tolist()
    pictures = dict(
        zip(zip(saved["thumbnail_role"], saved["thumbnail_row"], strict=True), saved["thumbnails"], strict=True)
    )
    assert pictures.keys() == {(0, row) for row in range(4)} | {(1, row) for row in saved["first"].flatten()}
    for (role, row), picture in pictures.items():
        assert picture.shape == (8, 8, 3)
        assert (picture[4] == 100 * role + row).all()
        assert (picture[0] == 255).all()


def test_a_classification_is_left_alone(tmp_path):
    class Classifier(LightningModule):
        def predict_step(self, batch, batch_idx):
            probabilities = torch.full((len(batch.index), 3), 1 / 3)
            return {"index": batch.index, "label": batch.label, "probabilities": probabilities}

    class OneLoader(Data):
        def predict_dataloader(self):
            return super().predict_dataloader()[0]

    part = Pictures([0, 1, 2, 0, 1], 0)
    predict(tmp_path, OneLoader(part, part), Classifier(), EmbeddingsFile(), PredictionsFile())
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.npz"]


def test_data_without_a_store_gives_a_file_without_pictures(tmp_path, data):
    for part in data.sets:
        del part.store
    with pytest.warns(UserWarning, match=r"cannot be read again by index: embeddings\.npz is without pictures"):
        predict(tmp_path, data, Task(table()), EmbeddingsFile(shown=4))
    with np.load(tmp_path / "embeddings.npz") as saved:
        assert saved["thumbnails"].shape == (0, 128, 128, 3)
        assert saved["shown"].tolist() == [0, 1, 2, 3]
        assert saved["query_name"][3] == "sample 3"


def test_data_that_names_nothing_has_numbers_for_classes(tmp_path, data, monkeypatch):
    monkeypatch.delattr(Data, "evaluations")
    predict(tmp_path, data, Task(table()), EmbeddingsFile(shown=1))
    with np.load(tmp_path / "embeddings.npz") as saved:
        assert saved["classes"].tolist() == ["class 0", "class 1", "class 2"]


def test_what_is_no_number_is_like_nothing(tmp_path, data):
    broken = table()
    broken[0], broken[105] = torch.nan, torch.inf
    predict(tmp_path, data, Task(broken), EmbeddingsFile(shown=2, first=21))
    with np.load(tmp_path / "embeddings.npz") as saved:
        assert saved["first"][0].tolist() == list(range(21))
        assert np.isnan(saved["query_embedding"][0]).all()
        others = (table()[saved["shown"][1]] @ table()[100:121].T).tolist()
        others[5] = 0
        assert saved["first"][1].tolist() == sorted(range(21), key=lambda row: -others[row])


def test_a_run_that_breaks_off_leaves_the_older_file_and_nothing_beside_it(tmp_path, data):
    (tmp_path / "embeddings.npz").write_text("older")

    class Broken(Task):
        def predict_step(self, batch, batch_idx, dataloader_idx=0):
            if dataloader_idx and batch_idx == 2:
                assert list(tmp_path.glob(".embeddings*")), "parts are on the side while the run goes on"
                raise RuntimeError("broken off")
            return super().predict_step(batch, batch_idx, dataloader_idx)

    with pytest.raises(RuntimeError, match="broken off"):
        predict(tmp_path, data, Broken(table()), EmbeddingsFile())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"embeddings.npz": "older"}


def test_memory_does_not_hold_the_embeddings(tmp_path, data):
    """What the callback keeps between batches is a path and a count."""
    callback = EmbeddingsFile()
    callback.on_predict_epoch_start(
        SimpleNamespace(predict_dataloaders=[0, 1], default_root_dir=str(tmp_path), global_rank=0), None
    )
    outputs = {"embedding": torch.randn(1000, 64), "label": torch.zeros(1000).long(), "index": torch.arange(1000)}
    callback.on_predict_batch_end(None, None, outputs, None, 0, 1)
    kept = [value for spool in callback._spools.values() for value in vars(spool).values()]
    assert not [value for value in kept if isinstance(value, np.ndarray | torch.Tensor | list)]
    assert callback._spools[1].path.stat().st_size == 1000 * (16 + 64 * 4)


class TestSpool:
    def parts(self, folder, *indices):
        for number, index in enumerate(indices):
            index = torch.tensor(index)
            spool = Spool(folder / f"{number}.part")
            for some in index.split(2):
                spool.add({"embedding": table()[some], "label": some % 3, "index": some})
            yield spool.path

    def test_processes_come_together_in_order_and_once(self, tmp_path):
        found = Spooled([*self.parts(tmp_path, [0, 2, 4, 6], [5, 3, 1, 0])], SIZE)
        assert found.index.tolist() == list(range(7))
        assert found.label.tolist() == [index % 3 for index in range(7)]
        assert np.array_equal(found.embeddings(slice(None)), table()[:7].numpy())
        assert np.array_equal(found.embeddings(np.array([5, 0])), table()[[5, 0]].numpy())

    @pytest.mark.parametrize("rows", [1, 3, 100])
    def test_an_archive_in_pieces_is_what_numpy_would_write(self, rows, tmp_path, monkeypatch):
        monkeypatch.setattr(embedding_spool, "_ROWS", rows)
        found = Spooled([*self.parts(tmp_path, [0, 2, 4, 6], [5, 3, 1])], SIZE)
        write_archive(tmp_path / "all.npz", {"label": found.label}, {"embedding": found})
        with np.load(tmp_path / "all.npz") as saved:
            assert np.array_equal(saved["embedding"], table()[:7].numpy())
            assert np.array_equal(saved["label"], found.label)

    def test_a_full_disk_leaves_the_older_file(self, tmp_path, monkeypatch):
        (tmp_path / "all.npz").write_text("older")
        found = Spooled([*self.parts(tmp_path, [0, 1])], SIZE)

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(embedding_spool.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_archive(tmp_path / "all.npz", {}, {"embedding": found})
        assert sorted(path.name for path in tmp_path.iterdir()) == ["0.part", "all.npz"]
        assert (tmp_path / "all.npz").read_text() == "older"

    @pytest.mark.parametrize("rows", [1, 4, 100])
    def test_pieces_leave_no_trace_in_what_is_nearest(self, rows, tmp_path, monkeypatch):
        found = Spooled([*self.parts(tmp_path, list(range(9)) * 3)], SIZE)
        expected = nearest(table()[20:22].numpy(), found, 4)
        monkeypatch.setattr(embedding_spool, "_ROWS", rows)
        assert np.array_equal(nearest(table()[20:22].numpy(), found, 4), expected)


@pytest.mark.parametrize(
    ("labels", "most", "expected"),
    [
        ([0, 0, 0, 1, 1, 2], 3, [0, 3, 5]),
        ([0, 0, 0, 1, 1, 2], 5, [0, 1, 3, 4, 5]),
        ([0, 0, 0, 1, 1, 2], 99, [0, 1, 2, 3, 4, 5]),
        ([2, 1, 0, 4, 3, 0], 3, [0, 2, 3]),
        ([7, 7], 1, [0]),
        ([], 4, []),
    ],
)
def test_queries_are_spread_over_the_classes(labels, most, expected):
    assert spread(np.array(labels, np.int64), most).tolist() == expected


def test_nothing_of_a_picture_is_cut_off():
    wide = Image.new("RGB", (40, 10), (200, 30, 60))
    found = thumbnail(wide, 20)
    assert found.shape == (20, 20, 3)
    assert (found[8:12] == (200, 30, 60)).all()
    assert (found[:6] == 255).all()
    buffer = io.BytesIO()
    Image.fromarray(found).save(buffer, "PNG")
    assert thumbnail(Image.new("L", (3, 3), 9), 20).min() == thumbnail(Image.new("L", (3, 3), 9), 20).max() == 9
