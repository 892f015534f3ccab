"""The verb that makes an index of photos, or brings one up to date."""

import os
from pathlib import Path

from hybrid_sbir.folder_lock import lock, unlock
from hybrid_sbir.search import stores
from hybrid_sbir.search.building.assembling import Outcome, assemble
from hybrid_sbir.search.building.job import Job, make_job
from hybrid_sbir.search.building.plan import Plan, read_plan
from hybrid_sbir.search.building.recall_sketches import sketch_queries
from hybrid_sbir.search.building.stopping import ending_on_signals


def index(
    *,
    out: Path,
    model: Path | None = None,
    photos: Path | None = None,
    store: str | None = None,
    recall_sketches: Path | None = None,
    scales: list[float] | None = None,
    mirror: bool | None = None,
    batch_size: int | None = None,
    max_bytes: int | None = None,
    max_pixels: int | None = None,
    accelerator: str = "auto",
    devices: int | str = "auto",
    num_nodes: int = 1,
    workers: int | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Embed photos into an index to search in, go on with a build that was stopped, or bring an index up to date.

    The same command does all three: finished photos are not embedded again, and the index that stands stays in use
    until the new one is whole.

    Args:
        out: the index's folder.
        model: a run's folder, its checkpoint, or a published .safetensors; an index has its own.
        photos: a folder, a zip, or a text file with a path a line; without it those of the index.
        store: how it is searched: auto (by the number of photos), exact, an approximate kind, milvus://...
        recall_sketches: a folder of sketches that the recall of an approximate store is measured with; without it
            made-up queries, which promise too much.
        scales: factors on a photo's side, whose descriptors are averaged; 1 if not given.
        mirror: whether mirror images are averaged too; false if not given.
        batch_size: photos embedded at once; 64 if not given.
        max_bytes: larger files are skipped; 64 MiB if not given.
        max_pixels: larger photos are skipped; 50 million if not given.
        accelerator: cpu, gpu, or auto.
        devices: how many, each with a process of its own; auto: all GPUs, or one process.
        num_nodes: machines, each started with this command (torchrun, SLURM).
        workers: loading processes of each process; chosen by the machine if not given.
        overwrite: whether to make an index anew that stands already.

    Returns:
        What was done, in lines.
    """
    with ending_on_signals("the same command goes on where this one was"):
        given = {"scales": scales, "mirror": mirror, "batch_size": batch_size}
        job = make_job(out, model, photos, store, overwrite, **given, max_bytes=max_bytes, max_pixels=max_pixels)
        if not _is_first():
            _embed(job, accelerator, devices, num_nodes, workers)
            return []
        stores.check(job.store, job.encoder.embedding_size, out)
        held = lock(
            out,
            doing="indexing into",
            another="give another --out",
            elsewhere="give --out a folder that you can write to",
        )
        try:
            queries = sketch_queries(recall_sketches, job.encoder) if recall_sketches else None
            seconds = _embed(job, accelerator, devices, num_nodes, workers)
            plan = read_plan(job)
            return _lines(job, plan, assemble(job, queries), seconds)
        finally:
            unlock(held)


def _embed(job: Job, accelerator: str, devices: int | str, num_nodes: int, workers: int | None) -> float:
    from hybrid_sbir.search.building.embedding import embed_all  # the trainer takes seconds to import

    return embed_all(job, accelerator, devices, num_nodes, _workers() if workers is None else workers)


def _is_first() -> bool:
    """Whether this process is the one that plans and finishes, as the trainer will number them."""
    from lightning.fabric.utilities.rank_zero import _get_rank

    return not _get_rank()


def _workers() -> int:
    return min(8, max(1, len(os.sched_getaffinity(0)) - 1))


def _lines(job: Job, plan: Plan, outcome: Outcome, seconds: float) -> list[str]:
    skipped, embedded = sum(outcome.skipped.values()), outcome.photos - plan.known
    rate = f" in {seconds:.1f} s ({embedded / seconds:,.0f} photos/s)" if embedded and seconds > 0 else ""
    lines = [f"{job.out}: {outcome.photos:,} photos, {skipped:,} skipped; {embedded:,} embedded now{rate}"]
    if job.old is not None:
        removed = job.old.photos - outcome.photos + outcome.added
        lines.append(
            f"beside the index before: {outcome.added:,} added, {outcome.changed:,} changed, {removed:,} removed"
        )
    if skipped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in outcome.skipped.most_common())
        lines.append(f"skipped: {reasons}; each with its reason in {job.out / outcome.skipped_file}")
    return [
        *lines,
        f"next: hybrid-sbir search SKETCH --index {job.out}; hybrid-sbir serve --index {job.out}",
    ]
