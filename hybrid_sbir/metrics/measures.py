"""Ranking metrics by name: what each is, down to its divisor.

Published numbers called "mAP@200" are divided by three or four different things, a factor of six apart on one ranking,
so a metric cut off at K has no name here without its divisor. B queries; R relevant photos of a query in the whole
catalogue; K the cut-off.

- ``ap``: the precision at each relevant photo of the whole ranking, summed, over R (trec_eval, scikit-learn).
- ``rr``: 1 / place of the first relevant photo.
- ``p@K``: the relevant photos among the first K, over K (trec_eval, also where the catalogue is smaller).
  ``p@K/min(R,K)``: over what is possible.
- ``ap@K/R``: the precision at each relevant photo among the first K, summed, over R (trec_eval's map_cut, ranx).
  ``ap@K/K``, ``ap@K/min(R,K)``: over K, over what is possible. ``ap@K/hits``: over the relevant photos among the first
  K, which rewards finding few (torchmetrics); under expected ties the ratio of both expectations; 0 without a hit.
"""

import re
from dataclasses import dataclass

from torch import Tensor

from hybrid_sbir.metrics.places import Places

_NAME = re.compile(r"(ap|rr|p)(?:@([1-9][0-9]*))?(?:/(.+))?")
_ALLOWED = "ap, rr, p@K, p@K/min(R,K), ap@K/R, ap@K/K, ap@K/min(R,K), ap@K/hits, with a whole number for K"
# kind, whether it is cut off -> divisors
_DIVISORS: dict[tuple[str, bool], tuple[str | None, ...]] = {
    ("ap", False): (None,),
    ("rr", False): (None,),
    ("p", True): (None, "min(R,K)"),
    ("ap", True): ("R", "K", "min(R,K)", "hits"),
}


@dataclass(frozen=True)
class Measure:
    """A metric of one query's ranking.

    Attributes:
        name: as it was asked for.
        kind: "ap", "rr" or "p".
        first: K, or None for the whole ranking.
        divisor: as in the name.
    """

    name: str
    kind: str
    first: int | None
    divisor: str | None

    @classmethod
    def named(cls, name: str) -> "Measure":
        """Read a name.

        Raises:
            ValueError: if it is none of the module's.
        """
        found = _NAME.fullmatch(name)
        kind, first, divisor = found.groups() if found else ("", None, None)
        if divisor not in _DIVISORS.get((kind, first is not None), ()):
            raise ValueError(f"there is no metric '{name}'; there are {_ALLOWED}")
        return cls(name, kind, int(first) if first else None, divisor)

    def of(self, places: Places) -> Tensor:
        """Compute it for each query, (B,), float64; NaN for a query without a relevant photo."""
        value = places.reciprocal() if self.kind == "rr" else self._sum(places) / self._divisor(places)
        if self.divisor == "hits":
            value = value.nan_to_num(0.0)
        return value.where(places.relevant > 0, float("nan"))

    def _sum(self, places: Places) -> Tensor:
        if self.kind == "p" and self.first is not None:
            return places.hits(self.first)
        return places.precisions(self.first)

    def _divisor(self, places: Places) -> Tensor | int:
        if self.first is None:
            return places.relevant
        if self.divisor in (None, "K"):
            return self.first
        if self.divisor == "hits":
            return places.hits(self.first)
        return places.relevant if self.divisor == "R" else places.relevant.clamp(max=self.first)


def measures(names: tuple[str, ...]) -> list[Measure]:
    """Read several names.

    Raises:
        ValueError: if one is unknown, one comes twice, or there is none.
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(f"metrics are {list(names)}; give at least one, and each once, of {_ALLOWED}")
    return [Measure.named(name) for name in names]
