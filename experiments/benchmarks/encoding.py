"""Time of embedding in torch and in onnxruntime, at one sketch and at a batch, with one thread and with all.

    python experiments/benchmarks/encoding.py                            # make bench-encoding
    python experiments/benchmarks/encoding.py --runs RUN... --full ''    # of these runs only

Each model is exported to a graph of sketches, checked against torch, and timed in turns: whatever else the machine does
meets all contenders, so the ratios hold where the times do not. Full-width models at 224 pixels have new weights.
Also timed: loading and the preparation of a sketch. Writes encoding.json.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from hybrid_sbir.bench.machine import describe, summary
from hybrid_sbir.encoding import Encoder, load_encoder
from hybrid_sbir.encoding.encoder import vectors
from hybrid_sbir.encoding.onnx_graph import run, session, write_graph
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models import TwoBranch

RUNS = [f"runs/table-4.4/quick/{name}-pretrained-modern-seed0/stage3" for name in ("hib_patch_2_2_nl", "resnet26")]
FULL = ["resnet26", "hib_patch_2_2_nl", "san10_pair"]


def full(backbone: str) -> Encoder:
    """A model of full width for 224 pixels; batch norms see some noise, so that numbers stay those of a trained one."""
    torch.manual_seed(0)
    model = TwoBranch(backbone, 250).train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(2, 3, 224, 224), torch.randn(2, 3, 224, 224))
    prepared = {"sketch": Preparation("sketch_square_eval", 224, 3), "photo": Preparation("photo_eval", 224, 3)}
    return Encoder(model, prepared, {"name": f"{backbone}, full width"})


def in_torch(encoder: Encoder, images: Tensor, threads: int) -> Callable[[], None]:
    """Embedding in torch with so many threads."""

    def once() -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            vectors(encoder.model, images, "sketch")

    return once


def in_onnx(graph: Path, images: Tensor, threads: int) -> Callable[[], Any]:
    """Embedding in onnxruntime with so many threads."""
    torch.set_num_threads(threads)
    opened, array = session(graph), images.numpy()
    return lambda: run(opened, array)


def in_turns(contenders: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each, one after the other in every round."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    for _ in range(rounds):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {
        name: {"median_ms": round(statistics.median(each), 2), "least_ms": round(min(each), 2)}
        for name, each in times.items()
    }


def measure(encoder: Encoder, batches: dict[int, int], threads: int) -> dict[str, Any]:
    """All contenders on one model; ``batches``: images at once -> rounds."""
    one = encoder.preparation["sketch"]
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "sketch.onnx"
        written = write_graph(encoder.model, "sketch", one.channels, one.size, graph)
        found: dict[str, Any] = {
            "side": one.size,
            "difference": written.difference,
            "graph_bytes": graph.stat().st_size,
        }
        for batch, rounds in batches.items():
            images = torch.randn(batch, one.channels, one.size, one.size)
            contenders = {}
            for count in sorted({1, threads}):
                contenders[f"torch, {count} threads"] = in_torch(encoder, images, count)
                contenders[f"onnx, {count} threads"] = in_onnx(graph, images, count)
            times = in_turns(contenders, rounds)
            best = {
                kind: min(t["median_ms"] for n, t in times.items() if n.startswith(kind)) for kind in ("torch", "onnx")
            }
            found[f"batch {batch}"] = times | {"onnx_times_faster": round(best["torch"] / best["onnx"], 2)}
            print(encoder.about["name"], f"batch {batch}", found[f"batch {batch}"], flush=True)
    return found


def whole_query(encoder: Encoder, threads: int, rounds: int) -> dict[str, Any]:
    """Preparation, and embedding as the encoder does it, beside all of torch's threads."""
    torch.set_num_threads(threads)
    sketch = Image.new("L", (256, 256), 255)
    prepared = encoder.prepare(sketch, "sketch")[None]
    return in_turns(
        {
            "prepare": lambda: encoder.prepare(sketch, "sketch"),
            "Encoder.embed": lambda: encoder.embed(prepared, "sketch"),
            f"the same with {threads} threads": in_torch(encoder, prepared, threads),
        },
        rounds,
    )


def main() -> None:
    """Measure and write the result beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="*", default=RUNS)
    parser.add_argument("--full", nargs="*", default=FULL)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = describe(torch.device("cpu")) | {"load": [round(each, 1) for each in os.getloadavg()]}
    print(summary(machine), machine["load"], flush=True)
    record: dict[str, Any] = {"machine": machine, "rounds": options.rounds, "trained": {}, "full_width": {}}
    few = max(3, options.rounds // 10)
    for path in options.runs:
        start = time.perf_counter()
        encoder = load_encoder(path)
        loading = round(time.perf_counter() - start, 2)
        measured = measure(encoder, {1: options.rounds, 64: few}, options.threads)
        query = whole_query(encoder, options.threads, options.rounds)
        record["trained"][encoder.about["name"]] = {"loading_s": loading, **measured, "query": query}
    for backbone in filter(None, options.full):
        record["full_width"][backbone] = measure(full(backbone), {1: few, 64: 2}, options.threads)
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
