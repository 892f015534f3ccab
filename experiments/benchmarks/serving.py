"""How fast `hybrid-sbir serve` answers: 1, 4, 16 and 64 clients at once, and a soak.

    python experiments/benchmarks/serving.py --base INDEX              # make bench-serving BASE=INDEX
    python experiments/benchmarks/serving.py --base INDEX --soak 600   # ten minutes with four clients besides

The index is BASE's model and vectors, with more vectors drawn about its own until there are --photos of them; photos
need not exist. Queries are drawings of the embedded set, sent as strokes. All clients are one process beside the
server's, each with a connection that it keeps, and ask again as soon as they are answered. The first answers of each
round are not counted. What else the machine does is in `load_average`. Writes serving.json.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from hybrid_sbir.bench.machine import describe, summary
from hybrid_sbir.data.embedded import CLASSES, draw_strokes
from hybrid_sbir.search import stores
from hybrid_sbir.search.manifest import read_manifest, store_file, write_manifest

CLIENTS = (1, 4, 16, 64)
GOALS = {"p99_ms_at_4_clients": 150.0, "search_ms": 5.0}
WARM_UP = 1.0  # seconds
STAGES = ("prepare", "queue", "embed", "search")


def grown(base: Path, photos: int, out: Path) -> str:
    """Write an index of BASE with so many photos to ``out``; returns the kind of its store."""
    manifest, rng = read_manifest(base), np.random.default_rng(0)
    real = np.load(base / manifest.files["vectors"].name)[:photos]
    near = real[rng.integers(0, len(real), max(0, photos - len(real)))]
    spread = rng.standard_normal(near.shape, np.float32) * (0.5 / near.shape[1] ** 0.5)
    more = near + spread
    vectors = np.concatenate([real, more / np.linalg.norm(more, axis=1, keepdims=True)]).astype(np.float32)
    lines = (base / manifest.files["photos"].name).read_text().splitlines(keepends=True)[:photos]
    first = json.loads(lines[0])
    lines += [json.dumps({**first, "id": f"synthetic/{i:07d}.jpg"}, sort_keys=True) + "\n" for i in range(len(more))]
    out.mkdir()
    files = {"photos": store_file(out, "photos", ".jsonl", "".join(lines).encode())}
    for role, suffix in (("model", ".safetensors"), ("skipped", ".jsonl")):
        files[role] = store_file(out, role, suffix, (base / manifest.files[role].name).read_bytes())
    built = stores.build("auto", vectors, out)
    write_manifest(out, replace(manifest, photos=photos, store=built.description, files=files | built.files))
    built.finish()
    return str(built.description["kind"])


def requests(count: int, seed: int, host: str) -> list[bytes]:
    """Whole requests, each a drawing of its own."""
    made = []
    for i in range(count):
        strokes = draw_strokes(CLASSES[i % len(CLASSES)], np.random.default_rng([seed, i]))
        body = json.dumps({"strokes": [stroke.round(1).tolist() for stroke in strokes], "k": 12}).encode()
        head = f"POST /search HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        made.append(head.encode() + b"\r\n\r\n" + body)
    return made


async def one_client(
    host: str, port: int, queries: list[bytes], end: float, found: list[tuple[float, float, int]]
) -> None:
    """Ask until the end; adds (when, seconds, status) of each answer, status 0 where the connection broke."""
    reader, writer = await asyncio.open_connection(host, port)
    number = 0
    while time.perf_counter() < end:
        start = time.perf_counter()
        try:
            writer.write(queries[number % len(queries)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            status = int(head.split(b" ", 2)[1])
        except (OSError, asyncio.IncompleteReadError):
            status = 0
            reader, writer = await asyncio.open_connection(host, port)
        found.append((start, time.perf_counter() - start, status))
        number += 1
    writer.close()


async def clients(url: str, count: int, seconds: float) -> list[tuple[float, float, int]]:
    """Let so many clients ask for so long."""
    where = urlsplit(url)
    found: list[tuple[float, float, int]] = []
    drawn = [requests(16, seed, where.netloc) for seed in range(min(count, 8))]
    end = time.perf_counter() + WARM_UP + seconds
    host, port = str(where.hostname), int(where.port or 80)
    await asyncio.gather(*(one_client(host, port, drawn[i % len(drawn)], end, found) for i in range(count)))
    first = end - seconds
    return [answer for answer in found if answer[0] >= first]


def as_client(url: str, count: int, seconds: float) -> dict[str, Any]:
    """What one round came to: answers a second, milliseconds, statuses."""
    found = asyncio.run(clients(url, count, seconds))
    took = sorted(1e3 * each for _, each, status in found if status == 200)
    statuses: dict[str, int] = {}
    for _, _, status in found:
        statuses[str(status)] = statuses.get(str(status), 0) + 1
    shares = {f"p{p}_ms": round(float(np.percentile(took, p)), 2) for p in (50, 95, 99)} if took else {}
    return {"clients": count, "answers_a_second": round(len(took) / seconds, 1), **shares, "statuses": statuses}


class Served:
    """A server in a process of its own."""

    def __init__(self, index: Path, threads: int) -> None:
        command = [sys.executable, "-m", "hybrid_sbir", "serve", "--index", str(index), "--port", "0"]
        command += ["--threads", str(threads)] if threads else []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        said = re.search(r"http://\S+?:\d+", self.process.stdout.readline())
        if not said:
            raise OSError("the server did not start; try its command by itself: " + " ".join(command))
        self.url = said[0]

    def mib(self) -> float:
        """What is resident of it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return round(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024, 1)  # type: ignore[index]

    def stages(self) -> dict[str, tuple[float, float]]:
        """Seconds and queries of each stage so far."""
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            text = answer.read().decode()
        value = lambda what, stage: float(  # noqa: E731
            re.search(rf'stage_seconds_{what}{{stage="{stage}"}} (\S+)', text)[1]  # type: ignore[index]
        )
        return {stage: (value("sum", stage), value("count", stage)) for stage in STAGES}

    def round(self, count: int, seconds: float) -> dict[str, Any]:
        """Let clients in another process ask; adds the stages' means and the machine's load."""
        before, load = self.stages(), os.getloadavg()[0]
        command = [sys.executable, __file__, "--as_client", self.url, str(count), str(seconds)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        after = self.stages()
        means = {
            stage: round(1e3 * (after[stage][0] - before[stage][0]) / max(1, after[stage][1] - before[stage][1]), 2)
            for stage in STAGES
        }
        return {**found, "mean_ms": means, "mib": self.mib(), "load_average": [load, os.getloadavg()[0]]}

    def stop(self) -> int:
        """End it; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def soak(served: Served, seconds: float) -> dict[str, Any]:
    """Four clients for long, looked at every half minute."""
    rows = [served.round(4, min(30.0, seconds)) for _ in range(max(1, round(seconds / 30)))]
    statuses: dict[str, int] = {}
    for row in rows:
        for status, count in row["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    kept = ("answers_a_second", "p50_ms", "p99_ms", "mib", "load_average")
    middle = statistics.median(row["p99_ms"] for row in rows)
    return {"seconds": seconds, "statuses": statuses, "median_p99_ms": middle,
            "rounds": [{name: row[name] for name in kept} for row in rows]}  # fmt: skip


def main() -> None:
    """Measure, and write the result beside this file."""
    if sys.argv[1:2] == ["--as_client"]:
        print(json.dumps(as_client(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="an index with a trained model")
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round")
    parser.add_argument("--soak", type=float, default=0.0, help="seconds; 0: none")
    parser.add_argument("--threads", type=int, default=0, help="of the model; 0: the verb's own choice")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    import torch

    record: dict[str, Any] = {"machine": describe(torch.device("cpu")), "photos": options.photos, "goals": GOALS}
    print(summary(record["machine"]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        record["store"] = grown(options.base, options.photos, Path(folder) / "index")
        served = Served(Path(folder) / "index", options.threads)
        record |= {"threads": options.threads, "mib_before": served.mib(), "rounds": []}
        for count in CLIENTS:
            record["rounds"].append(served.round(count, options.seconds))
            print(record["rounds"][-1], flush=True)
        if options.soak:
            record["soak"] = soak(served, options.soak)
            print(record["soak"], flush=True)
        record["exit_code"] = served.stop()
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
