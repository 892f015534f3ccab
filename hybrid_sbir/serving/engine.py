"""The model behind a bounded queue: queries that come at the same time go through it together.

While the model works on one batch, what comes in makes the next one; nobody waits for company. One thread belongs to
the model, others decode and draw sketches. Q queries, E embedding size, (C, S, S) what the model is given.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hybrid_sbir.search import Hit, SketchSearch
from hybrid_sbir.search.catalogue import Entry
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import Meters
from hybrid_sbir.serving.problems import Refused
from hybrid_sbir.serving.queries import Options, Query

_PREPARING = 2  # threads


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


@dataclass
class _Job:
    search: SketchSearch
    prepared: Tensor
    options: Options
    done: asyncio.Future[Found]
    since: float
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[Any, ...]:
        """Jobs of one kind can go through the model together."""
        return (
            id(self.search),
            tuple(self.options.scales),
            self.options.mirror,
            self.options.rerank,
            self.options.expand,
        )


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
        self._modelling = ThreadPoolExecutor(1, "model", torch.set_num_threads, (threads,))
        self._jobs: deque[_Job] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._admitted = 0
        self._known: tuple[SketchSearch | None, dict[str, Entry]] = (None, {})
        self._pace = 0.02  # seconds a query took lately

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
        await self.find(Query([np.zeros((2, 1))]))

    async def find(self, query: Query) -> Found:
        """Find the photos nearest to a sketch.

        Raises:
            Refused: if too many wait already, or the sketch cannot be used.
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
                raise Refused(422, f"this cannot be explained: {problem}") from None

        return await self._admit(explained, query)

    async def _admit(self, answer: Callable[[Query], Any], query: Query) -> Any:
        if self._admitted >= self._limits.queue:
            self._meters.rejected.labels("queue_full").inc()
            later = max(1, math.ceil(self._admitted * self._pace))
            raise Refused(
                503, f"{self._admitted} queries wait already; try again in {later} s", {"Retry-After": str(later)}
            )
        self._admitted += 1
        self._meters.waiting.set(self._admitted)
        try:
            return await answer(query)
        finally:
            self._admitted -= 1
            self._meters.waiting.set(self._admitted)

    async def _find(self, query: Query) -> Found:
        search, start = self.search, time.perf_counter()
        try:
            prepared = await self._timed("prepare", self._preparing, search.prepare, query.sketch)
        except ValueError as problem:
            raise Refused(422, f"this sketch cannot be used: {problem}") from None
        now = time.perf_counter()
        job = _Job(search, prepared, query.options, asyncio.get_running_loop().create_future(), now)
        job.milliseconds["prepare"] = (now - start) * 1e3
        self._jobs.append(job)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        try:
            return await job.done
        except ValueError as problem:
            if query.options.rerank or query.options.expand:  # of a store that keeps its vectors elsewhere
                raise Refused(422, str(problem)) from None
            raise

    async def _timed(self, stage: str, pool: ThreadPoolExecutor, work: Callable[..., Any], *given: Any) -> Any:
        start = time.perf_counter()
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work, *given)
        finally:
            self._meters.stage_seconds.labels(stage).observe(time.perf_counter() - start)

    async def _run(self) -> None:
        """Give the model batch after batch until none is left."""
        while self._jobs:
            jobs = self._next_batch()
            if not jobs:
                continue
            start = time.perf_counter()
            founds: Sequence[Found | Exception]
            try:
                founds = await asyncio.get_running_loop().run_in_executor(self._modelling, self._batch, jobs)
            except Exception as problem:  # every one of them learns of it; the queue goes on
                founds = [problem] * len(jobs)
            self._pace += 0.1 * ((time.perf_counter() - start) / len(jobs) - self._pace)
            for job, found in zip(jobs, founds, strict=True):
                if job.done.cancelled():
                    continue
                if isinstance(found, Exception):
                    job.done.set_exception(found)
                else:
                    job.done.set_result(found)

    def _next_batch(self) -> list[_Job]:
        """Take the jobs that go with the oldest one; those whose callers have left are dropped."""
        waiting = [job for job in self._jobs if not job.done.cancelled()]
        batch = [job for job in waiting if job.kind == waiting[0].kind][: self._limits.batch]
        taken = set(map(id, batch))
        self._jobs = deque(job for job in waiting if id(job) not in taken)
        return batch

    def _batch(self, jobs: list[_Job]) -> list[Found]:
        """Embed and search, in the model's thread."""
        search, options = jobs[0].search, jobs[0].options
        start = time.perf_counter()
        vectors = search.encoder.embed(
            torch.stack([job.prepared for job in jobs]), "sketch", scales=options.scales, mirror=options.mirror
        )
        embedded = time.perf_counter()
        most = max(job.options.k for job in jobs)
        hits = search.find(vectors, most, expand=options.expand, rerank=options.rerank)
        end = time.perf_counter()
        self._meters.batch_size.observe(len(jobs))
        stages = {"embed": embedded - start, "search": end - embedded}
        for job in jobs:
            for stage, seconds in {**stages, "queue": start - job.since}.items():
                job.milliseconds[stage] = seconds * 1e3
                self._meters.stage_seconds.labels(stage).observe(seconds)
        return [Found(found[: job.options.k], search, job.milliseconds) for job, found in zip(jobs, hits, strict=True)]

    def close(self) -> None:
        """End the threads; what they are at is finished first."""
        for pool in (self._preparing, self._explaining, self._modelling):
            pool.shutdown(cancel_futures=True)
