"""What both stages share: which tensors a step moves, the loss by hand, resuming, several views, several processes."""

import math
import multiprocessing
import os
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch.utils.data import DataLoader

from hybrid_sbir.batch import ClassificationBatch, PairBatch, RetrievalSet, TripletBatch
from hybrid_sbir.losses import BoundedWeights, ContrastiveLoss, HardNegativeContrastiveLoss, TripletLoss
from hybrid_sbir.models import StageSpec
from hybrid_sbir.tasks import ClassificationTask, ContrastiveTask, TripletTask
from tests.experiment_files import built, tiny_recipe
from tests.tasks.two_branch_steps import fit, moved, private, snapshot, statistics, trainer
from tests.two_domains import draw

STAGES = [StageSpec("resnet", 32, 1), StageSpec("san", 32, 1, "patchwise", 3)]
NORM_COUNTERS = "num_batches_tracked"


def small(kind=ContrastiveTask, classes=4, **options):
    torch.manual_seed(0)
    options = {"backbone": STAGES, "stem": "tiny", "shared_stages": 1, "embedding_size": 8} | options
    return kind(num_classes=classes, **options)


def sgd(rate=0.1):
    return lambda parameters: torch.optim.SGD(parameters, lr=rate)


def pairs(count=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sketch, photo = torch.randn(2, count, 3, 16, 16, generator=generator)
    label = torch.arange(count) % 4
    return PairBatch(sketch, photo, label, label.roll(1), torch.arange(count))


def triplets(count=4):
    batch, label = pairs(count), torch.arange(count) % 4
    return TripletBatch(batch.sketch, batch.photo, batch.photo.flip(0), label, (label + 1) % 4, batch.index)


class Data(LightningDataModule):
    """Batches and retrieval sets as given."""

    classes = tuple("abcd")
    fingerprint = "a" * 64

    def __init__(self, train=(), queries=(), photos=(), batch_size=8):
        super().__init__()
        self.train, self.evaluated, self.batch_size = list(train), [list(queries), list(photos)], batch_size

    def evaluations(self, part):
        return [RetrievalSet(part, self.classes, {"first": (0, 1), "rest": (2, 3)})]

    def loader(self, batches):
        return DataLoader(batches, batch_size=None)

    def train_dataloader(self):
        return self.loader(self.train)

    def val_dataloader(self):
        return [self.loader(batches) for batches in self.evaluated]

    test_dataloader = predict_dataloader = val_dataloader


def as_if(task, fitting=True, epoch=0, max_epochs=10, data=None, world_size=1):
    """Put a task where its trainer would have it."""
    state = SimpleNamespace(fn=TrainerFn.FITTING if fitting else TrainerFn.TESTING)
    task.trainer = SimpleNamespace(
        state=state, current_epoch=epoch, max_epochs=max_epochs, max_steps=-1, world_size=world_size,
        datamodule=data or Data(train=[None, None]), limit_train_batches=1.0, accumulate_grad_batches=1,
        callback_metrics={},
    )  # fmt: skip
    return task


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("domains"))


class TestWhatAStepMoves:
    """Of both recipes, as the command line builds them. Averages of weights have a test of their own."""

    @pytest.fixture
    def after(self, root):
        def run(recipe, stage):
            task, data, _ = built(tiny_recipe(recipe, stage, root))
            before = snapshot(task)
            fit(task, data)
            return task, moved(task, before)

        return run

    def test_stage_2_as_published_moves_frozen_statistics_too(self, after):
        task, changed = after("thesis", "contrastive")
        frozen = private(task) - statistics(task)
        assert frozen
        assert changed == set(task.model.state_dict()) - frozen
        assert not [n for n, p in task.model.named_parameters() if p.requires_grad == (n in frozen)]

    def test_stage_2_leaves_all_that_is_frozen_alone(self, after):
        task, changed = after("modern", "contrastive")
        assert private(task) & statistics(task)
        assert changed == set(task.model.state_dict()) - private(task)

    def test_stage_3_as_published_moves_statistics_only(self, after):
        task, changed = after("thesis", "triplet")
        assert changed == statistics(task)

    def test_stage_3_moves_everything(self, after):
        task, changed = after("modern", "triplet")
        assert changed == set(task.model.state_dict())


class TestTheLoss:
    @pytest.mark.parametrize("shared_norm", ["separate", "joint", "domain"])
    def test_of_pairs(self, shared_norm):
        weights = BoundedWeights(metric=2.0, classification=0.5)
        task = as_if(small(loss=ContrastiveLoss(0.7), weights=weights, shared_norm=shared_norm).eval())
        batch = pairs()
        sketch, photo = task.model(batch.sketch, batch.photo)
        squared = (F.normalize(sketch.embedding) - F.normalize(photo.embedding)).square().sum(1)
        metric = torch.where(batch.sketch_label == batch.photo_label, squared, (0.7 - squared).clamp(min=0)).mean() / 2
        wrong = torch.full((8, 4), 0.1 / 3)
        entropies = [
            -(wrong.scatter(1, label[:, None], 0.9) * each.logits.log_softmax(1)).sum(1).mean()
            for each, label in ((sketch, batch.sketch_label), (photo, batch.photo_label))
        ]
        expected = 2 * metric + 0.5 * sum(entropies) / 2
        assert task.training_step(batch, 0).item() == pytest.approx(expected.item(), rel=1e-5)

    def test_of_triplets(self):
        task = as_if(small(TripletTask, loss=TripletLoss(0.7, squared=False), label_smoothing=0.0).eval())
        batch = triplets()
        sketch, positive = task.model(batch.sketch, batch.positive)
        negative = task.model.embed(batch.negative, "photo")
        s, p, n = (F.normalize(each.embedding) for each in (sketch, positive, negative))
        metric = (0.7 + (s - p).norm(dim=1) - (s - n).norm(dim=1)).clamp(min=0).mean()
        ce = F.cross_entropy
        both = (ce(positive.logits, batch.label) + ce(negative.logits, batch.negative_label)) / 2
        expected = metric + (ce(sketch.logits, batch.label) + both) / 2
        assert task.training_step(batch, 0).item() == pytest.approx(expected.item(), rel=1e-5)

    def test_of_triplets_by_a_loss_of_labels(self):
        """Positives and negatives are stacked: a catalogue of twice as many photos as sketches."""
        seen = {}

        class Look(torch.nn.Module):
            def forward(self, sketch, photo, sketch_label, photo_label):
                seen.update(sizes=(len(sketch), len(photo)), labels=(sketch_label.tolist(), photo_label.tolist()))
                return sketch.sum()

        as_if(small(TripletTask, loss=Look())).training_step(triplets(), 0)
        assert seen == {"sizes": (4, 8), "labels": ([0, 1, 2, 3], [0, 1, 2, 3, 1, 2, 3, 0])}

    def test_triplet_loss_of_pairs_is_refused(self):
        task = as_if(small(loss=TripletLoss()))
        with pytest.raises(ValueError, match=r"TripletLoss takes triplets; set data\.init_args\.sampling: triplets"):
            task.training_step(pairs(), 0)

    def test_a_loss_of_rows_refuses_triplets(self):
        task = as_if(small(TripletTask, loss=HardNegativeContrastiveLoss()))
        with pytest.raises(ValueError, match=r"HardNegativeContrastiveLoss takes pairs; set .*sampling: pairs"):
            task.training_step(triplets(), 0)

    def test_weights_follow_the_epoch(self):
        class Weights:
            def __call__(self, epoch, max_epochs):
                return SimpleNamespace(metric=float(epoch), classification=100.0 * max_epochs)

        class One(torch.nn.Module):
            def forward(self, sketch, photo, sketch_label, photo_label):
                return sketch.sum() * 0 + 1

        found = [
            as_if(small(loss=One(), weights=Weights()).eval(), epoch=epoch).training_step(pairs(), 0).item()
            for epoch in (0, 7)
        ]
        assert found[1] - found[0] == pytest.approx(7, abs=1e-2)

    @pytest.mark.parametrize("classes", [0, 1])
    def test_one_class_is_refused(self, classes):
        with pytest.raises(ValueError, match=f"num_classes is {classes}; retrieval by class needs 2 or more"):
            small(classes=classes)


class TestResuming:
    def saved(self, task):
        checkpoint = {"lr_schedulers": []}
        task.on_save_checkpoint(checkpoint)
        return checkpoint

    def test_itself(self):
        task = as_if(small())
        task.on_load_checkpoint(self.saved(task))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"shared_stages": 2}, "another pair of branches: shared_stages is 1 there and 2 here"),
            ({"shared_norm": "joint"}, 'another pair of branches: shared_norm is "domain" there and "joint" here'),
            ({"head": "published"}, 'another head: kind is "neck" there and "published" here'),
            ({"embedding_size": 9}, "another head: embedding_size is 8 there and 9 here"),
            ({"activation": "post"}, 'another backbone: activation is "pre" there and "post" here'),
            ({"classes": 5}, "tells 4 classes apart, but the data has 5"),
        ],
    )
    @pytest.mark.parametrize("fitting", [True, False])
    def test_another_model(self, options, words, fitting):
        checkpoint, other = self.saved(as_if(small())), as_if(small(**options), fitting=fitting)
        with pytest.raises(ValueError, match=words):
            other.on_load_checkpoint(checkpoint)

    def test_a_model_of_another_kind(self):
        stage1 = ClassificationTask(4, 3, backbone=STAGES, stem="tiny")
        stage1.trainer = SimpleNamespace(datamodule=Data())
        checkpoint = {}
        stage1.on_save_checkpoint(checkpoint)
        with pytest.raises(ValueError, match=r"holds a classifier model, this task trains a two_branch model"):
            as_if(small()).on_load_checkpoint(checkpoint)
        stage1.trainer.state = SimpleNamespace(fn=TrainerFn.FITTING)
        with pytest.raises(ValueError, match=r"holds a two_branch model, this task trains a classifier model"):
            stage1.on_load_checkpoint(self.saved(as_if(small())))

    def test_other_classes(self):
        other = Data()
        other.classes = tuple("abce")
        with pytest.raises(ValueError, match="missing in the data: d; new in the data: e"):
            as_if(small(), data=other).on_load_checkpoint(self.saved(as_if(small())))

    def test_other_data_with_which_to_go_on(self):
        checkpoint, other = self.saved(as_if(small())), Data()
        other.fingerprint = "b" * 64
        with pytest.raises(ValueError, match="fingerprint aaaaaaaaaaaa, these have bbbbbbbbbbbb"):
            as_if(small(), data=other).on_load_checkpoint(checkpoint)
        as_if(small(), data=other, fitting=False).on_load_checkpoint(checkpoint)  # to evaluate on them is fine

    @pytest.mark.parametrize("schedule", ["cosine", "warmup_cosine"])
    def test_another_length(self, schedule):
        task = as_if(small(lr_scheduler=schedule))
        checkpoint, built_ = self.saved(task), task.configure_optimizers()["lr_scheduler"]
        scheduler = built_["scheduler"] if isinstance(built_, dict) else built_
        checkpoint["lr_schedulers"] = [scheduler.state_dict()]
        task.on_load_checkpoint(checkpoint)
        longer = as_if(small(lr_scheduler=schedule), max_epochs=11)
        with pytest.raises(ValueError, match=r"cosine ends at (epoch 10|step 20).*start a new run"):
            longer.on_load_checkpoint(checkpoint)
        as_if(small(), max_epochs=11, fitting=False).on_load_checkpoint(checkpoint)


class TestEvaluation:
    @pytest.fixture
    def batches(self):
        batch = pairs(8)
        queries = [ClassificationBatch(batch.sketch, batch.sketch_label, batch.index)]
        return queries, [ClassificationBatch(batch.photo, batch.photo_label, batch.index)]

    def run(self, verb, task, batches, train=()):
        data = Data(train, *batches)
        if verb == "fit":
            return fit(task, data, limit_val_batches=1.0, max_epochs=1).callback_metrics
        return getattr(trainer(), verb)(task, datamodule=data, verbose=False)[0]

    def embedded(self, task, batch, domain, mirror):
        with torch.no_grad():
            each = [task.embed(image, domain) for image in (batch.image, batch.image.flip(3))[: 1 + mirror]]
        return F.normalize(sum(each))

    @pytest.mark.parametrize("mirror", [False, True])
    def test_predictions_are_unit_embeddings_of_the_views(self, batches, mirror):
        task = as_if(small(mirror=mirror).eval(), fitting=False, data=Data(batch_size=8))
        for place, (part, domain) in enumerate(zip(batches, ("sketch", "photo"), strict=True)):
            with torch.no_grad():
                got = task.predict_step(part[0], 0, place)
            expected = self.embedded(task, part[0], domain, mirror)
            torch.testing.assert_close(got["embedding"], expected, rtol=1e-4, atol=1e-5)
            assert got["embedding"].dtype == torch.float32
            torch.testing.assert_close(got["embedding"].norm(dim=1), torch.ones(8))
            assert got["label"].equal(part[0].label)
            assert got["index"].equal(part[0].index)

    def test_views_and_the_catalogue_are_used_outside_of_fit_only(self, batches):
        options = {"using_catalogue": ["expansion", "reranking"], "optimizer": sgd(0.0), "lr_scheduler": "constant"}
        plain, views = (
            small(mirror=mirror, scales=scales, **options) for mirror, scales in ((False, (1.0,)), (True, (1.0, 0.75)))
        )
        views.load_state_dict(plain.state_dict())
        for task in (plain, views):
            task.model.freeze_private()
        inside = [self.run("fit", task, batches, [pairs()]) for task in (plain, views)]
        assert {name for name in inside[0] if name.startswith("val")} == {
            f"val/{group}{metric}" for group in ("", "first_", "rest_") for metric in ("map", "mrr", "p10")
        }
        assert {n: float(v) for n, v in inside[0].items()} == {n: float(v) for n, v in inside[1].items()}
        seen = []
        embed, views.embed = views.embed, lambda image, domain: seen.append(image.shape[-1]) or embed(image, domain)
        outside = self.run("test", views, batches)
        assert seen == [16, 16, 12, 12] * 2
        starts = ("test/", "test_expanded/", "test_reranked/")
        assert set(outside) == {
            s + g + m for s in starts for g in ("", "first_", "rest_") for m in ("map", "mrr", "p10")
        }
        remarks = {name: " ".join(kept["remarks"]) for name, kept in views.details.items()}
        assert all("descriptors of several views: scales 1, 0.75, mirrored" in said for said in remarks.values())
        assert ["uses the catalogue" in remarks[name] for name in ("test", "test_expanded", "test_reranked")] == [
            False, True, True,
        ]  # fmt: skip

    def test_scores_do_not_depend_on_how_samples_are_batched(self, batches):
        task = small().eval()
        whole = self.run("validate", task, batches)
        single = [[ClassificationBatch(*(v[i : i + 1] for v in part[0])) for i in range(8)] for part in batches]
        assert self.run("validate", task, single) == whole

    def test_an_image_that_overflows_does_not_end_an_evaluation(self, batches):
        task = small().eval()
        broken = batches[1][0].image.clone()
        broken[3] = float("inf")
        photos = [batches[1][0]._replace(image=broken)]
        with pytest.warns(UserWarning, match=r"val: the embeddings of 1 photo images are not finite \(indices \[3\]\)"):
            scores = self.run("validate", task, (batches[0], photos))
        assert math.isfinite(scores["val/map"])
        assert task.non_finite == [0]

    def test_data_without_a_catalogue_is_refused(self):
        task = as_if(small(), data=SimpleNamespace())
        with pytest.raises(ValueError, match="SimpleNamespace has no queries and no catalogue; give retrieval data"):
            task.on_validation_epoch_start()


class TestAveragedWeights:
    """EMAWeightAveraging of the modern recipe: ties hold, and what is saved is the average."""

    @pytest.mark.parametrize("shared_norm", ["separate", "domain"])
    def test_the_average_is_the_formula_and_keeps_the_ties(self, shared_norm, tmp_path):
        states = []

        task = small(shared_norm=shared_norm, optimizer=sgd(0.5), lr_scheduler="constant")
        average = EMAWeightAveraging(decay=0.75)
        step = task.on_train_batch_end
        task.on_train_batch_end = lambda *given: states.append(snapshot(task)) or step(*given)
        used = fit(task, Data([pairs(seed=1), pairs(seed=2)]), callbacks=[average])
        used.save_checkpoint(tmp_path / "average.ckpt")
        saved = torch.load(tmp_path / "average.ckpt", weights_only=True)
        assert len(states) == 4
        names = [n for n in states[0] if not n.endswith(NORM_COUNTERS)]
        for name in names:
            expected = states[0][name]
            for state in states[1:]:
                expected = 0.75 * expected + 0.25 * state[name]
            torch.testing.assert_close(saved["state_dict"][f"model.{name}"], expected)
        model = {name.removeprefix("model."): value for name, value in saved["state_dict"].items()}
        shared = [n for n in model if n.startswith("sketch.stages.1.blocks.0.conv") and n.endswith("weight")]
        assert shared
        for name in shared:
            assert model[name].equal(model[name.replace("sketch.", "photo.", 1)])


def step_of_one(rank, world_size, gather, port, folder):
    """One step of a process on its share of a batch of eight; writes the weights after it."""
    torch.set_num_threads(1)
    if world_size > 1:
        os.environ.update(
            TORCHELASTIC_RUN_ID="test", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(world_size),
            RANK=str(rank), LOCAL_RANK=str(rank), GROUP_RANK="0", LOCAL_WORLD_SIZE=str(world_size),
            GLOO_SOCKET_IFNAME="lo",
        )  # fmt: skip
    task = small(gather=gather, optimizer=sgd(0.5), lr_scheduler="constant")
    losses = []
    task.on_train_batch_start = lambda *given: task.model.eval() and None  # batches of other sizes normalise alike
    task.on_before_backward = lambda loss: losses.append(loss.detach())
    share = 8 // world_size
    batch = PairBatch(*(part[rank * share : (rank + 1) * share] for part in pairs(8)))
    several = {"devices": world_size, "strategy": "ddp"} if world_size > 1 else {}
    fit(task, Data([batch]), max_epochs=1, **several)
    torch.save({"state": task.state_dict(), "loss": losses[0]}, folder / f"{rank}.pt")


class TestSeveralProcesses:
    def step(self, world_size, gather, folder):
        folder.mkdir()
        from tests.cli.test_distributed import free_port

        context, port = multiprocessing.get_context("fork"), free_port()
        given = [(rank, world_size, gather, port, folder) for rank in range(world_size)]
        processes = [context.Process(target=step_of_one, args=each) for each in given]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * world_size
        return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world_size)]

    def test_with_gathering_two_processes_make_the_step_of_one(self, tmp_path):
        (one,) = self.step(1, True, tmp_path / "one")
        two = self.step(2, True, tmp_path / "two")
        for process in two:
            for name, value in one["state"].items():
                torch.testing.assert_close(process["state"][name], value, rtol=1e-5, atol=1e-6, msg=name)
        mean = torch.stack([process["loss"] for process in two]).mean()
        torch.testing.assert_close(mean, one["loss"], rtol=1e-5, atol=1e-6)
        apart = self.step(2, False, tmp_path / "apart")
        differing = [n for n, v in one["state"].items() if not torch.allclose(apart[0]["state"][n], v, 1e-5, 1e-6)]
        assert differing, "without gathering, each process compares its own batch only"
