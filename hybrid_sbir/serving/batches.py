"""Queries that come at the same time go through the model together, and are searched without holding each other up.

While the model works on one batch, what comes in makes the next one; nobody waits for company. One thread belongs to
the model and to searching in memory. What takes longer than that (a second look at what was found, a store on another
machine) has a thread of its own, so that the others pass it by. Q queries, E embedding size, (C, S, S) what the model
is given.
"""

import asyncio
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
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import Meters
from hybrid_sbir.serving.queries import Options


@dataclass
class Job:
    """A sketch on its way.

    Attributes:
        search: the index it is searched in.
        prepared: the sketch, (C, S, S).
        options: how it is searched.
        done: what it found.
        since: when it came, s.
        milliseconds: a stage each: queue, embed, search.
    """

    search: SketchSearch
    prepared: Tensor
    options: Options
    done: asyncio.Future[list[Hit]]
    since: float = field(default_factory=time.perf_counter)
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[Any, ...]:
        """Jobs of one kind can go through the model together."""
        return id(self.search), tuple(self.options.scales), self.options.mirror


class Batches:
    """Jobs, taken in the order they came in.

    Args:
        limits: how many go together, how long a store on another machine may take.
        meters: what is counted.
        threads: of the model.

    Attributes:
        pace: seconds a query took lately.
    """

    def __init__(self, limits: Limits, meters: Meters, threads: int) -> None:
        self._limits, self._meters, self.pace = limits, meters, 0.02
        self._modelling = ThreadPoolExecutor(1, "model", torch.set_num_threads, (threads,))
        self._looking = ThreadPoolExecutor(1, "look", torch.set_num_threads, (1,))
        self._jobs: deque[Job] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._apart: set[asyncio.Task[None]] = set()

    async def found(self, search: SketchSearch, prepared: Tensor, options: Options) -> tuple[list[Hit], Job]:
        """Return what a sketch (C, S, S) found, and how long its stages took.

        Raises:
            TimeoutError: if a store on another machine took too long.
        """
        job = Job(search, prepared, options, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        return await job.done, job

    async def _run(self) -> None:
        """Give the model batch after batch until none is left."""
        while self._jobs:
            if not (jobs := self._next_batch()):
                continue
            start = time.perf_counter()
            for job in jobs:
                self._took(job, "queue", start - job.since)
            self._meters.batch_size.observe(len(jobs))
            try:
                vectors = await self._in(self._modelling, _embed, jobs)
            except Exception as problem:  # every one of them learns of it; the queue goes on
                _fail(jobs, problem)
                continue
            for job in jobs:
                self._took(job, "embed", time.perf_counter() - start)
            await self._share_out(jobs, vectors)
            self.pace += 0.1 * ((time.perf_counter() - start) / len(jobs) - self.pace)

    def _next_batch(self) -> list[Job]:
        """Take the jobs that go with the oldest one; those whose callers have left are dropped."""
        waiting = [job for job in self._jobs if not job.done.done()]
        batch = [job for job in waiting if job.kind == waiting[0].kind][: self._limits.batch]
        taken = set(map(id, batch))
        self._jobs = deque(job for job in waiting if id(job) not in taken)
        return batch

    async def _share_out(self, jobs: list[Job], vectors: np.ndarray) -> None:
        """Search here what is quick, (Q, E), and apart what is not: second looks one by one."""
        plain = [row for row, job in enumerate(jobs) if not job.options.refined]
        for row, job in enumerate(jobs):
            if job.options.refined:
                self._go_apart([job], vectors[row : row + 1])
        if plain and jobs[0].search.manifest.store.get("kind") == "milvus":
            self._go_apart([jobs[row] for row in plain], vectors[plain])
        elif plain:
            await self._search(self._modelling, [jobs[row] for row in plain], vectors[plain])

    def _go_apart(self, jobs: list[Job], vectors: np.ndarray) -> None:
        task = asyncio.create_task(self._search(self._looking, jobs, vectors, self._limits.store_seconds))
        self._apart.add(task)
        task.add_done_callback(self._apart.discard)

    async def _search(
        self, pool: ThreadPoolExecutor, jobs: list[Job], vectors: np.ndarray, seconds: float | None = None
    ) -> None:
        start = time.perf_counter()
        try:
            async with asyncio.timeout(seconds):
                hits = await self._in(pool, _find, jobs, vectors)
        except Exception as problem:
            _fail(jobs, problem)
            return
        for job, found in zip(jobs, hits, strict=True):
            self._took(job, "search", time.perf_counter() - start)
            if not job.done.done():
                job.done.set_result(found[: job.options.k])

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *given)

    def _took(self, job: Job, stage: str, seconds: float) -> None:
        job.milliseconds[stage] = seconds * 1e3
        self._meters.stage_seconds.labels(stage).observe(seconds)

    def close(self) -> None:
        """End the threads; what they are at is finished first."""
        for pool in (self._modelling, self._looking):
            pool.shutdown(cancel_futures=True)


def _embed(jobs: list[Job]) -> np.ndarray:
    options, sketches = jobs[0].options, torch.stack([job.prepared for job in jobs])
    return jobs[0].search.encoder.embed(sketches, "sketch", scales=options.scales, mirror=options.mirror)


def _find(jobs: list[Job], vectors: np.ndarray) -> Sequence[list[Hit]]:
    if all(job.done.done() for job in jobs):  # the callers have left while others were looked for
        return [[]] * len(jobs)
    most, options = max(job.options.k for job in jobs), jobs[0].options
    return jobs[0].search.find(vectors, most, expand=options.expand, rerank=options.rerank)


def _fail(jobs: list[Job], problem: Exception) -> None:
    for job in jobs:
        if not job.done.done():
            job.done.set_exception(problem)
