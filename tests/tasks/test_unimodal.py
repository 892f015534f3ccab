"""Retrieval with a trained classifier's features: what an image is described by, and what is said of the scores."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer

from hybrid_sbir.data.datamodules import Folder, UnimodalData
from hybrid_sbir.metrics import ranking_metrics
from hybrid_sbir.tasks import UnimodalRetrieval
from tests.data.test_datamodules import fill
from tests.tasks.test_trained_classifier import small, write_run

GENERATOR = torch.Generator().manual_seed(0)
IMAGE = torch.randn(3, 1, 24, 24, generator=GENERATOR)


@pytest.fixture
def checkpoint(tmp_path):
    return write_run(small(), tmp_path / "run/checkpoints/best.ckpt", ("ant", "bee", "cow", "fox"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = fill(tmp_path_factory.mktemp("data") / "mine", {"ant": 12, "bee": 12, "cat": 12, "dog": 12, "eel": 12})
    options = {"held_out": ["cat", "dog", "eel"], "queries_per_class": 3, "catalogue_per_class": 9}
    return UnimodalData(Folder(str(folder)), **options, size=16, batch_size=4, num_workers=0)


def trainer(tmp_path):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(
        accelerator="cpu", use_distributed_sampler=False, default_root_dir=str(tmp_path), barebones=False, **quiet
    )


def test_an_image_is_described_by_its_pooled_features(checkpoint):
    task = UnimodalRetrieval(str(checkpoint.parents[1])).eval()
    features = small().eval().features(IMAGE)
    assert torch.allclose(task(IMAGE), F.normalize(features), atol=1e-6)
    assert task.embedding_size == features.shape[1] == 64
    assert task.trained_on == ("ant", "bee", "cow", "fox")
    assert not [name for name, parameter in task.named_parameters() if parameter.requires_grad]


def test_views_are_added_up(checkpoint):
    task = UnimodalRetrieval(str(checkpoint), scales=(1.0, 0.5), mirror=True).eval()
    model = small().eval()
    half = F.interpolate(IMAGE, (12, 12), mode="bilinear", antialias=True)
    views = [IMAGE, IMAGE.flip(3), half, half.flip(3)]
    expected = F.normalize(sum(F.normalize(model.features(view)) for view in views))
    assert torch.allclose(task(IMAGE), expected, atol=1e-6)


def test_a_view_smaller_than_the_network_takes_is_padded(checkpoint):
    task = UnimodalRetrieval(str(checkpoint), scales=(1.0, 0.1)).eval()
    assert small().backbone.smallest_input > 2
    assert task(IMAGE).isfinite().all()


def test_scores_and_details_are_those_of_the_embeddings(checkpoint, data, tmp_path):
    task, run = UnimodalRetrieval(str(checkpoint)), trainer(tmp_path)
    run.test(task, data, verbose=False)
    embedded = run.predict(task, data)
    queries, catalogue = ({k: torch.cat([part[k] for part in one]) for k in one[0]} for one in embedded)
    assert torch.allclose(queries["embedding"].norm(dim=1), torch.ones(9))
    found = ranking_metrics(queries["embedding"], catalogue["embedding"], queries["label"], catalogue["label"])
    run.test(task, data, verbose=False)
    logged = {name: float(value) for name, value in run.callback_metrics.items()}
    means = found.mean()
    assert logged == {"test/map": means["ap"], "test/mrr": means["rr"], "test/p10": means["p@10"]}
    said = task.details["test"]
    assert (said["queries"], said["catalogue"]) == (9, 27)
    assert said["per_class"].keys() == {"cat", "dog", "eel"}
    assert said["per_class"]["cat"] == {
        "queries": 3,
        **dict(zip(("map", "mrr", "p10"), found.per_class()[0].values(), strict=True)),
    }
    assert said["macro"]["map"] == pytest.approx(found.macro()["ap"])
    assert said["remarks"] == []
    run.validate(task, data, verbose=False)
    assert float(run.callback_metrics["val/map"]) == means["ap"]


def test_classes_that_were_trained_on_are_named(tmp_path, data):
    path = write_run(small(), tmp_path / "best.ckpt", ("cat", "eel", "cow", "fox"))
    task = UnimodalRetrieval(str(path), mirror=True)
    with pytest.warns(UserWarning, match=r"2 of the 3 classes were trained on \(cat, eel\)"):
        trainer(tmp_path).test(task, data, verbose=False)
    remarks = " ".join(task.details["test"]["remarks"])
    assert "this is no retrieval of unseen classes" in remarks
    assert "descriptors of several views: scales 1, mirrored" in remarks


def test_an_embedding_does_not_depend_on_the_rest_of_its_batch(checkpoint, data, tmp_path):
    task, run = UnimodalRetrieval(str(checkpoint)), trainer(tmp_path)
    first = run.predict(task, data)[0]
    alone = [part["embedding"] for part in first]
    assert [len(part) for part in alone] == [4, 4, 1]
    task.trainer = SimpleNamespace(datamodule=data, state=run.state)
    batch = [*data.test_dataloader()[0]][2]
    with torch.no_grad():
        assert torch.equal(task.eval().predict_step(batch, 0)["embedding"], alone[2])


def test_torchvisions_features_are_a_baseline(tmp_path):
    from torchvision import models

    torch.manual_seed(0)
    model = models.resnet18(weights=None).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    task = UnimodalRetrieval(str(tmp_path / "weights.pth"), torchvision="resnet18").eval()
    image = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    model.fc = torch.nn.Identity()
    assert torch.allclose(task(image), F.normalize(model(image)), atol=1e-6)
    assert task.embedding_size == 512


def test_mistakes_are_refused_in_words(checkpoint, tmp_path):
    with pytest.raises(ValueError, match=r"needs a trained classifier .*init_from.* or a model of torchvision"):
        UnimodalRetrieval()
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        UnimodalRetrieval(str(tmp_path / "nowhere"))
    fill(tmp_path / "mine", {"a": 5, "b": 5})
    with pytest.raises(ValueError, match="Folder has no queries and no catalogue; give retrieval data"):
        trainer(tmp_path).test(UnimodalRetrieval(str(checkpoint)), Folder(str(tmp_path / "mine"), size=16))
