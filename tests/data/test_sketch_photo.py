"""The two-domain data module from the front door: what its batches show, who never trains, and exact repetition."""

import copy
import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hybrid_sbir.batch import PairBatch, TripletBatch
from hybrid_sbir.data.datamodules import Folder, ListFiles, SketchPhotoData
from hybrid_sbir.data.images import ImageProblem
from hybrid_sbir.data.listfile import write_list, write_mapping
from hybrid_sbir.data.pairing.dataset import DrawnPixels
from hybrid_sbir.data.pairing.matched import ClassMismatchWarning
from tests.data.pairing.folders import CLASSES, PLAIN, as_process, data, epoch, fill, photo_shown, same, sketch_shown

SAMPLINGS = ("pairs", "pairs_by_parity", "triplets", "classes")
IN_CLASSES = {"sampling": "classes", "per_class": 4}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("both"))


def indices(loader):
    return [index for batch in loader for index in batch.index.tolist()]


class TestClasses:
    def test_those_of_both_sets_and_what_only_one_has_is_said_once(self, tmp_path):
        fill(tmp_path, ("bee", "ant", "yak"), ("ant", "bee", "zebra"))
        with pytest.warns(ClassMismatchWarning, match=r"only among the sketches: yak[\s\S]*photos: zebra") as caught:
            both = data(tmp_path)
        assert (both.classes, both.num_classes, both.channels) == (("ant", "bee"), 2, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            both.setup("fit")
            epoch(both.train_dataloader())
        assert len(caught) == 1

    def test_names_that_differ_are_matched_by_a_map_alone(self, tmp_path):
        fill(tmp_path, ("bee", "cup", "mug"), ("Bee", "cups", "fox"))
        with pytest.raises(ValueError, match=r"(?s)no class in common.*\"bee\": \"Bee\".*class_map"):
            data(tmp_path)
        (tmp_path / "map.json").write_text(json.dumps({"bee": "Bee", "cup": "cups", "mug": "cups"}))
        with pytest.warns(ClassMismatchWarning, match="photos: fox"):
            both = data(tmp_path, class_map=str(tmp_path / "map.json"))
        assert both.classes == ("bee", "cup")  # cup and mug are one class: both are cups among the photos
        queries, catalogue = both.val_dataloader()
        assert np.bincount([label for batch in queries for label in batch.label]).tolist() == [2, 4]
        assert np.bincount([label for batch in catalogue for label in batch.label]).tolist() == [2, 2]

    def test_a_single_common_class_is_too_few(self, tmp_path):
        fill(tmp_path, ("ant", "bee"), ("ant", "fox"))
        with (
            pytest.warns(ClassMismatchWarning),
            pytest.raises(ValueError, match=r"a single class in common .ant.; training needs two or more"),
        ):
            data(tmp_path)

    @pytest.mark.parametrize("held_out", [2, ["fox", "bee"]])
    def test_held_out_classes_are_in_no_batch_and_all_of_their_samples_are_an_evaluation(self, root, held_out):
        both = data(root, held_out=held_out)
        assert len(both.classes) == 4
        assert len(both.held_out) == 2
        if held_out != 2:
            assert both.held_out == ("bee", "fox")
        numbers = [CLASSES.index(name) for name in both.held_out]
        for batch in epoch(both.train_dataloader()):
            assert not np.isin(sketch_shown(batch.sketch)[:, 0], numbers).any()
            assert not np.isin(photo_shown(batch.photo)[:, 0], numbers).any()
        val, unseen = both.evaluations("val")
        assert (val.name, val.classes) == ("val", both.classes)
        assert (unseen.name, unseen.classes) == ("val_unseen", both.held_out)
        for loader, shown in zip(both.val_dataloader()[2:], (sketch_shown, photo_shown), strict=True):
            batches = epoch(loader)
            seen = torch.cat([shown(batch.image) for batch in batches]).tolist()
            assert sorted(map(tuple, seen)) == [(label, number) for label in numbers for number in range(10)]
            labels = torch.cat([batch.label for batch in batches]).tolist()
            assert [both.held_out[label] for label in labels] == [CLASSES[label] for label, _ in seen]

    def test_the_choice_hangs_on_its_own_seed(self, root):
        chosen = {data(root, held_out=3, split_seed=seed).held_out for seed in range(6)}
        assert len(chosen) > 1
        assert data(root, held_out=3, seed=1).held_out == data(root, held_out=3, seed=2).held_out

    def test_few_classes_for_a_quick_run(self, root):
        both = data(root, held_out=["bee"], max_classes=3)
        assert (both.classes, both.held_out) == (("ant", "cat", "dog"), ("bee",))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"held_out": 5}, "held_out is 5; .* 6 classes in common.*at least two.*give 0 to 4"),
            ({"held_out": -1}, "held_out is -1"),
            ({"held_out": ["gnu", "bee"]}, "6 in common.*unknown: gnu"),
            ({"held_out": ["bee", "bee"]}, "got 2, 1 different"),
            ({"held_out": 2, "max_classes": 5}, "max_classes must be from 2 to the 4 classes.*got 5"),
            ({"split_seed": -1}, "split_seed must not be negative"),
            ({"batch_size": 0}, "batch_size must be positive"),
            ({"seed": -1}, "seed not negative"),
            ({"size": 0}, "size must be positive"),
            ({"pack_side": 0}, "pack_side must be positive"),
            ({"val_queries_per_class": 0}, "val_queries_per_class must be positive"),
            ({"sampling": "all"}, "sampling is 'all'; it can be pairs, pairs_by_parity, triplets, classes"),
            ({"level": "photo"}, "level is 'photo'; it can be class, instance"),
            ({"per_class": 0}, "per_class must be positive"),
            ({"pseudo_sketches": 1.5}, "a share from 0 to 1.*1.5"),
            ({"sketch_train": "sketches"}, "unknown preset 'sketches'"),
            ({"photo_eval": "classification"}, "unknown preset"),
        ],
    )
    def test_what_cannot_be_is_refused_in_words(self, root, options, words):
        with pytest.raises(ValueError, match=words):
            data(root, **options)

    def test_a_test_set_is_of_both_kinds(self, root):
        with pytest.raises(ValueError, match="test_photos is missing"):
            data(root, test_sketches=Folder(str(root / "sketches")))
        with pytest.raises(ValueError, match="test_sketches is missing"):
            data(root, test_photos=Folder(str(root / "photos")))

    def test_a_set_that_is_not_divided_is_not_trained_on(self, root):
        with pytest.raises(ValueError, match=r"Folder: with this split every part is all of the set.*stratified80"):
            SketchPhotoData(Folder(str(root / "sketches"), split="all"), Folder(str(root / "photos")))


class TestBatches:
    @pytest.mark.parametrize("sampling", ["pairs", "pairs_by_parity"])
    def test_pairs_show_what_their_labels_say_and_half_are_positive(self, root, sampling):
        batches = epoch(data(root, sampling=sampling).train_dataloader())
        assert len(batches) == 6
        for batch in batches:
            assert isinstance(batch, PairBatch)
            assert (batch.sketch.shape, batch.photo.shape) == ((8, 3, 12, 12), (8, 3, 12, 12))
            assert batch.sketch.dtype == torch.float32
            assert torch.equal(sketch_shown(batch.sketch)[:, 0], batch.sketch_label)
            assert torch.equal(photo_shown(batch.photo)[:, 0], batch.photo_label)
            if sampling == "pairs":
                assert (batch.sketch_label == batch.photo_label).sum() == 4
        assert sorted(index for batch in batches for index in batch.index.tolist()) == list(range(48))

    def test_published_parity_is_for_ever_and_a_fresh_draw_is_not(self, root):
        for sampling, never in (("pairs_by_parity", 24), ("pairs", 0)):
            loader = data(root, sampling=sampling).train_dataloader()
            met = set()
            for _ in range(12):
                for batch in loader:
                    met |= set(batch.index[batch.sketch_label == batch.photo_label].tolist())
            assert 48 - len(met) == never

    def test_triplets(self, root):
        for batch in epoch(data(root, sampling="triplets").train_dataloader()):
            assert isinstance(batch, TripletBatch)
            assert torch.equal(sketch_shown(batch.sketch)[:, 0], batch.label)
            assert torch.equal(photo_shown(batch.positive)[:, 0], batch.label)
            assert torch.equal(photo_shown(batch.negative)[:, 0], batch.negative_label)
            assert (batch.label != batch.negative_label).all()

    def test_batches_of_classes(self, root):
        batches = epoch(data(root, **IN_CLASSES).train_dataloader())
        assert len(batches) == 6
        for batch in batches:
            assert batch.sketch_label.unique(return_counts=True)[1].tolist() == [4, 4]
            assert torch.equal(sketch_shown(batch.sketch)[:, 0], batch.sketch_label)
            assert torch.equal(photo_shown(batch.photo)[:, 0], batch.photo_label)
            assert torch.equal(batch.sketch_label, batch.photo_label)
        assert sorted(index for batch in batches for index in batch.index.tolist()) == list(range(48))
        photos = [tuple(each) for batch in batches for each in photo_shown(batch.photo).tolist()]
        assert len(set(photos)) == 48

    @pytest.mark.parametrize("sampling", SAMPLINGS)
    def test_a_part_is_drawn_from_training_samples_alone(self, root, sampling):
        both = data(root, sampling=sampling, per_class=4)
        held = {domain: set() for domain in ("sketch", "photo")}
        for loader, domain, shown in zip(
            both.val_dataloader(), ("sketch", "photo"), (sketch_shown, photo_shown), strict=True
        ):
            held[domain] = {tuple(each) for batch in loader for each in shown(batch.image).tolist()}
            assert len(held[domain]) == 12
        loader = both.train_dataloader()
        for batch in [*loader, *loader]:
            photos = batch.photo if isinstance(batch, PairBatch) else torch.cat([batch.positive, batch.negative])
            assert not held["sketch"] & {tuple(each) for each in sketch_shown(batch.sketch).tolist()}
            assert not held["photo"] & {tuple(each) for each in photo_shown(photos).tolist()}

    def test_a_partial_batch_is_left_out_or_kept(self, root):
        sizes = [len(batch.index) for batch in data(root, batch_size=10, drop_last=False).train_dataloader()]
        assert sizes == [10, 10, 10, 10, 8]
        assert len(data(root, batch_size=10).train_dataloader()) == 4

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"batch_size": 64}, "48 training sketches give 1 process.*no full batch of 64; lower"),
            ({"sampling": "classes", "per_class": 3}, "batch of 8 with 3 sketches a class; .* at most 18"),
            ({"sampling": "classes", "per_class": 1}, "batch of 8 with 1 .*at most 6 .6 training classes"),
            ({"sampling": "classes", "batch_size": 18, "per_class": 9}, "takes 9 different sketches.*6 of.*only 8"),
            ({"level": "instance", "sampling": "triplets", "max_classes": 2}, None),
        ],
    )
    def test_too_little_is_said(self, root, options, words):
        if words is None:
            assert len(data(root, **options).train_dataloader()) == 2
            return
        with pytest.raises(ValueError, match=words):
            data(root, **options).train_dataloader()

    @pytest.mark.parametrize("domain", ["sketches", "photos"])
    def test_a_class_without_training_samples_is_named(self, root, domain):
        def source(name):
            lists = {part: str(root / f"{name} without ant.txt") for part in ("train", "val")}
            write_mapping(root / "mapping.txt", CLASSES)
            paths = [f"{name}/{each}/0.png" for each in CLASSES[1:]]
            write_list(lists["train"], paths, np.arange(1, 6))
            return ListFiles(**lists, mapping=str(root / "mapping.txt"))

        whole = {name: Folder(str(root / name)) for name in ("sketches", "photos")}
        both = SketchPhotoData(**{**whole, domain: source(domain)}, **PLAIN)
        with pytest.raises(ValueError, match=f"1 of 6 classes have no training {domain}: ant; add some, or leave"):
            both.setup("fit")

    def test_an_unreadable_image_is_told_in_one_sentence(self, tmp_path):
        fill(tmp_path, per_class=5)
        both = data(tmp_path, drop_last=False)
        broken = tmp_path / "sketches" / both.training.sketches.name(0)
        broken.write_bytes(b"no image")
        with pytest.raises(ImageProblem, match=rf"^{broken}: unreadable: .*; 'hybrid-sbir data prepare folder' finds"):
            epoch(both.train_dataloader())


def test_an_accelerator_normalises_itself(root):
    """The loader hands 8-bit pixels to the device, where the module makes the very same batches of them."""
    for sampling in ("pairs", "triplets"):
        options = {"sampling": sampling, "sketch_train": "sketch_square_train", "photo_train": "photo_train"}
        here, there = data(root, **options), as_process(data(root, **options), 0, 1)
        there.trainer.strategy = SimpleNamespace(root_device=torch.device("cuda"))
        batches = list(there.train_dataloader())
        assert all(isinstance(batch, DrawnPixels) for batch in batches)
        assert all(torch.is_tensor(part) for batch in batches for part in batch)
        assert {batch.photo.dtype for batch in batches} == {torch.uint8}
        assert same(epoch(here.train_dataloader()), [there.on_after_batch_transfer(batch, 0) for batch in batches])


class TestRepetition:
    @pytest.mark.parametrize("sampling", SAMPLINGS)
    def test_workers_change_nothing(self, root, sampling):
        random = {"sketch_train": "sketch_square_train", "photo_train": "photo_train", "sampling": sampling}
        alone, helped = (
            data(root, num_workers=workers, per_class=4, **random).train_dataloader() for workers in (0, 2)
        )
        first = epoch(alone)
        assert same(first, epoch(helped))
        second = epoch(alone)
        assert same(second, epoch(helped))
        assert not same(first, second)

    def test_seeds_change_everything(self, root):
        one, other = (epoch(data(root, seed=seed).train_dataloader()) for seed in (0, 1))
        assert not same(one, other)

    @pytest.mark.parametrize("world", [2, 3])
    @pytest.mark.parametrize("sampling", SAMPLINGS)
    def test_processes_share_one_draw_in_equally_many_steps(self, root, sampling, world):
        options = {"sampling": sampling, "per_class": 2, "drop_last": False}
        size = 4 if world == 2 else 8
        shares = [
            epoch(as_process(data(root, batch_size=size, **options), rank, world).train_dataloader())
            for rank in range(world)
        ]
        assert len({len(share) for share in shares}) == 1
        together = data(root, batch_size=size * world if sampling != "classes" or world == 2 else 12, **options)
        whole = epoch(together.train_dataloader())
        if world == 2:  # each step's batches are the single process's batch
            for step, batch in enumerate(whole):
                rows = sorted(row for share in shares for row in described(share[step]))
                assert rows == sorted(described(batch))
        drawn = [row for share in shares for batch in share for row in described(batch)]
        assert len(drawn) == 48
        assert len(set(drawn)) == 48
        if sampling in ("pairs", "pairs_by_parity", "triplets"):
            assert sorted(drawn) == sorted(row for batch in whole for row in described(batch))
        if sampling == "pairs":
            for batch in (batch for share in shares for batch in share):
                assert (batch.sketch_label == batch.photo_label).sum() * 2 == len(batch.index)

    @pytest.mark.parametrize("sampling", SAMPLINGS)
    def test_continuing_after_any_batch(self, root, sampling):
        options = {"sampling": sampling, "per_class": 4, "sketch_train": "sketch_square_train"}
        loader = data(root, **options).train_dataloader()
        whole = [epoch(loader) for _ in range(3)]
        for done in (1, 6):
            first = data(root, **options).train_dataloader()
            epoch(first)
            stream = iter(first)
            for _ in range(done):
                next(stream)
            second = data(root, num_workers=1, **options).train_dataloader()
            second.load_state_dict(copy.deepcopy(first.state_dict()))
            if done < 6:
                assert same(epoch(second), whole[1][done:])
            assert same(epoch(second), whole[2])

    def test_other_settings_do_not_continue_inside_an_epoch(self, root):
        first = data(root).train_dataloader()
        next(iter(first))
        for options, words in (
            ({"sampling": "pairs_by_parity"}, "sampling was pairs and is pairs_by_parity"),
            ({"held_out": 1}, "the classes are others than they were"),
            ({"batch_size": 4}, "batch_size was 8 and is 4"),
            ({"sketch_train": "sketch_test"}, "sketch_transform was .* and is "),
            ({"photo_train": "photo_train"}, "photo_transform was .* and is "),
            ({"seed": 3}, "seed was 0 and is 3"),
        ):
            with pytest.raises(ValueError, match=words):
                data(root, **options).train_dataloader().load_state_dict(first.state_dict())

    def test_a_pack_changes_nothing_but_that_files_are_read_once(self, root, tmp_path):
        copied = fill(tmp_path / "copy")
        options = {"pack": str(tmp_path / "packed"), "held_out": 2}
        plain, packed = data(root, held_out=2), data(copied, **options)
        packed.prepare_data()
        made = sorted((tmp_path / "packed").iterdir())
        assert len(made) == 4  # training and validation, sketches and photos
        data(copied, **{**options, "held_out": 3}).prepare_data()
        assert sorted((tmp_path / "packed").iterdir()) == made  # whatever is held out
        for file in copied.rglob("*.png"):
            file.write_bytes(b"not read again")
        assert same(epoch(plain.train_dataloader()), epoch(packed.train_dataloader()))
        for one, other in zip(plain.val_dataloader(), packed.val_dataloader(), strict=True):
            assert same(epoch(one), epoch(other))

    def test_the_fingerprint_says_what_is_trained_and_validated_on(self, root, tmp_path):
        first = data(root).fingerprint
        assert first == data(root, batch_size=4, num_workers=2, seed=5).fingerprint
        others = [
            data(root, **options).fingerprint
            for options in (
                {"held_out": 1},
                {"held_out": 1, "split_seed": 3},
                {"max_classes": 3},
                {"sampling": "triplets"},
                {"sampling": "classes"},
                {"level": "instance"},
                {"val_queries_per_class": 1},
                {"pseudo_sketches": 0.5},
            )
        ]
        assert len({first, *others}) == 9


def described(batch):
    """Each row of a batch as a tuple of what it shows."""
    photos = (batch.photo,) if isinstance(batch, PairBatch) else (batch.positive, batch.negative)
    columns = [sketch_shown(batch.sketch), *map(photo_shown, photos), batch.index[:, None]]
    return list(map(tuple, torch.cat(columns, dim=1).tolist()))
