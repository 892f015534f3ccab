"""The stages of retrieval one after the other, from the command line; killed anywhere, they end with the same weights.

Stage 1 trains two classifiers, stage 2 starts from both, stage 3 from stage 2, stage 4 from stage 3 on other classes.
"""

import json
import shutil
import signal

import pytest
import torch

from tests.cli.conftest import TINY, digest
from tests.cli.test_distributed import end, pair  # noqa: F401 - a fixture
from tests.experiment_files import configs, tiny_recipe
from tests.two_domains import OTHER_CLASSES, draw

KILLED = -signal.SIGKILL
# Of 4 steps an epoch and a checkpoint after the second; two epochs in stages 2 and 3, one in stage 4.
INSIDE = {
    "before the first checkpoint": ("batch_end", 1),
    "after a checkpoint": ("batch_start", 4),
    "inside a validation": ("validation", 2),
    "between validation and checkpoint": ("epoch_end", 1),
    "in the second epoch": ("batch_end", 7),
}
BORDERS = {"before the last checkpoint": ("epoch_end", 2), "after the last checkpoint": ("train_end", 1)}


@pytest.fixture(scope="session")
def domains(tmp_path_factory):
    """Sketches and photos of six classes, and of five others for stage 4."""
    root = tmp_path_factory.mktemp("domains")
    draw(root / "main")
    draw(root / "auxiliary", OTHER_CLASSES, seed=1)
    return root


def stage1(domain, root):
    """Words for a classifier of one domain."""
    data = {"root": root / "main" / domain, "size": 16, "channels": 3, "batch_size": 16}
    presets = ("sketch_square_train", "sketch_square_eval") if domain == "sketches" else ("photo_train", "photo_eval")
    data |= {"train_transform": presets[0], "eval_transform": presets[1]}
    options = [word for name, value in data.items() for word in (f"--data.init_args.{name}", str(value))]
    return [*configs(TINY), *options, "--trainer.max_epochs", "1", "--checkpoints.every_n_steps", "0"]


class Chain:
    """A chain of runs in a folder of its own.

    Args:
        root: what :func:`domains` made.
        runs: folder of the runs.
        recipe: "modern" or "thesis".
    """

    def __init__(self, root, runs, recipe="modern"):
        self.root, self.runs, self.recipe = root, runs, recipe

    def best(self, name):
        return self.runs / name / "checkpoints" / "best.ckpt"

    def words(self, name, *more, verb="fit"):
        """The command line of a run: sketches, photos, stage2, stage3 or stage4."""
        return [verb, *self._settings(name), "--runs", str(self.runs), "--name", name, *map(str, more)]

    def _settings(self, name):
        start = "--model.init_args.init"
        if name in ("sketches", "photos"):
            return stage1(name, self.root)
        if name == "stage2":
            files = (f"{start}_sketch", str(self.best("sketches")), f"{start}_photo", str(self.best("photos")))
            return [*tiny_recipe(self.recipe, "contrastive", self.root / "main"), *files]
        before = {"stage3": "stage2", "stage4": "stage3"}[name]
        auxiliary = ["--trainer.max_epochs", "1", f"{start}_classifier", "false", "--data.init_args.held_out", "1"]
        root = self.root / ("main" if name == "stage3" else "auxiliary")
        weights = "--model.init_args.weights.init_args.first_epoch"
        # The published weights count on from stage 2's epochs; the tiny runs have fewer.
        counted = [weights, "2"] if self.recipe == "thesis" else []
        return [
            *tiny_recipe(self.recipe, "triplet", root), f"{start}_from", str(self.best(before)), *counted,
            *(auxiliary if name == "stage4" else []),
        ]  # fmt: skip


def weights(folder):
    """SHA-256 of what a run ends with: trained and averaged weights, optimiser, schedule and the best weights."""
    last, best = (torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True) for name in ("last", "best"))
    kept = ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "global_step")
    return digest([{name: last.get(name) for name in kept}, best["state_dict"]])


def record(folder):
    return json.loads((folder / "metrics.json").read_text())


ORDER = ("sketches", "photos", "stage2", "stage3", "stage4")


@pytest.fixture
def chain(domains, tmp_path_factory, call, request):
    """A chain in a folder of its own, with what comes ``before`` a stage done: trained once for all tests."""
    stores = request.session.__dict__.setdefault("_stages_of_retrieval", {})

    def store(recipe):
        if recipe not in stores:
            runs = tmp_path_factory.mktemp(recipe)
            for folder in [other / name for other in stores.values() for name in ORDER[:2] if (other / name).exists()]:
                shutil.copytree(folder, runs / folder.name)  # stage 1 knows no recipe
            stores[recipe] = runs
        return stores[recipe]

    def begin(runs, recipe="modern", before="stage2"):
        kept = store(recipe)
        for name in ORDER[: ORDER.index(before)]:
            if not (kept / name).exists():
                assert call(Chain(domains, kept, recipe).words(name)) == 0
            shutil.copytree(kept / name, runs / name)
        return Chain(domains, runs, recipe)

    return begin


def kill(place, count, saboteur):
    """Options that kill a run at a place."""
    if place != "train_end":
        return saboteur("Signal", place=place, count=count)
    settings = {"place": place, "count": count}
    return [
        "--trainer.callbacks+=stage_saboteurs.AtTheEnd",
        *(f"--trainer.callbacks.{name}={value}" for name, value in settings.items()),
    ]


@pytest.mark.parametrize("recipe", ["modern", pytest.param("thesis", marks=pytest.mark.slow)])
def test_all_stages(recipe, chain, call, tmp_path, capsys, caplog):
    stages = chain(tmp_path / "runs", recipe)
    for name in ("stage2", "stage3", "stage4"):
        assert call(stages.words(name)) == 0, capsys.readouterr().err
        assert record(stages.runs / name)["finished"]
    said = [r.getMessage() for r in caplog.records if "initial weights" in r.getMessage()]
    assert len(said) == 3
    assert f"shared from {'photo' if recipe == 'modern' else 'none'}" in said[0]
    assert "none starts afresh" in said[1]
    scores = "{0} of sketch_head, {0} of photo_head".format(1 if recipe == "modern" else 2)
    assert said[2].endswith(f"starting afresh: {scores}; skipped {scores}")
    best = record(stages.runs / "stage3")["best"]
    monitor = "val_unseen/map" if recipe == "modern" else "val/map"
    assert 0 <= best[monitor] <= 1
    # Stage 3 starts with stage 2's best weights; as published it changes no parameter, only statistics.
    two = torch.load(stages.best("stage2"), weights_only=True)["state_dict"]
    three = torch.load(stages.best("stage3"), weights_only=True)["state_dict"]
    assert two.keys() == three.keys()
    trained = [name for name in two if name.rpartition(".")[2] in ("weight", "bias")]
    changed = [name for name in trained if not two[name].equal(three[name])]
    assert bool(changed) == (recipe == "modern")


def test_a_kill_at_a_border_and_at_the_next_start(chain, call, spawn, saboteur, tmp_path):
    """Stage 2 dies after its last state was kept, stage 3 before its first: the chain ends as one that never died."""
    whole, broken = chain(tmp_path / "whole", before="stage3"), chain(tmp_path / "broken")
    assert call(whole.words("stage3")) == 0
    for name, place, count in (("stage2", "train_end", 1), ("stage3", "batch_end", 1)):
        code, output = spawn(broken.words(name, *kill(place, count, saboteur)))
        assert code == KILLED, output
        assert call(broken.words(name, "--ckpt_path", "last")) == 0
        assert weights(broken.runs / name) == weights(whole.runs / name), name


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["modern", "thesis"])
@pytest.mark.parametrize("place", [*INSIDE, *BORDERS])
def test_killed_in_each_stage(place, recipe, chain, call, spawn, saboteur, tmp_path):
    where, count = (INSIDE | BORDERS)[place]
    whole, broken = chain(tmp_path / "whole", recipe, "stage4"), chain(tmp_path / "broken", recipe)
    for name in ("stage2", "stage3"):
        code, output = spawn(broken.words(name, *kill(where, count, saboteur)))
        assert code == KILLED, output
        code, output = spawn(broken.words(name, "--ckpt_path", "last"))
        assert code == 0, output
        assert weights(broken.runs / name) == weights(whole.runs / name), name


@pytest.mark.slow
@pytest.mark.parametrize("place", [("batch_end", 3), ("epoch_end", 1), ("validation", 2)], ids=lambda place: place[0])
def test_stopped_by_a_signal(place, chain, call, spawn, saboteur, tmp_path):
    """With averaged weights, which a validation exchanges with the trained ones."""
    whole, broken = chain(tmp_path / "whole", before="stage3"), chain(tmp_path / "broken")
    bomb = saboteur("Signal", place=place[0], count=place[1], name="SIGTERM")
    code, output = spawn(broken.words("stage2", *bomb))
    assert code == 143, output
    code, output = spawn(broken.words("stage2", "--ckpt_path", "last"))
    assert code == 0, output
    assert weights(broken.runs / "stage2") == weights(whole.runs / "stage2")


@pytest.mark.slow
def test_killed_in_stage_4(chain, call, spawn, saboteur, tmp_path):
    whole, broken = (chain(tmp_path / name, before="stage4") for name in ("whole", "broken"))
    assert call(whole.words("stage4")) == 0
    code, output = spawn(broken.words("stage4", *kill("batch_end", 3, saboteur)))
    assert code == KILLED, output
    code, output = spawn(broken.words("stage4", "--ckpt_path", "last"))
    assert code == 0, output
    assert weights(broken.runs / "stage4") == weights(whole.runs / "stage4")


def test_a_stage_that_is_done_is_not_trained_again(chain, call, tmp_path):
    stages = chain(tmp_path / "runs", before="stage3")
    before = weights(stages.runs / "stage2"), record(stages.runs / "stage2")["best"]
    assert call(stages.words("stage2", "--ckpt_path", "last")) == 0
    assert (weights(stages.runs / "stage2"), record(stages.runs / "stage2")["best"]) == before


def test_a_stage_is_continued_and_evaluated_without_the_files_it_began_with(chain, call, spawn, saboteur, tmp_path):
    """From inside its second epoch, where a warm-up must not have touched the loader's place."""
    whole, stages = chain(tmp_path / "whole", before="stage3"), chain(tmp_path / "runs")
    code, output = spawn(stages.words("stage2", *kill("batch_end", 7, saboteur)))
    assert code == KILLED, output
    for name in ("sketches", "photos"):
        shutil.rmtree(stages.runs / name)
    assert call(stages.words("stage2", "--ckpt_path", "last")) == 0
    assert weights(stages.runs / "stage2") == weights(whole.runs / "stage2")
    assert call(["validate", "--config", str(stages.runs / "stage2" / "config.yaml")]) == 0


def test_what_stages_refuse(chain, call, tmp_path, capsys):
    """In words, and with nothing left behind."""
    stages = chain(tmp_path / "runs", before="stage3")

    def refused(words):
        capsys.readouterr()
        assert call(words) == 1
        return capsys.readouterr().err

    longer = stages.words("stage2", "--trainer.max_epochs", 3, "--ckpt_path", "last")
    assert "cosine ends at step 8, this one has 12 steps" in refused(longer)
    other_kind = stages.words("stage2", "--ckpt_path", stages.best("sketches"), "--name", "mixed")
    assert "holds a classifier model, this task trains a two_branch model" in refused(other_kind)
    other_model = stages.words("stage2", "--ckpt_path", "last", "--model.init_args.shared_stages", 2)
    assert "another pair of branches: shared_stages is 1 there and 2 here" in refused(other_model)
    untied = stages.words("stage3", "--model.init_args.shared_norm", "joint", "--name", "untied")
    assert "another pair of branches: shared_norm is" in refused(untied)
    other_classes = stages.words("stage3", "--data.init_args.held_out", 1, "--name", "classes")
    error = refused([*other_classes, "--data.init_args.batch_size", "8"])
    assert "init_classifier false" in error
    assert not (stages.runs / "untied").exists()
    assert not (stages.runs / "classes").exists()


def test_two_processes_score_as_one(chain, call, pair, tmp_path):  # noqa: F811
    """Validation of one checkpoint, to the bit, and its embeddings."""
    stages, found = chain(tmp_path / "runs", before="stage3"), []
    for several in (False, True):
        words = stages.words("stage2", verb="validate")
        if several:
            processes = pair(words, "two processes of one node")
            assert end(processes) == [0, 0], processes[1].log.read_text()
        else:
            assert call(words) == 0
        found.append(record(stages.runs / "stage2")["validate"])
    names = [name for name in found[0] if name.startswith("val")]
    assert {"val/map", "val_unseen/map", "val_unseen/p10"} <= set(names)
    assert {name: found[0][name] for name in names} == {name: found[1][name] for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["modern", "thesis"])
def test_two_processes_train(recipe, chain, call, pair, tmp_path):  # noqa: F811
    """Both stages under DDP; what they logged is what one process finds for the checkpoint they wrote."""
    stages = chain(tmp_path / "runs", recipe)
    for name in ("stage2", "stage3"):
        processes = pair(stages.words(name, "--data.init_args.batch_size", 8), "two processes of one node")
        assert end(processes) == [0, 0], processes[1].log.read_text()
        kept = record(stages.runs / name)
        as_in_fit = () if recipe == "thesis" else ("--model.init_args.mirror", "false")  # views wait for the run's end
        assert call(stages.words(name, *as_in_fit, verb="validate")) == 0
        alone = record(stages.runs / name)["validate"]
        names = [key for key in kept["best"] if key.startswith("val")]
        assert names
        assert {key: kept["best"][key] for key in names} == {key: alone[key] for key in names}
