"""Photos a second of ``hybrid-sbir index`` beside those of its model alone on ready tensors.

    python experiments/benchmarks/indexing.py --model runs/my_run --photos photos_90=data/photos_90/images

In each round the model embeds ready tensors, the loading processes read and decode with nobody waiting for them, and
the command's own function makes an index; the ratios are each round's, so that whatever else the machine does meets
all of them. CPU times are of the process that has the model, from the first batch to the last: what the trainer, the
journal and taking batches over add; other processes on the machine count little in them. Writes indexing.json.
"""

import argparse
import json
import os
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from hybrid_sbir.search.building import index
from hybrid_sbir.search.building.job import Job, make_job
from hybrid_sbir.search.building.loading import PhotoBatch, PhotoBatches
from hybrid_sbir.search.building.plan import make_plan
from hybrid_sbir.search.building.writer import JournalWriter
from hybrid_sbir.search.catalogue import open_catalogue

BATCH = 64


def listed(photos: Path, count: int, folder: Path) -> Path:
    """A list of photos spread evenly over a folder: as many whole batches as fit into ``count``."""
    entries = list(open_catalogue(photos).entries())
    count = min(count, len(entries)) // BATCH * BATCH
    chosen = [entries[round(place * (len(entries) - 1) / (count - 1))] for place in range(count)]
    path = folder / "photos.txt"
    path.write_text("".join(f"{photos.resolve() / entry.id}\n" for entry in chosen))
    return path


def timed(work: Callable[[], object]) -> tuple[float, float, object]:
    """Seconds, CPU seconds of this process without its children, and what came out."""
    begin, used = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - begin, time.process_time() - used, result


@contextmanager
def cpu_of_embedding() -> Iterator[list[float]]:
    """CPU seconds of this process when the embedding begins and when it ends."""
    marks: list[float] = []
    real = {name: getattr(JournalWriter, name) for name in ("on_predict_start", "on_predict_end")}

    def marking(name: str) -> Callable[..., None]:
        def hook(*arguments: object) -> None:
            marks.append(time.process_time())
            real[name](*arguments)

        return hook

    for name in real:
        setattr(JournalWriter, name, marking(name))
    try:
        yield marks
    finally:
        for name, hook in real.items():
            setattr(JournalWriter, name, hook)


def loader(job: Job, workers: int) -> DataLoader:
    """The batches of a job's photos, as the command loads them."""
    plan = make_plan(job)
    return DataLoader(PhotoBatches(job, plan), 1, collate_fn=lambda found: found[0], num_workers=workers)


def one_round(model: Path, photos: Path, batches: list[PhotoBatch], workers: int) -> dict[str, float]:
    """Measure the three, in an order that changes nothing: none leaves anything to the next."""
    with tempfile.TemporaryDirectory() as place:
        job = make_job(Path(place) / "side", model, photos, "exact", False)
        encoder, transform = job.encoder, job.encoder.transform("photo")
        ready = [transform.normalise(batch.pixels) for batch in batches]
        encoder.embed(ready[0], "photo")
        alone, alone_cpu, _ = timed(lambda: [encoder.embed(images, "photo") for images in ready])
        loading, _, _ = timed(lambda: sum(1 for _ in loader(job, workers)))
        out = Path(place) / "index"
        with cpu_of_embedding() as marks:
            whole, _, lines = timed(lambda: index(out=out, model=model, photos=photos, workers=workers))
    count = len(ready) * BATCH
    found = re.search(r"([\d,]+) embedded now in ([\d.]+) s", str(lines))
    assert found, lines
    assert int(found[1].replace(",", "")) == count, lines
    return {
        "model_per_s": count / alone,
        "loading_per_s": count / loading,
        "embedding_per_s": count / float(found[2]),
        "command_per_s": count / whole,
        "embedding_to_model": alone / float(found[2]),
        "command_to_model": alone / whole,
        "cpu_model_ms": 1e3 * alone_cpu / count,
        "cpu_embedding_ms": 1e3 * (marks[1] - marks[0]) / count,
        "cpu_model_to_embedding": alone_cpu / (marks[1] - marks[0]),
    }


def measure(model: Path, photos: Path, count: int, rounds: int, workers: int) -> dict[str, object]:
    """Medians of some rounds, and the rounds."""
    with tempfile.TemporaryDirectory() as place:
        chosen = listed(photos, count, Path(place))
        batches = list(loader(make_job(Path(place) / "side", model, chosen, "exact", False), workers))
        found = [one_round(model, chosen, batches, workers) for _ in tqdm(range(rounds), desc=str(photos))]
    medians = {name: round(statistics.median(each[name] for each in found), 3) for name in found[0]}
    return {"photos": len(batches) * BATCH, "medians": medians, "rounds": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a run's folder or a .safetensors")
    parser.add_argument("--photos", nargs="+", required=True, help="NAME=FOLDER, one or more")
    parser.add_argument("--count", type=int, default=1024, help="photos of each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of the model; the loading processes take other cores")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    named = dict(each.split("=", 1) for each in given.photos)
    sets = {
        name: measure(given.model, Path(folder), given.count, given.rounds, given.workers)
        for name, folder in named.items()
    }
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
        "threads": given.threads,
        "workers": given.workers,
        "batch": BATCH,
        "load_average": os.getloadavg()[1],
    }
    given.out.write_text(json.dumps({"machine": machine, "model": given.model.name, "sets": sets}, indent=1) + "\n")
    for name, found in sets.items():
        print(name, json.dumps(found["medians"]))


if __name__ == "__main__":
    main()
