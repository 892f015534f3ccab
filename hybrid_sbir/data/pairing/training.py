"""The training part of two matched sets: what is drawn from, and what the numbers of a row mean."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from hybrid_sbir.data.pairing.draws import Sampling
from hybrid_sbir.data.pairing.matched import MatchedSets
from hybrid_sbir.data.pairing.rows import Members, Pool
from hybrid_sbir.data.pairing.stores import JoinedStore, own_photos
from hybrid_sbir.data.stores.store import Store

Level = Literal["class", "instance"]
"""What makes a pair positive: the class, or the photo that the sketch was drawn from."""


@dataclass(frozen=True)
class Drawing:
    """How training is drawn.

    Attributes:
        sampling: what a row is.
        per_class: sketches (and photos) of each class in a batch, for ``classes``.
        level: what makes a pair positive.
        pseudo_sketches: share of sketches that are edge maps of photos.

    Raises:
        ValueError: if a setting is out of its range.
    """

    sampling: Sampling = "pairs"
    per_class: int = 8
    level: Level = "class"
    pseudo_sketches: float = 0.0

    def __post_init__(self) -> None:
        for name, value, kinds in (("sampling", self.sampling, Sampling), ("level", self.level, Level)):
            if value not in (known := get_args(kinds)):
                raise ValueError(f"{name} is '{value}'; it can be {', '.join(known)}")
        if self.per_class < 1 or not 0 <= self.pseudo_sketches <= 1:
            raise ValueError(
                f"per_class must be positive and pseudo_sketches a share from 0 to 1, got {self.per_class} and "
                f"{self.pseudo_sketches}"
            )

    def identity(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)


class TrainingPart:
    """Training sketches and photos of the classes trained with.

    Attributes:
        sketches: the sketches.
        photos: the photos.
        drawing: how they are drawn.
    """

    def __init__(self, sets: MatchedSets, classes: Sequence[str], drawing: Drawing) -> None:
        self.sketches = sets.part("sketch", classes, "train")
        self.photos = sets.part("photo", classes, "train")
        self.drawing = drawing
        self._sets, self._classes = sets, classes

    @cached_property
    def numbered(self) -> Store:
        """The sketches and, where there are pseudo-sketches, an edge map of each photo after them."""
        if not self.drawing.pseudo_sketches:
            return self.sketches
        return JoinedStore([self.sketches, self._sets.edges(self._classes)])

    @cached_property
    def pool(self) -> Pool:
        """What rows are drawn from.

        Raises:
            ValueError: if a class has no training sketch or no training photo, or photos are to be those that sketches
                were drawn from and no name says which.
        """
        sketches, photos = (Members(store.labels, len(self._classes)) for store in (self.sketches, self.photos))
        for what, each in (("sketches", sketches), ("photos", photos)):
            empty = [self._classes[label] for label in np.flatnonzero(each.counts == 0).tolist()]
            if empty:
                raise ValueError(
                    f"{len(empty)} of {len(self._classes)} classes have no training {what}: {', '.join(empty[:5])}; "
                    "add some, or leave these classes out (held_out, or the source's own 'classes')"
                )
        own = own_photos(self.sketches, self.photos) if self.drawing.level == "instance" else None
        return Pool(sketches, photos, own)
