"""An epoch's rows shared out over processes: what a sampler yields.

N sketches, R rows of an epoch, B rows of a batch and process, W processes, K sketches of a class in a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hybrid_sbir.data.loading.sampler import EpochSampler
from hybrid_sbir.data.pairing.rows import Pool, draw_classes, draw_pairs, draw_triplets, with_pseudo_sketches

Sampling = Literal["pairs", "pairs_by_parity", "triplets", "classes"]
"""One pair a sketch and epoch (``pairs_by_parity``: as published), one triplet, or batches of P x K."""


@dataclass(frozen=True)
class Draws:
    """How an epoch is drawn.

    Attributes:
        pool: sketches and photos.
        sampling: what a row is.
        seed: not negative.
        batch_size: B.
        world_size: W.
        per_class: K, for ``classes``.
        pseudo_sketches: share of sketches that are edge maps of photos.

    Raises:
        ValueError: if there are too few samples or classes for batches of P x K.
    """

    pool: Pool
    sampling: Sampling = "pairs"
    seed: int = 0
    batch_size: int = 64
    world_size: int = 1
    per_class: int = 8
    pseudo_sketches: float = 0.0

    def __post_init__(self) -> None:
        if self.sampling == "classes":
            self._check_classes()

    def __len__(self) -> int:
        """R: as many as there are sketches; of whole batches for all processes in ``classes``."""
        sketches, together = len(self.pool.sketches.labels), self.batch_size * self.world_size
        return sketches // together * together if self.sampling == "classes" else sketches

    def rows(self, epoch: int) -> np.ndarray:
        """Return the epoch's rows, (R, 2), of triplets (R, 3), int64, the same in all processes."""
        rows = self._drawn(epoch)
        if not self.pseudo_sketches:
            return rows
        window = self.batch_size * self.world_size
        return with_pseudo_sketches(rows, self.pool, self.seed, epoch, self.pseudo_sketches, window)

    @property
    def stripe(self) -> int:
        """How many consecutive rows stay in one process: a positive with a negative pair; a batch of P x K."""
        return {"triplets": 1, "classes": self.batch_size}.get(self.sampling, 2)

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide on the rows."""
        named = {"sampling": self.sampling, "pseudo_sketches": self.pseudo_sketches}
        return named | ({"per_class": self.per_class} if self.sampling == "classes" else {})

    def _drawn(self, epoch: int) -> np.ndarray:
        if self.sampling == "triplets":
            return draw_triplets(self.pool, self.seed, epoch)
        if self.sampling != "classes":
            return draw_pairs(self.pool, self.seed, epoch, by_parity=self.sampling == "pairs_by_parity")
        own = self.batch_size // self.per_class
        window = own * self.world_size if own * self.world_size <= self.pool.num_classes else own
        return draw_classes(self.pool, self.seed, epoch, len(self) // self.per_class, window, self.per_class)

    def _check_classes(self) -> None:
        classes, k = self.batch_size // self.per_class, self.per_class
        if self.batch_size % k or classes > self.pool.num_classes:
            raise ValueError(
                f"sampling: classes fills a batch of {self.batch_size} with {k} sketches a class; give a batch_size "
                f"that is a multiple of per_class and at most {self.pool.num_classes * k} ({self.pool.num_classes} "
                "training classes)"
            )
        for what, members in (("sketches", self.pool.sketches), ("photos", self.pool.photos)):
            fewest = int(members.counts.min())
            if fewest < k:
                few = int((members.counts < k).sum())
                raise ValueError(
                    f"sampling: classes takes {k} different {what} of a class; {few} of the training classes have "
                    f"fewer, one only {fewest}: lower per_class, or leave these classes out"
                )


class DrawSampler(EpochSampler):
    """Yield one process's keys ``(epoch, place, sketch, photo...)``; ``place`` is the row's number in the epoch.

    All processes draw the same rows and take turns by stripes. Where there are several, the last rows of an epoch are
    left out so that all make equally many steps.

    Attributes:
        draws: what is drawn.
    """

    def __init__(self, draws: Draws, rank: int = 0) -> None:
        super().__init__(len(draws), seed=draws.seed, shuffle=True, rank=rank, world_size=draws.world_size)
        self.draws = draws

    def __len__(self) -> int:
        return len(self._places())

    def __iter__(self) -> Iterator[tuple[int, ...]]:  # type: ignore[override]
        epoch, start = self.epoch, self.start
        self.start = 0
        places = self._places()[start:]
        for place, row in zip(places.tolist(), self.draws.rows(epoch)[places].tolist(), strict=True):
            yield epoch, place, *row

    def _places(self) -> np.ndarray:
        together = self.draws.stripe * self.world_size
        places = np.arange(self.length - self.length % together if self.world_size > 1 else self.length)
        return places[places // self.draws.stripe % self.world_size == self.rank]
