"""Classes held out of training, as queries and a catalogue: what is divided, what is refused."""

import numpy as np
import pytest

from hybrid_sbir.data.datamodules import Folder, Prepared, QuickDraw, SeenClasses, TUBerlin, UnimodalData
from hybrid_sbir.data.preparation.prepare import prepare
from hybrid_sbir.data.splits import queries_and_catalogue
from tests.data.test_datamodules import fill
from tests.data.test_prepared import png

SMALL = {"size": 16, "batch_size": 4, "num_workers": 0}
NAMES = ("ant", "bee", "cat", "dog", "eel")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(fill(tmp_path_factory.mktemp("data") / "mine", {"ant": 22, "bee": 10, "cat": 11, "dog": 22, "eel": 30}))


def named(store):
    return {store.name(index) for index in range(len(store))}


def parts_of(data):
    ((_, queries, catalogue),) = data.open_evaluations("test")
    return queries, catalogue


def test_queries_and_catalogue_are_disjoint_and_of_the_held_out_classes(folder):
    data = UnimodalData(Folder(folder), held_out=["dog", "ant"], queries_per_class=4, catalogue_per_class=16, **SMALL)
    assert (data.classes, data.num_classes, data.channels) == (("ant", "dog"), 2, 1)
    queries, catalogue = parts_of(data)
    assert np.bincount(queries.labels).tolist() == [4, 4]
    assert np.bincount(catalogue.labels).tolist() == [16, 16]
    assert not named(queries) & named(catalogue)
    for store in (queries, catalogue):
        assert all(data.classes[label] in store.name(index) for index, label in enumerate(store.labels))


def test_the_classifier_has_not_seen_them(folder):
    chosen = {"held_out": 2, "split_seed": 3}
    seen, unseen = SeenClasses(Folder(folder), **chosen, **SMALL), UnimodalData(Folder(folder), **chosen, **SMALL)
    assert (len(seen.classes), len(unseen.classes)) == (3, 2)
    assert {*seen.classes, *unseen.classes} == set(NAMES)
    assert seen.held_out == unseen.classes
    seen.setup("fit")
    trained = named(seen.part("train")) | named(seen.part("val"))
    assert not trained & (named(parts_of(unseen)[0]) | named(parts_of(unseen)[1]))
    assert len(named(seen.part("train"))) > 20


def test_another_seed_holds_out_others_and_the_same_the_same(folder):
    drawn = [UnimodalData(Folder(folder), held_out=2, split_seed=seed, **SMALL).classes for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_the_split_of_the_images_does_not_matter_to_what_there_is(folder):
    """All samples are dealt, whichever part they were in; undivided ones are not counted twice."""
    options = {"held_out": ["eel"], "queries_per_class": 1, "catalogue_per_class": 2, **SMALL}
    for split in ("stratified80", "kfold5_1", "all"):
        queries, catalogue = parts_of(UnimodalData(Folder(folder, split=split), **options))
        assert (len(queries), len(catalogue)) == (1, 2)
    whole = {**options, "queries_per_class": 10, "catalogue_per_class": 20}
    queries, catalogue = parts_of(UnimodalData(Folder(folder, split="all"), **whole))
    assert len(named(queries) | named(catalogue)) == 30


def test_loaders_give_queries_then_the_catalogue(folder):
    data = UnimodalData(Folder(folder), held_out=["eel", "dog"], queries_per_class=3, catalogue_per_class=9, **SMALL)
    for loaders in (data.val_dataloader(), data.test_dataloader()):
        batches = [list(loader) for loader in loaders]
        assert [sum(len(batch.index) for batch in part) for part in batches] == [6, 18]
        assert batches[0][0].image.shape == (4, 1, 16, 16)
    assert [data.evaluations(part)[0].name for part in ("val", "test")] == ["val", "test"]
    assert data.evaluations("test")[0].classes == ("dog", "eel")


def test_the_fingerprint_follows_what_is_searched(folder):
    options = {"queries_per_class": 2, "catalogue_per_class": 4, **SMALL}
    prints = [
        UnimodalData(Folder(folder), held_out=["dog"], **options).fingerprint,
        UnimodalData(Folder(folder), held_out=["dog"], **options).fingerprint,
        UnimodalData(Folder(folder), held_out=["eel"], **options).fingerprint,
        UnimodalData(Folder(folder), held_out=["dog"], split_seed=1, **options).fingerprint,
    ]
    assert prints[0] == prints[1]
    assert len({*prints}) == 3


def test_packed_images_are_the_same(folder, tmp_path):
    options = {"held_out": ["dog"], "queries_per_class": 2, "catalogue_per_class": 4, **SMALL}
    plain, packed = (UnimodalData(Folder(folder), **options, **more) for more in ({}, {"pack": str(tmp_path / "p")}))
    for a, b in zip(plain.test_dataloader(), packed.test_dataloader(), strict=True):
        for one, other in zip(a, b, strict=True):
            assert (one.label == other.label).all()
            assert (one.image - other.image).abs().max() < 0.6  # scaled once more, to 18 pixels


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Prepared data: QuickDraw with held-out classes, TU-Berlin."""
    import json
    import zipfile

    root = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(root / "simplified.zip", "w") as archive:
        for position, name in enumerate(("airplane", "ant", "cat", "house")):
            lines = [{"key_id": str(position * 100 + i), "drawing": [[[0, 9, i], [i, 0, 255]]]} for i in range(33)]
            archive.writestr(f"{name}.ndjson", "\n".join(json.dumps(line) for line in lines))
    with zipfile.ZipFile(root / "tu.zip", "w") as archive:
        for i in range(48):
            archive.writestr(f"png/{('ant', 'bee', 'wineglass')[i % 3]}/{i}.png", png(rng))
    prepare("quickdraw", root / "simplified.zip", root, progress=False)
    prepare("tu_berlin", root / "tu.zip", root, progress=False)
    return str(root)


def test_quickdraws_own_parts_are_used_as_prepared(root):
    data = UnimodalData(QuickDraw(root, split="zero_shot"), **SMALL)
    assert data.classes == ("ant", "house")
    queries, catalogue = parts_of(data)
    assert [np.bincount(store.labels).tolist() for store in (queries, catalogue)] == [[3, 3], [30, 30]]
    manifest = data._images.manifest
    assert named(queries) == {*manifest.split_part("zero_shot", "queries")[0]}
    assert next(iter(data.test_dataloader()[0])).image.shape == (4, 1, 16, 16)


def test_tu_berlin_needs_no_new_preparation(root):
    data = UnimodalData(TUBerlin(root), held_out=["wineglass"], queries_per_class=10, catalogue_per_class=70, **SMALL)
    queries, catalogue = parts_of(data)
    assert (len(queries), len(catalogue)) == (2, 14)
    assert SeenClasses(TUBerlin(root), ["wineglass"], **SMALL).classes == ("ant", "bee")


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        ("folder", {}, r"\(Folder\) have no parts 'queries' and 'catalogue', but only training, validation and test"),
        ("TUBerlin", {}, "but train, val; choose a split that has them .*zero_shot.* or hold classes out"),
        ("folder", {"held_out": 0}, "held_out names no class"),
        ("folder", {"held_out": 4}, "held_out is 4"),
        ("folder", {"held_out": ["cow"]}, "unknown: cow"),
        ("folder", {"held_out": 1, "batch_size": 0}, "batch_size must be positive"),
        ("folder", {"held_out": 1, "pack_side": 0}, "pack_side must be a positive number"),
        ("folder", {"held_out": 1, "channels": 2}, "channels 1 or 3"),
    ],
)
def test_mistakes_are_refused_in_words(images, options, words, folder, root):
    source = Folder(folder) if images == "folder" else TUBerlin(root)
    with pytest.raises(ValueError, match=words):
        UnimodalData(source, **{**SMALL, **options})


def test_what_cannot_be_evaluated_or_trained_is_refused(folder, root):
    data = UnimodalData(Folder(folder), held_out=["bee"], queries_per_class=1, catalogue_per_class=500, **SMALL)
    with pytest.raises(ValueError, match="the evaluation 'test' has no query sketch"):
        data.setup("test")
    with pytest.raises(ValueError, match=r"nothing to train on.*SeenClasses"):
        data.setup("fit")
    with pytest.raises(ValueError, match="have no parts 'queries'"):
        UnimodalData(Prepared("tu_berlin", root, split="all"), **SMALL)


@pytest.mark.parametrize(("queries", "catalogue", "expected"), [(10, 70, (10, 70)), (1, 1, (1, 1)), (90, 10, (72, 8))])
def test_small_classes_give_both_in_proportion(queries, catalogue, expected):
    parts = queries_and_catalogue(np.zeros(80, np.int64), 0, queries, catalogue)
    assert (len(parts["queries"]), len(parts["catalogue"])) == expected
    assert not {*parts["queries"]} & {*parts["catalogue"]}
    with pytest.raises(ValueError, match="at least one sample a class, got 0 and 70"):
        queries_and_catalogue(np.zeros(80, np.int64), 0, 0, 70)


def test_tu_berlins_configurations_hold_out_the_same_classes():
    from pathlib import Path

    import yaml

    folder = Path(__file__).parents[2] / "experiments/data"
    both = [yaml.safe_load((folder / f"tu_berlin_{name}.yaml").read_text()) for name in ("seen", "unimodal")]
    settings = [each["data"]["init_args"] for each in both]
    assert settings[0]["held_out"] == settings[1]["held_out"]
    assert settings[0]["images"] == settings[1]["images"]
    assert len(set(settings[0]["held_out"])) == 31
