"""A photo that was found, and which photos a query asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import NamedTuple


class Hit(NamedTuple):
    """A photo that was found.

    Attributes:
        rank: from 1.
        id: the photo's id in the catalogue.
        score: what it is ranked by: the cosine or, re-ranked, a score of 0 at most.
        cosine: of the query's and the photo's vectors, -1 to 1.
    """

    rank: int
    id: str
    score: float
    cosine: float = float("nan")

    @property
    def label(self) -> str:
        """The folder that the photo lies in, which often names its class; empty if it lies in none."""
        return self.id.rpartition("/")[0].rpartition("/")[2]


@dataclass(frozen=True)
class Wanted:
    """Which photos a query asks for, and how many.

    Attributes:
        k: how many at most, from 1 on.
        threshold: leave out photos whose cosine is lower.
        within: leave out photos whose id does not begin with this, or with one of these, such as ``birds/``.
    """

    k: int
    threshold: float | None = None
    within: tuple[str, ...] = ()

    @classmethod
    def of(cls, k: int, threshold: float | None, within: str | Sequence[str]) -> "Wanted":
        """Check what is asked for.

        Raises:
            ValueError: if K is no whole number or below 1, the threshold is no cosine, or a prefix is no text.
        """
        if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
            raise ValueError(f"{k!r} photos were asked for; give 1 or more")
        if threshold is not None and not (isinstance(threshold, Real) and -1 <= threshold <= 1):
            raise ValueError(f"the threshold is {threshold!r}; give a cosine, -1 to 1")
        prefixes = (within,) if isinstance(within, str) else within
        if not isinstance(prefixes, Sequence) or not all(isinstance(prefix, str) for prefix in prefixes):
            raise ValueError(f"within is {within!r}; give the beginning of an id, such as birds/, or several")
        return cls(int(k), threshold, tuple(prefix for prefix in prefixes if prefix))

    def admits(self, photo: str) -> bool:
        """Whether a photo's id is asked for."""
        return not self.within or photo.startswith(self.within)
