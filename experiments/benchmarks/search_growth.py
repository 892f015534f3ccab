"""How a search's time, memory, disk, build and recall grow with the catalogue, for every kind of store.

    python experiments/benchmarks/search_growth.py                                 # make bench-search-growth
    python experiments/benchmarks/search_growth.py --base INDEX --sketches FOLDER  # grown from real vectors
    python experiments/benchmarks/search_growth.py --scale 100                     # small: does it run?

Every catalogue is built and searched in processes of their own, with the package's own stores. A search is one query,
ten results, one thread; half of the sketches choose the effort (recall at 10 of 0.99, as the index command does), the
other half measure recall and time (64 of them with Milvus Lite, which is slow). Times are given by the clock, which
shows whatever else the machine does, and as time of the processor, which shows less of it. Memory is what is resident
beyond the bare process, after all queries: ``anonymous``, which the process needs, and ``mapped``, pages of the
vectors' file, which the system may take back.
Results are written after every measurement; what the file has already is not measured again (--again measures all).
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import search_vectors
import torch

from hybrid_sbir.bench.child import in_a_child
from hybrid_sbir.bench.machine import describe, summary
from hybrid_sbir.search import SketchSearch, stores
from hybrid_sbir.search.manifest import Manifest, StoredFile
from hybrid_sbir.search.stores.recall import measured

SIZES = (10_000, 100_000, 1_000_000)
KINDS = ("exact", "sq8", "hnsw", "hnsw_sq8", "ivf", "ivf_sq8", "milvus_lite")
MILVUS = "milvus_lite"
MILVUS_UP_TO = 10_000  # it is there to try the commands with
QUERIES = 512


@dataclass(frozen=True)
class Job:
    """One catalogue, one kind of store."""

    kind: str
    photos: int
    vectors: Path
    queries: Path
    folder: Path

    def store(self) -> str:
        """What the stores are asked for."""
        return f"milvus://{self.folder}/vectors.db" if self.kind == MILVUS else self.kind

    def sketches(self) -> tuple[np.ndarray, np.ndarray]:
        """Those that the effort is chosen with, and those that are measured with."""
        both = np.load(self.queries)
        return both[::2], both[1::2]


def status(name: str) -> float:
    """A line of the process's memory, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def build(job: Job) -> dict[str, Any]:
    """Build a store in this process."""
    vectors = np.load(job.vectors, mmap_mode="r")
    start, used = time.perf_counter(), time.process_time()
    sketches = stores.Queries(job.sketches()[0], "sketches")
    ids = [f"{photo}.jpg" for photo in range(job.photos)]
    made = stores.build(job.store(), vectors, job.folder, queries=sketches, ids=ids)
    took, cpu = time.perf_counter() - start, time.process_time() - used
    return {
        "description": made.description,
        "files": {role: asdict(file) for role, file in made.files.items()},
        "seconds": round(took, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_anonymous_mib": round(status("VmHWM")),
    }


def search(job: Job, built: dict[str, Any]) -> dict[str, Any]:
    """Open a store in this process, and search it."""
    torch.set_num_threads(1)
    queries = job.sketches()[1][: 64 if job.kind == MILVUS else None]
    stores.ExactStore(queries[:9]).search(queries, 1)  # libraries are loaded, threads started
    before = {name: status(name) for name in ("RssAnon", "RssFile")}
    files = {role: StoredFile(**file) for role, file in built["files"].items()}
    manifest = Manifest(job.photos, queries.shape[1], {}, {}, {}, {}, built["description"], files)
    start = time.perf_counter()
    store = stores.open(manifest, job.folder)
    opened = time.perf_counter() - start
    for query in queries[: 8 if job.kind == MILVUS else 50]:
        store.search(query[None], 10)
    times = []
    used = time.thread_time()
    for query in queries:
        start = time.perf_counter()
        store.search(query[None], 10)
        times.append(1000 * (time.perf_counter() - start))
    cpu = 1000 * (time.thread_time() - used) / len(queries)
    memory = {name: round(status(name) - before[name]) for name in before}
    exact = stores.ExactStore(np.load(job.vectors, mmap_mode="r"), built["description"].get("farthest_norm"))
    recall = measured(store.search, exact, stores.Queries(queries, "sketches"))["at"]
    return {
        "open_seconds": round(opened, 2),
        "p50_ms": round(float(np.percentile(times, 50)), 3),
        "p95_ms": round(float(np.percentile(times, 95)), 3),
        "cpu_ms": round(cpu, 3),
        "anonymous_mib": memory["RssAnon"],
        "mapped_mib": memory["RssFile"],
        "recall": recall,
    }


def measure(job: Job) -> dict[str, Any]:
    """Build and search, each in a process of its own."""
    load = os.getloadavg()[0]
    try:
        built = in_a_child(build, job)
        found = in_a_child(search, job, built)
    finally:
        shutil.rmtree(job.folder, ignore_errors=True)
    return {
        "kind": job.kind,
        "photos": job.photos,
        "build_seconds": built["seconds"],
        "build_cpu_seconds": built["cpu_seconds"],
        "build_peak_mib": built["peak_anonymous_mib"],
        "bytes": {role: file["bytes"] for role, file in built["files"].items()},
        **{name: built["description"][name] for name in ("effort", "parameters") if name in built["description"]},
        **found,
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def catalogue(origin: str, count: int, real: tuple[np.ndarray, np.ndarray] | None, at: Path) -> tuple[Path, Path]:
    """Write a catalogue's vectors and its queries."""
    vectors, queries = at / f"{origin}-{count}.npy", at / f"{origin}-queries.npy"
    if real is None:
        np.save(queries, search_vectors.drawn(count, QUERIES, vectors))
    else:
        search_vectors.grown(real[0], count, vectors)
        np.save(queries, real[1])
    return vectors, queries


def main() -> None:
    """Measure all kinds at all sizes, and write the result beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="an index whose photos' vectors are grown; without it, drawn ones")
    parser.add_argument("--sketches", type=Path, help="a folder of sketches, which the index's model embeds")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--scale", type=int, default=1, help="divide the numbers of photos by this")
    parser.add_argument("--again", action="store_true", help="measure what the file has already too")
    parser.add_argument("--note", default="", help="what else the machine did; goes into the file")
    parser.add_argument("--temporary", type=Path, help="a folder for a few GB; without it, the system's")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    if (options.base is None) != (options.sketches is None):
        parser.error("--base and --sketches go together")
    origin = "drawn" if options.base is None else "grown"
    machine = describe(torch.device("cpu"))
    machine["versions"]["faiss"] = stores.approximate.library().__version__
    machine["versions"]["numpy"] = np.__version__
    print(summary(machine), flush=True)
    record = json.loads(options.out.read_text()) if options.out.exists() else {"results": {}}
    real = None
    if options.base:
        search_of = SketchSearch.load(options.base)
        real = search_vectors.real_ones(search_of, options.base, options.sketches, QUERIES)
        if options.again or "embedding" not in record:
            record["embedding"] = search_vectors.embedding_rate(search_of, 1024)
            print(record["embedding"], flush=True)
    rows = record["results"].setdefault(origin, {"machine": machine, "rows": []})
    rows["queries"] = QUERIES // 2 if real is None else len(real[1]) // 2
    rows["real_photos"] = None if real is None else len(real[0])
    rows["notes"] = sorted({*rows.get("notes", []), options.note} - {""})
    for photos in (size // options.scale for size in options.sizes):
        done = [row["kind"] for row in rows["rows"] if row["photos"] == photos and not options.again]
        left = [kind for kind in options.kinds if kind not in done and (kind != MILVUS or photos <= MILVUS_UP_TO)]
        with tempfile.TemporaryDirectory(dir=options.temporary) as folder:
            vectors, queries = catalogue(origin, photos, real, Path(folder)) if left else (Path(), Path())
            for kind in left:
                row = measure(Job(kind, photos, vectors, queries, Path(folder) / kind))
                rows["rows"] = [old for old in rows["rows"] if (old["kind"], old["photos"]) != (kind, photos)] + [row]
                rows["rows"].sort(key=lambda each: (each["photos"], KINDS.index(each["kind"])))
                options.out.write_text(json.dumps(record, indent=1) + "\n")
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
