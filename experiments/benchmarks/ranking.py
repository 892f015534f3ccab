"""Time and memory of ranking_metrics beside torchmetrics' retrieval classes, and how both grow with the catalogue.

    python experiments/benchmarks/ranking.py            # make bench-ranking
    python experiments/benchmarks/ranking.py --scale 20 # a twentieth of the sizes: does it run?

From embeddings to three means (AP over the whole ranking, reciprocal rank, precision at 10), scores included. Every
measurement has a process of its own, warmed up on a small ranking; the contenders take turns, so that whatever else
the machine does meets both, and each ratio is of medians. Memory is what is resident at most beyond the embeddings,
measured in another process than time, because what makes it exact makes PyTorch slower. torchmetrics gets 1 + cosine:
of relevant photos whose score is not above 0 its classes know nothing. Writes ranking.json.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.retrieval import RetrievalMAP, RetrievalMRR, RetrievalPrecision

from hybrid_sbir.bench.child import in_a_child
from hybrid_sbir.bench.machine import describe, summary
from hybrid_sbir.bench.memory import PeakMemory, large_blocks_apart
from hybrid_sbir.metrics import ranking_metrics

BATCH = 64  # queries that torchmetrics is updated with
METRICS = ("ap", "rr", "p@10")


@dataclass(frozen=True)
class Job:
    """Sizes of one ranking, what ranks, and with how many threads."""

    contender: str
    queries: int
    photos: int
    dimension: int
    classes: int
    threads: int

    def sample(self) -> list[Tensor]:
        """Embeddings about a direction of their class, and labels."""
        generator = torch.Generator().manual_seed(0)
        centres = torch.randn(self.classes, self.dimension, generator=generator)
        found = []
        for count in (self.queries, self.photos):
            embeddings = torch.randn(count, self.dimension, generator=generator)
            labels = torch.arange(count) % self.classes
            found.append((embeddings.mul_(3).add_(centres[labels]), labels))
        return [found[0][0], found[1][0], found[0][1], found[1][1]]


def ours(queries: Tensor, photos: Tensor, query_labels: Tensor, labels: Tensor) -> list[float]:
    """The package's."""
    return list(ranking_metrics(queries, photos, query_labels, labels, METRICS).mean().values())


def theirs(queries: Tensor, photos: Tensor, query_labels: Tensor, labels: Tensor) -> list[float]:
    """torchmetrics', updated batch by batch as in a validation loop."""
    meters = [RetrievalMAP(), RetrievalMRR(), RetrievalPrecision(top_k=10)]
    photos = F.normalize(photos)
    for index in torch.arange(len(queries)).split(BATCH):
        scores = 1 + F.normalize(queries[index]) @ photos.T
        relevant = query_labels[index, None] == labels
        rows = index[:, None].expand_as(scores)
        for meter in meters:
            meter.update(scores.flatten(), relevant.flatten(), rows.flatten())
    return [meter.compute().item() for meter in meters]


CONTENDERS: dict[str, Callable[..., list[float]]] = {"hybrid_sbir": ours, "torchmetrics": theirs}


def seconds(job: Job) -> dict[str, Any]:
    """Rank once, in this process, and return how long it took and the means."""
    torch.set_num_threads(job.threads)
    CONTENDERS[job.contender](*replace(job, queries=2 * BATCH, photos=1000, classes=100).sample())
    sample = job.sample()
    start = time.perf_counter()
    means = CONTENDERS[job.contender](*sample)
    return {"seconds": time.perf_counter() - start, "means": means}


def memory(job: Job) -> float | None:
    """Rank once, in this process, and return what was resident at most beyond the embeddings, in MiB."""
    torch.set_num_threads(job.threads)
    large_blocks_apart()
    sample = job.sample()
    peak = PeakMemory(torch.device("cpu"))
    CONTENDERS[job.contender](*sample)
    return peak.mib()


def beside(job: Job, rounds: int) -> dict[str, Any]:
    """Both contenders at one size, taking turns."""
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    results: dict[str, Any] = {}
    for number in range(rounds):
        for name in list(CONTENDERS) if number % 2 == 0 else reversed(list(CONTENDERS)):
            found = in_a_child(seconds, replace(job, contender=name))
            times[name].append(found["seconds"])
            results[name] = {"means": dict(zip(METRICS, found["means"], strict=True))}
            print(f"{name}: {found['seconds']:.2f} s, {found['means']}", flush=True)
    for name, result in results.items():
        result["seconds"] = [round(value, 3) for value in sorted(times[name])]
        result["mib"] = in_a_child(memory, replace(job, contender=name))
        print(f"{name}: {result['mib']} MiB", flush=True)
    own, other = (results[name] for name in CONTENDERS)
    ratio = statistics.median(times["torchmetrics"]) / statistics.median(times["hybrid_sbir"])
    less = other["mib"] / own["mib"] if own["mib"] and other["mib"] else None
    return {"job": sizes(job), **results, "times_faster": round(ratio, 1), "times_less_memory": less and round(less, 1)}


def growth(job: Job, photos: list[int]) -> list[dict[str, Any]]:
    """The package's at several sizes of the catalogue."""
    rows = []
    for count in photos:
        one = replace(job, photos=count)
        took, mib = in_a_child(seconds, one)["seconds"], in_a_child(memory, one)
        each = took / one.queries / count * 1e9
        inputs = (one.queries + count) * (4 * one.dimension + 8) / 2**20
        rows.append(
            {**sizes(one), "seconds": round(took, 2), "ns_a_score": round(each, 2), "mib": mib, "inputs_mib": inputs}
        )
        print(rows[-1], flush=True)
    return rows


def sizes(job: Job) -> dict[str, int]:
    """Numbers of a job."""
    return {name: value for name, value in asdict(job).items() if name != "contender"}


def main() -> None:
    """Measure both and write the result beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=int, default=1, help="divide the numbers of queries and photos by this")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = describe(torch.device("cpu"))
    print(summary(machine), flush=True)
    small = Job("hybrid_sbir", 2250 // options.scale, 22_500 // options.scale, 2048, 250, options.threads)
    large = Job("hybrid_sbir", 10_000 // options.scale, 0, 128, 1000, options.threads)
    record = {"machine": machine, "metrics": METRICS, "rounds": options.rounds, "beside": beside(small, options.rounds)}
    record["growth"] = growth(large, [count // options.scale for count in (125_000, 250_000, 500_000, 1_000_000)])
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
