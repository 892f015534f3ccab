"""Values of all queries as they come, a block of queries at a time. Q queries."""

from typing import Literal

import torch
from torch import Tensor

from hybrid_sbir.metrics.measures import Measure
from hybrid_sbir.metrics.places import Places, Ties
from hybrid_sbir.metrics.similarity import Similarity
from hybrid_sbir.metrics.streaming import Block
from hybrid_sbir.metrics.values import RankingValues


class Findings:
    """Gathers blocks into :class:`RankingValues`.

    Args:
        queries: Q.
        asked: what to compute.
        photos: size of the catalogue.
        ties: what a tie counts as.
    """

    def __init__(self, queries: int, asked: list[Measure], photos: int, ties: Ties) -> None:
        self._asked, self._photos, self._ties = asked, photos, ties
        self._values = {each.name: torch.full((queries,), torch.nan, dtype=torch.float64) for each in asked}
        self._relevant, self._tied = (torch.zeros(queries, dtype=torch.int64) for _ in range(2))
        self._undecided = torch.zeros(queries, dtype=torch.bool)

    def take(self, block: Block) -> None:
        """Add a block that was counted over the whole catalogue."""
        rows, places = block.rows.cpu(), Places.of(block)
        self._relevant[rows] = places.relevant.cpu()
        self._tied[rows] = places.tied().cpu()
        ranked = self._photos - (block.excluded >= 0).long()
        self._undecided[rows] = ((places.equal == ranked[:, None]) & places.valid).any(dim=1).cpu()
        resolved = places.resolved(self._ties)
        for each in self._asked:
            self._values[each.name][rows] = each.of(resolved).cpu()

    def values(self, labels: Tensor, similarity: Similarity | Literal["given"]) -> RankingValues:
        """Return what was found; ``labels`` are the queries' classes, (Q,), int64."""
        own = (self._values, labels.cpu(), self._relevant, self._tied, self._undecided, self._photos)
        return RankingValues(*own, similarity, self._ties)
