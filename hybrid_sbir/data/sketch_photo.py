"""Sketches and photos of the same classes: pairs, triplets or class batches to train with, retrieval to evaluate."""

from functools import cached_property
from typing import Any

from hybrid_sbir.data.datamodule import ClassificationData
from hybrid_sbir.data.loading.loader import ResumableLoader
from hybrid_sbir.data.pairing.classes import hold_out
from hybrid_sbir.data.pairing.dataset import DrawnPixels, RowDataset, finished
from hybrid_sbir.data.pairing.draws import Draws, DrawSampler, Sampling
from hybrid_sbir.data.pairing.evaluations import Evaluation, check_evaluation, other_test, own_test, said, validations
from hybrid_sbir.data.pairing.loaders import EvalPart, RetrievalData
from hybrid_sbir.data.pairing.matched import matched, matched_test
from hybrid_sbir.data.pairing.training import Drawing, Level, TrainingPart
from hybrid_sbir.data.stores.store import fingerprint
from hybrid_sbir.data.transforms import CentreView, Transform, preset
from hybrid_sbir.data.undivided import check_divided

_EVALUATED: dict[str, tuple[EvalPart, ...]] = {"fit": ("val",), "validate": ("val",)}


class SketchPhotoData(RetrievalData):
    """Retrieval of photos for sketches, from any two labelled sets.

    Attributes:
        classes: names of the classes trained with, by label.
        held_out: names of the classes left out of training.
        drawing: how training is drawn.
        num_classes: how many are trained with.
        channels: 3; grey sketches are repeated.
    """

    channels = 3

    def __init__(
        self,
        sketches: ClassificationData,
        photos: ClassificationData,
        *,
        test_sketches: ClassificationData | None = None,
        test_photos: ClassificationData | None = None,
        class_map: str | None = None,
        test_class_map: str | None = None,
        test_photo_map: str | None = None,
        held_out: int | list[str] = 0,
        split_seed: int = 0,
        max_classes: int | None = None,
        val_queries_per_class: int | None = None,
        sampling: Sampling = "pairs",
        per_class: int = 8,
        level: Level = "class",
        pseudo_sketches: float = 0.0,
        batch_size: int = 64,
        size: int = 224,
        num_workers: int = 2,
        seed: int = 0,
        sketch_train: str = "sketch_square_train",
        sketch_eval: str = "sketch_square_eval",
        sketch_test: str = "sketch_square_eval",
        photo_train: str = "photo_train",
        photo_eval: str = "photo_eval",
        drop_last: bool = True,
        pack: str | None = None,
        pack_side: int | None = None,
    ) -> None:
        """Match the classes; nothing else is read.

        Args:
            sketches: a data set. Of this and the other ones only parts and classes are used: their batch size,
                transforms, workers and seed are ignored, and what they draw themselves is drawn at this module's size.
            photos: another one.
            test_sketches: sketches of another data set, for the test; its test part is used (``split: all`` makes all
                of it that). By default the test parts of ``sketches`` and ``photos``, or validation's where they have
                none, held-out classes included.
            test_photos: photos of that other data set.
            class_map: JSON file that matches class names of sketches and photos where they are not equal.
            test_class_map: the same for the classes trained with and those of ``test_sketches``.
            test_photo_map: the same for ``test_sketches`` and ``test_photos``.
            held_out: leave out of training so many of the classes (drawn with ``split_seed``), or these.
            split_seed: of the held-out classes and of the validation queries.
            max_classes: train with only the first so many classes.
            val_queries_per_class: validate with at most so many sketches of a class (the thesis: 1); default: all.
            sampling: ``pairs``: each sketch once an epoch, with a photo of its class or of another one, half and half.
                ``pairs_by_parity``: as published, the positive ones being the same half of the sketches for ever.
                ``triplets``: each sketch with a photo of its class and one of another. ``classes``: batches of
                ``batch_size / per_class`` classes, ``per_class`` sketches and photos of each.
            per_class: of ``classes``.
            level: whether a sketch's photo is any of its class (``class``) or, where that is known by its name and at
                hand, the one it was drawn from (``instance``).
            pseudo_sketches: share of the training sketches that are edge maps of training photos instead.
            batch_size: sketches a batch and process.
            size: side of the images.
            num_workers: loading processes for each process that trains; the batches do not depend on it.
            seed: of what is drawn and of the augmentation.
            sketch_train: preset of training sketches, see ``hybrid_sbir.data.transforms``.
            sketch_eval: preset of validation sketches.
            sketch_test: preset of test sketches.
            photo_train: preset of training photos.
            photo_eval: preset of validation and test photos.
            drop_last: leave out an epoch's last training batch where it is not full.
            pack: a folder for decoded images (and edge maps), made at the first use and read ever after.
            pack_side: larger images are packed with this shorter side; by default ``round(size * 256 / 224)``.

        Raises:
            ClassMapError: if a map cannot be used.
            ValueError: if a setting is out of its range, there are too few common classes, or ``sketches`` or
                ``photos`` do not keep validation apart.
        """
        super().__init__(batch_size, num_workers, seed)
        self.drawing = Drawing(sampling, per_class, level, pseudo_sketches)
        self.split_seed, self.drop_last = split_seed, drop_last
        self.val_queries_per_class = val_queries_per_class
        if split_seed < 0:
            raise ValueError(f"split_seed must not be negative, got {split_seed}")
        _check_positive(size=size, pack_side=pack_side, val_queries_per_class=val_queries_per_class)
        if test_sketches is None and (test_class_map or test_photo_map):
            raise ValueError(
                "test_class_map and test_photo_map are of test_sketches and test_photos, which are missing"
            )
        names = {"train": (sketch_train, photo_train), "val": (sketch_eval, photo_eval)}
        names["test"] = (sketch_test, photo_eval)
        self._transforms = {part: (preset(s, size, 3), preset(p, size, 3)) for part, (s, p) in names.items()}
        stored = {"pack": pack, "drawn_side": pack_side or CentreView.proportional(size).shorter_side}
        for source in (sketches, photos):
            check_divided(source)
        self._sets = matched("training", sketches, photos, class_map, stored)
        self._test_sets = matched_test(test_sketches, test_photos, test_photo_map, stored)
        self._test_class_map = test_class_map
        self.classes, self.held_out = hold_out(self._sets.common.names, held_out, max_classes, split_seed)
        self._evaluations: dict[EvalPart, list[Evaluation]] = {}

    @property
    def num_classes(self) -> int:
        """The number of classes trained with."""
        return len(self.classes)

    @cached_property
    def training(self) -> TrainingPart:
        """The training part, opened at its first use."""
        return TrainingPart(self._sets, self.classes, self.drawing)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what training and validation are made of: classes, samples, order, and how rows are drawn."""
        digest = fingerprint(self.training.photos, fingerprint(self.training.sketches, repr(self.drawing)))
        for evaluation in self.open_evaluations("val"):
            digest = fingerprint(evaluation.catalogue, fingerprint(evaluation.queries, digest))
        return digest

    def prepare_data(self) -> None:
        """Pack in one process a machine, before the others look for the pack."""
        if self._sets.pack is not None:
            self._open((self.trainer and self.trainer.state.fn) or "fit")

    def setup(self, stage: str) -> None:
        """Open what a stage needs.

        Raises:
            ValueError: if a class has no training sketch or photo, or an evaluation no query or no photo.
        """
        self._open(stage)
        for part in _EVALUATED.get(stage, ("test",)):
            for evaluation in self.open_evaluations(part):
                check_evaluation(evaluation)

    def train_dataloader(self) -> ResumableLoader:
        """Rows drawn afresh each epoch, in equally many batches for all processes.

        Raises:
            ValueError: if there are too few samples for a batch.
        """
        rank, world_size = self.world()
        drawing = self.drawing
        settings = (drawing.sampling, self.seed, self.batch_size, world_size, drawing.per_class)
        draws = Draws(self.training.pool, *settings, drawing.pseudo_sketches)
        stores = self.training.numbered, self.training.photos
        transforms, on_device = self._transforms["train"], self._on_accelerator()
        dataset = RowDataset(*stores, *transforms, self.seed, drawing.identity(), on_device)
        options = self.loader_options() | {"persistent_workers": self.num_workers > 0, "drop_last": self.drop_last}
        loader = ResumableLoader(dataset, DrawSampler(draws, rank), self.batch_size, **options)
        if not len(loader):
            raise ValueError(
                f"{len(stores[0])} training sketches give {world_size} process(es) no full batch of {self.batch_size}; "
                "lower the batch size (--data.init_args.batch_size 16) or, but for sampling: classes, keep the batch "
                "that is not full (--data.init_args.drop_last false)"
            )
        return loader

    def open_evaluations(self, part: EvalPart) -> list[Evaluation]:
        """Return "val" (and "val_unseen"), or "test", with their data; opened once."""
        if part not in self._evaluations:
            self._evaluations[part] = self._validations() if part == "val" else [self._test()]
        return self._evaluations[part]

    def eval_transforms(self, part: EvalPart) -> tuple[Transform, Transform]:
        """Return what is done to queries and to photos."""
        return self._transforms[part]

    def describe(self) -> str:
        """Return how many samples each part has, and each class of the training sets, in words and a table."""
        return "\n".join([*map(said, self.open_evaluations("val")), self._sets.describe(self.classes, self.held_out)])

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Normalise what the loader left to the device."""
        if isinstance(batch, DrawnPixels):
            return finished(batch, *self._transforms["train"])
        return super().on_after_batch_transfer(batch, dataloader_idx)

    def _on_accelerator(self) -> bool:
        strategy = getattr(self.trainer, "strategy", None)
        return strategy is not None and strategy.root_device.type != "cpu"

    def _open(self, stage: str) -> None:
        if stage == "fit":
            _ = self.training.pool, self.training.numbered
        for part in _EVALUATED.get(stage, ("test",)):
            self.open_evaluations(part)

    def _validations(self) -> list[Evaluation]:
        return validations(self._sets, self.classes, self.held_out, self.val_queries_per_class, self.split_seed)

    def _test(self) -> Evaluation:
        if self._test_sets is None:
            return own_test(self._sets, self.classes, self.held_out)
        return other_test(self._test_sets, self._sets.common.all_names(self.classes), self._test_class_map)


def _check_positive(**settings: int | None) -> None:
    for name, value in settings.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} must be positive, got {value}")
