"""The model behind a bounded queue: sketches are read by threads of their own, then go through it in batches."""

import asyncio
import logging
import math
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hybrid_sbir.search import Hit, SketchSearch
from hybrid_sbir.search.catalogue import Entry
from hybrid_sbir.search.manifest import IndexProblem
from hybrid_sbir.serving.batches import Batches
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import Meters
from hybrid_sbir.serving.problems import Refused
from hybrid_sbir.serving.queries import Query

LOG = logging.getLogger("hybrid_sbir.serving")
_PREPARING = 2  # threads
_UNNAMED = re.compile(r"^<[\d,]+ bytes>: (unreadable: )?")  # what a file is called that came without a name


@dataclass
class Found:
    """What a query found.

    Attributes:
        hits: the photos, nearest first.
        search: the index it was found in.
        milliseconds: a stage each: prepare, queue, embed, search.
    """

    hits: list[Hit]
    search: SketchSearch
    milliseconds: dict[str, float]


class Engine:
    """Answers queries of an index that may be exchanged while it does.

    Args:
        search: the index.
        limits: how many may wait, and go together.
        meters: what is counted.
        threads: of the model.

    Attributes:
        search: the index that new queries are searched in.
    """

    def __init__(self, search: SketchSearch, limits: Limits, meters: Meters, threads: int = 1) -> None:
        self.search, self._limits, self._meters = search, limits, meters
        self._preparing = ThreadPoolExecutor(_PREPARING, "prepare", torch.set_num_threads, (1,))
        self._explaining = ThreadPoolExecutor(1, "explain", torch.set_num_threads, (1,))
        self._batches = Batches(limits, meters, threads)
        self._admitted = self._refined = 0
        self._known: tuple[SketchSearch | None, dict[str, Entry]] = (None, {})

    @property
    def admitted(self) -> int:
        """How many queries are not answered yet."""
        return self._admitted

    def entry(self, photo: str) -> Entry | None:
        """Return what the index says of a photo, None if it has none of that id."""
        search = self.search
        if self._known[0] is not search:
            self._known = search, {entry.id: entry for entry in search.photos}
        return self._known[1].get(photo)

    async def warm_up(self) -> None:
        """Answer a blank sketch: the first forward pass takes a hundred times as long as all others."""
        with suppress(Refused):  # where the store does not answer just now, everybody is told so later
            await self.find(Query([np.zeros((2, 1))]))

    async def find(self, query: Query) -> Found:
        """Find the photos nearest to a sketch.

        Raises:
            Refused: if too many wait already, the sketch cannot be used, or the index's store does not answer.
        """
        return await self._admit(self._find, query)

    async def explain(self, query: Query) -> bytes:
        """Draw where the model looks in a sketch: a PNG file. It waits as queries do, and does not hold them up.

        Raises:
            Refused: if too many wait already, the sketch cannot be used, or the model has no attention.
        """

        async def explained(query: Query) -> bytes:
            try:
                return await self._timed("explain", self._explaining, self.search.explain, query.sketch)
            except ValueError as problem:
                raise Refused(422, f"this cannot be explained: {_UNNAMED.sub('', str(problem))}") from None

        return await self._admit(explained, query)

    async def _admit(self, answer: Callable[[Query], Any], query: Query) -> Any:
        refined = query.options.refined and answer == self._find
        if self._admitted >= self._limits.queue or (refined and self._refined >= self._limits.refining):
            raise self._full()
        self._admitted += 1
        self._refined += refined
        self._meters.waiting.set(self._admitted)
        try:
            return await answer(query)
        finally:
            self._admitted -= 1
            self._refined -= refined
            self._meters.waiting.set(self._admitted)

    def _full(self) -> Refused:
        self._meters.rejected.labels("queue_full").inc()
        later = max(1, math.ceil(self._admitted * self._batches.pace))
        return Refused(
            503, f"{self._admitted} queries wait already; try again in {later} s", {"Retry-After": str(later)}
        )

    async def _find(self, query: Query) -> Found:
        search, start = self.search, time.perf_counter()
        try:
            prepared = await self._timed("prepare", self._preparing, search.prepare, query.sketch)
        except ValueError as problem:
            raise Refused(422, f"this sketch cannot be used: {_UNNAMED.sub('', str(problem))}") from None
        prepare = {"prepare": (time.perf_counter() - start) * 1e3}
        try:
            hits, job = await self._batches.found(search, prepared, query.options)
        except (OSError, IndexProblem) as problem:  # of a store on another machine, TimeoutError included
            LOG.error("the index cannot be searched now: %s", str(problem) or type(problem).__name__)
            raise Refused(
                503,
                "the index cannot be searched now, the server's log says why; try again later",
                {"Retry-After": "5"},
            ) from None
        except ValueError as problem:
            if query.options.refined:  # of a store that keeps its vectors elsewhere
                raise Refused(422, str(problem)) from None
            raise
        return Found(hits, search, prepare | job.milliseconds)

    async def _timed(self, stage: str, pool: ThreadPoolExecutor, work: Callable[..., Any], *given: Any) -> Any:
        start = time.perf_counter()
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work, *given)
        finally:
            self._meters.stage_seconds.labels(stage).observe(time.perf_counter() - start)

    def close(self) -> None:
        """End the threads; what they are at is finished first."""
        for pool in (self._preparing, self._explaining):
            pool.shutdown(cancel_futures=True)
        self._batches.close()
