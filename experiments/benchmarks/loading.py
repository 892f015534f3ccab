"""Images a second of the package's loaders beside torchvision's ImageFolder, with the same transforms and workers.

    python experiments/benchmarks/loading.py --data ../shared/data

Needs the archives ``tu_berlin/sketches_png.zip`` and ``quickdraw/simplified.zip`` below ``--data``; they are unpacked
into a temporary folder. Of QuickDraw, ImageFolder reads PNG files of the same drawings, as large as the strokes are
drawn. The loaders take turns for some rounds and each ratio is one round's, so that whatever else the machine does
meets all of them. Writes loading.json.
"""

import argparse
import json
import operator
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
from torch.utils.data import DataLoader, SubsetRandomSampler
from torchvision.transforms import Compose, Grayscale, Normalize, RandomHorizontalFlip, RandomResizedCrop, ToTensor

from hybrid_sbir.data.device_transforms import ViewedDataset, render
from hybrid_sbir.data.loading.dataset import KeyedDataset
from hybrid_sbir.data.loading.loader import ResumableLoader
from hybrid_sbir.data.loading.sampler import EpochSampler
from hybrid_sbir.data.preparation.prepare import prepare
from hybrid_sbir.data.prepared import QuickDraw, TUBerlin
from hybrid_sbir.data.stores.packed import PackedStore
from hybrid_sbir.data.stores.store import SelectedStore, Store
from hybrid_sbir.data.transforms import Transform, preset

BATCH, WORKERS, WARM_UP = 64, 2, 8
BASELINE = "ImageFolder"


def image_folder(root: Path, size: int, count: int) -> Iterable[object]:
    """ImageFolder as it is used well: one channel before the crop."""
    transform = Compose(
        [
            Grayscale(1),
            RandomResizedCrop(size),
            RandomHorizontalFlip(),
            ToTensor(),
            Normalize((0.1307,), (0.3081,)),
        ]
    )
    dataset = torchvision.datasets.ImageFolder(str(root), transform)
    chosen = np.random.default_rng(0).permutation(len(dataset))[:count].tolist()
    return DataLoader(dataset, BATCH, sampler=SubsetRandomSampler(chosen), num_workers=WORKERS)


def host(store: Store, transform: Transform) -> Iterable[object]:
    """Augmented in the workers."""
    dataset = KeyedDataset(store, transform)
    return ResumableLoader(dataset, EpochSampler(len(store), shuffle=True), BATCH, num_workers=WORKERS)


def device(store: Store, transform: Transform, draw: bool) -> Iterable[object]:
    """Read in the workers; drawn here, on the CPU, or left to an accelerator."""
    dataset = ViewedDataset(store, transform)
    for batch in ResumableLoader(dataset, EpochSampler(len(store), shuffle=True), BATCH, num_workers=WORKERS):
        yield render(batch, transform) if draw else batch


def rate(loader: Iterable[object]) -> tuple[float, float]:
    """Images a second of one pass, without the first batches, and CPU microseconds an image of all processes."""
    begin = os.times()
    marks = [time.perf_counter() for _ in loader]
    end = os.times()  # the workers have ended, so that their time is in it
    seconds = sum(end[:4]) - sum(begin[:4])
    return (len(marks) - WARM_UP) * BATCH / (marks[-1] - marks[WARM_UP - 1]), seconds / len(marks) / BATCH * 1e6


def some(store: Store, count: int) -> Store:
    """A random choice of samples."""
    return SelectedStore(store, np.random.default_rng(0).permutation(len(store))[:count])


def write_images(store: Store, folder: Path) -> Path:
    """Write a store's images as class folders of PNG files."""
    for index in range(len(store)):
        path = folder / store.classes[store.labels[index]] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        store.read(index).save(path)
    return folder


def contenders(data: str, work: Path, root: Path, size: int, count: int) -> dict[str, Callable[[], Iterable[object]]]:
    """The loaders of one data set and size, by name."""
    transform = preset("classification_train", size, 1)
    module = TUBerlin(str(work)) if data == "TU-Berlin" else QuickDraw(str(work), split="random80", size=size)
    whole = module.part("train")
    store, packed = some(whole, count), some(PackedStore(whole, work / "packs"), count)
    return {
        BASELINE: lambda: image_folder(root, size, count),
        "files" if data == "TU-Berlin" else "strokes": lambda: host(store, transform),
        "packed": lambda: host(packed, transform),
        "packed, drawn by the training process": lambda: device(packed, transform, draw=True),
        "packed, left to an accelerator": lambda: device(packed, transform, draw=False),
    }


def measure(loaders: dict[str, Callable[[], Iterable[object]]], rounds: int) -> dict[str, dict[str, float]]:
    """Let the loaders take turns; medians of the rates, the CPU times and of the ratios within a round."""
    rates, costs = {name: [] for name in loaders}, {name: [] for name in loaders}
    for _ in range(rounds):
        for name, make in loaders.items():
            images_per_second, microseconds = rate(make())
            rates[name].append(images_per_second)
            costs[name].append(microseconds)
    return {
        name: {
            "images_per_second": round(statistics.median(rates[name])),
            "times_imagefolder": round(statistics.median(map(operator.truediv, rates[name], rates[BASELINE])), 2),
            "cpu_us_per_image": round(statistics.median(costs[name])),
            "cpu_times_less": round(statistics.median(map(operator.truediv, costs[BASELINE], costs[name])), 2),
        }
        for name in loaders
    }


def record(arguments: argparse.Namespace, results: list[dict[str, object]]) -> dict[str, object]:
    """What was measured, with what, on what."""
    return {
        "setting": {"batch": BATCH, "workers": WORKERS, "channels": 1, "transform": "classification_train"},
        "passes": {"images": arguments.images, "rounds": arguments.rounds},
        "machine": {
            "cpus": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "pillow": PIL.__version__,
            "numpy": np.__version__,
        },
        "results": results,
    }


def main() -> None:
    """Measure both data sets at both sizes and write the result beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2560, help="images of one pass")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tu_berlin = prepare("tu_berlin", arguments.data / "tu_berlin" / "sketches_png.zip", work)
        prepare("quickdraw", arguments.data / "quickdraw" / "simplified.zip", work)
        pngs = (tu_berlin.root / tu_berlin.index()[0][0]).parents[1]
        for data in ("TU-Berlin", "QuickDraw"):
            for size in (224, 64):
                drawn = QuickDraw(str(work), split="random80", size=size).part("train")
                root = pngs if data == "TU-Berlin" else write_images(drawn, work / f"drawings{size}")
                found = measure(contenders(data, work, root, size, arguments.images), arguments.rounds)
                results += [{"data": data, "size": size, "loader": name, **numbers} for name, numbers in found.items()]
                print(*(f"{data} {size} {name}: {numbers}" for name, numbers in found.items()), sep="\n", flush=True)
                arguments.out.write_text(json.dumps(record(arguments, results), indent=1) + "\n")


if __name__ == "__main__":
    main()
