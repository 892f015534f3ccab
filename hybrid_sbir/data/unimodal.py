"""Retrieval within one kind of image: classes held out of training, divided into queries and a catalogue.

:class:`SeenClasses` is what a classifier is trained on, :class:`UnimodalData` what its features are tested on. Both
take the same ``images``, ``held_out`` and ``split_seed``; nothing need be prepared again.
"""

from functools import cached_property
from typing import Any, cast

from hybrid_sbir.batch import RetrievalSet
from hybrid_sbir.data.datamodule import ClassificationData, Part
from hybrid_sbir.data.pairing.classes import hold_out
from hybrid_sbir.data.pairing.evaluations import Evaluation, check_evaluation
from hybrid_sbir.data.pairing.loaders import EvalPart, RetrievalData
from hybrid_sbir.data.pairing.stores import JoinedStore, RelabelledStore
from hybrid_sbir.data.prepared import Prepared
from hybrid_sbir.data.splits import queries_and_catalogue
from hybrid_sbir.data.stores.packed import PackedStore
from hybrid_sbir.data.stores.store import SelectedStore, Store, fingerprint
from hybrid_sbir.data.transforms import CentreView, Transform, preset

_ROLES = ("queries", "catalogue")


class SeenClasses(ClassificationData):
    """Another data set without the classes that are held out for retrieval.

    Attributes:
        held_out: their names.
    """

    def __init__(
        self, images: ClassificationData, held_out: int | list[str], split_seed: int = 0, **options: Any
    ) -> None:
        """Choose the classes; nothing else is read.

        Args:
            images: the data set; only its parts and classes are used.
            held_out: leave out so many of its classes (drawn with ``split_seed``), or these.
            split_seed: not negative.
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.

        Raises:
            ValueError: if a class is unknown or fewer than two are left.
        """
        self._images = images
        self._seen, self.held_out = hold_out(images.classes, held_out, None, split_seed)
        super().__init__(**options)

    def all_classes(self) -> tuple[str, ...]:
        """Return the classes that are not held out."""
        return self._seen

    def open_part(self, part: Part) -> Store:
        """Return one part, of all classes."""
        self._images.drawn_side = self.drawn_side
        return self._images.part(part)


class UnimodalData(RetrievalData):
    """Disjoint queries and catalogue of images of one kind, as in the thesis's zero-shot retrieval (section 4.1.2).

    Attributes:
        classes: names of the classes searched for, by label.
        channels: 1 or 3.
    """

    def __init__(
        self,
        images: ClassificationData,
        *,
        held_out: int | list[str] | None = None,
        split_seed: int = 0,
        queries_per_class: int = 50,
        catalogue_per_class: int = 500,
        batch_size: int = 64,
        size: int = 224,
        channels: int = 1,
        num_workers: int = 2,
        seed: int = 0,
        eval_transform: str = "classification_eval",
        pack: str | None = None,
        pack_side: int | None = None,
    ) -> None:
        """Choose the classes; nothing else is read.

        Args:
            images: the data set; only its parts and classes are used.
            held_out: the classes: so many (drawn with ``split_seed``), or these. By default the parts "queries" and
                "catalogue" of its split are used as they are (QuickDraw: ``split: zero_shot``).
            split_seed: of the classes and of what is drawn from them; not negative.
            queries_per_class: where classes are held out, draw at most so many of each as queries.
            catalogue_per_class: and so many others as the catalogue; smaller classes give both in proportion.
            batch_size: samples a batch and process.
            size: side of the images.
            channels: 1 or 3, as the model takes them.
            num_workers: loading processes of each of both parts.
            seed: of nothing here; evaluation draws no random numbers.
            eval_transform: preset, see ``hybrid_sbir.data.transforms``.
            pack: a folder for decoded images, made at the first use and read ever after.
            pack_side: larger images are packed with this shorter side; by default ``round(size * 256 / 224)``.

        Raises:
            ValueError: if a setting is out of its range, or there are neither such parts nor held-out classes.
        """
        super().__init__(batch_size, num_workers, seed)
        if pack_side is not None and pack_side < 1:
            raise ValueError(f"pack_side must be a positive number of pixels, got {pack_side}")
        self.channels, self._transform = channels, preset(eval_transform, size, channels)
        self._side = pack_side or CentreView.proportional(size).shorter_side
        self._images, self._pack, self._split_seed = images, pack, split_seed
        self._a_class = {"queries": queries_per_class, "catalogue": catalogue_per_class}
        self._drawn = held_out is not None
        self.classes = images.classes if held_out is None else hold_out(images.classes, held_out, None, split_seed)[1]
        _check_source(images, self._drawn, self.classes)

    @property
    def num_classes(self) -> int:
        """The number of classes searched for."""
        return len(self.classes)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over classes, labels, names and order of queries and catalogue."""
        queries, catalogue = self._parts
        return fingerprint(catalogue, fingerprint(queries))

    def setup(self, stage: str) -> None:
        """Open both parts.

        Raises:
            ValueError: if one is empty, or something is to be trained.
        """
        if stage == "fit":
            raise ValueError("UnimodalData has nothing to train on: queries and a catalogue; to train: SeenClasses")
        for evaluation in self.open_evaluations("val" if stage == "validate" else "test"):
            check_evaluation(evaluation)

    def open_evaluations(self, part: EvalPart) -> list[Evaluation]:
        """Return the one evaluation, under the part's name; nothing is tuned on it, so both are the same."""
        return [Evaluation(RetrievalSet(part, self.classes, {}), *self._parts)]

    def eval_transforms(self, part: EvalPart) -> tuple[Transform, Transform]:
        """Return what is done to queries and to photos: the same."""
        return self._transform, self._transform

    @cached_property
    def _parts(self) -> tuple[Store, Store]:
        self._images.drawn_side = self._side
        queries, catalogue = (self._packed(store) for store in (self._draw() if self._drawn else self._given()))
        return queries, catalogue

    def _given(self) -> list[Store]:
        return [self._images.part(cast(Part, role)) for role in _ROLES]

    def _draw(self) -> list[Store]:
        parts: tuple[Part, ...] = ("train", "val") if getattr(self._images, "divided", True) else ("test",)
        whole: list[Store] = [self._images.part(part) for part in parts]
        store = RelabelledStore.restricted(JoinedStore(whole), self.classes)
        rows = queries_and_catalogue(store.labels, self._split_seed, **self._a_class)
        return [SelectedStore(store, rows[role]) for role in _ROLES]

    def _packed(self, store: Store) -> Store:
        return store if self._pack is None else PackedStore(store, self._pack, self._side)


def _check_source(images: ClassificationData, drawn: bool, classes: tuple[str, ...]) -> None:
    if drawn and not classes:
        raise ValueError("held_out names no class; give a number from 1 on, or names")
    if drawn:
        return
    split = images.manifest.splits.get(images.split, {}).get("parts", {}) if isinstance(images, Prepared) else {}
    if not {*_ROLES} <= set(split):
        raise ValueError(
            f"these images ({type(images).__name__}) have no parts 'queries' and 'catalogue', but "
            f"{', '.join(split) or 'only training, validation and test'}; choose a split that has them (QuickDraw: "
            "zero_shot, Sketchy: retrieval), or hold classes out: data.init_args.held_out"
        )
