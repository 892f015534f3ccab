"""Where relevant photos stand in a ranking, ties included. B queries, R relevant photos of each.

Photos with one score have no order among themselves, and which one a sorting routine puts first (by position, by name,
by chance) is no property of the embeddings. So the group they form is what counts, and a policy says what it is worth:

- "expected": the mean over all orders of each group (McSherry and Najork, ECIR 2008). The same for any order of the
  catalogue; a model that gives every photo one score gets what chance gives. The default.
- "best" and "worst": relevant photos first or last in each group: the bounds of what any order gives.

For comparison: trec_eval (and with it ir-measures and pytrec-eval) rounds scores to float32 and puts the larger
document name first; ranx leaves the order to its sort.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from hybrid_sbir.metrics.streaming import Block
from hybrid_sbir.metrics.summation import ordered_sum

Ties = Literal["expected", "best", "worst"]
TIES: tuple[str, ...] = get_args(Ties)
_EXPLICIT = 32  # terms of a harmonic sum that are added one by one
_NEGLIGIBLE = 2.0**-60  # a probability


@dataclass(frozen=True)
class Places:
    """Groups of photos with one score, a relevant photo an entry: each (B, R) in float64 unless said otherwise.

    Attributes:
        valid: whether there is such a photo; a row's valid entries come first, with ascending scores. Bool.
        relevant: how many relevant photos the query has, (B,), int64.
        above: photos with a higher score.
        equal: photos with this score, itself among them.
        relevant_above: relevant photos with a higher score.
        relevant_equal: relevant photos with this score.
    """

    valid: Tensor
    relevant: Tensor
    above: Tensor
    equal: Tensor
    relevant_above: Tensor
    relevant_equal: Tensor

    @classmethod
    def of(cls, block: Block) -> "Places":
        """Read them from what was counted."""
        valid = block.levels.isfinite()
        relevant = valid.sum(dim=1)
        to = torch.searchsorted(block.levels, block.levels, right=True)
        since = torch.searchsorted(block.levels, block.levels)

        def known(counts: Tensor, otherwise: int) -> Tensor:
            return counts.where(valid, otherwise).double()

        return cls(
            valid,
            relevant,
            known(block.above, 0),
            known(block.not_below - block.above, 1),
            known(relevant[:, None] - to, 0),
            known(to - since, 1),
        )

    def tied(self) -> Tensor:
        """How many relevant photos share their score with one that is not relevant, (B,), int64."""
        return (self.equal > self.relevant_equal).sum(dim=1)

    def resolved(self, ties: Ties) -> "Places":
        """Apply a policy: "best" and "worst" leave groups of one photo."""
        if ties == "expected":
            return self
        # A group's relevant photos differ in nothing; numbered from the right, the last entry is still the first photo.
        last = self.relevant[:, None] - self.relevant_above - 1
        number = (last - torch.arange(self.valid.shape[1], device=last.device)).where(self.valid, 0.0)
        others = self.equal - self.relevant_equal if ties == "worst" else 0.0
        one = torch.ones_like(self.equal)
        return Places(self.valid, self.relevant, self.above + others + number, one, self.relevant_above + number, one)

    def precisions(self, first: int | None = None) -> Tensor:
        """Sum of the precision at each relevant photo, of those among the ``first`` photos only if given, (B,)."""
        at = (self.relevant_above + 1) / (self.above + 1)
        if first is not None:
            at *= self.above < first
        tied = self.valid & (self.equal > 1)
        if tied.any():
            at[tied] = _tied_precision(
                self.above[tied], self.equal[tied], self.relevant_above[tied], self.relevant_equal[tied], first
            )
        return ordered_sum(at * self.valid)

    def hits(self, first: int) -> Tensor:
        """How many relevant photos are among the ``first`` ones, (B,)."""
        return ordered_sum(((first - self.above) / self.equal).clamp_(0, 1) * self.valid)

    def reciprocal(self) -> Tensor:
        """One over the place of the first relevant photo, (B,); where there is none, a number of no meaning."""
        top = (self.relevant - 1).clamp_(min=0)[:, None]
        above, equal, relevant = (n.gather(1, top)[:, 0] for n in (self.above, self.equal, self.relevant_equal))
        value = 1 / (above + 1)
        tied = equal > relevant
        if tied.any():
            value[tied] = _tied_reciprocal(above[tied], equal[tied], relevant[tied])
        return value


def _tied_precision(
    above: Tensor, equal: Tensor, relevant_above: Tensor, relevant_equal: Tensor, first: int | None
) -> Tensor:
    """Expected precision at a photo that stands anywhere in its group with one probability; 0 behind ``first``.

    At the group's i-th place it is (relevant_above + 1 + (i - 1) s) / (above + i), where s is the share of relevant
    photos among the others of the group.
    """
    counted = equal if first is None else (first - above).clamp(min=0).minimum(equal)
    share = (relevant_equal - 1) / (equal - 1)
    sums = harmonic(above, counted)
    return ((relevant_above + 1) * sums + share * (counted - (above + 1) * sums)) / equal


def _tied_reciprocal(above: Tensor, equal: Tensor, relevant: Tensor) -> Tensor:
    """Expected 1 / place of the first of a group's relevant photos; each (M,).

    The first i places hold none with a probability that falls by the factor 1 - relevant / (equal - i) at each step.
    """
    value, none_yet = torch.zeros_like(above), torch.ones_like(above)
    start = 0
    while bool((none_yet > 0).any()):
        step = torch.arange(start, start + 256, device=above.device, dtype=above.dtype)
        chance = (relevant[:, None] / (equal[:, None] - step).clamp_(min=1)).clamp_(max=1)
        after = none_yet[:, None] * (1 - chance).cumprod(dim=1)
        before = torch.cat([none_yet[:, None], after[:, :-1]], dim=1)
        value += ordered_sum(before * chance / (above[:, None] + step + 1))
        none_yet = after[:, -1].where(after[:, -1] > _NEGLIGIBLE, 0.0)
        start += 256
    return value


def harmonic(start: Tensor, count: Tensor) -> Tensor:
    """Sum of 1 / (start + i) for i from 1 to ``count``: the first terms one by one, the others by Euler and Maclaurin.

    A difference of two digamma functions would lose the digits that a small group far down the ranking needs.
    """
    total = torch.zeros_like(start)
    for i in range(1, _EXPLICIT + 1):
        total += (1 / (start + i)) * (count >= i)
    rest = (count - _EXPLICIT).clamp(min=0)
    low = start + (_EXPLICIT + 1)
    high = low + rest
    powers = [low**-n - high**-n for n in (2, 4, 6)]
    series = powers[0] / 12 - powers[1] / 120 + powers[2] / 252
    return total + (rest / low).log1p() + rest / (2 * low * high) + series
