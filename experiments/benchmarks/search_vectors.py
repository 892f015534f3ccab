"""Vectors for catalogues of any size: real ones, grown, or drawn about centres.

Grown: photo i of a catalogue is real photo i mod M, moved by 0.7 of the difference between two of its 20 nearest
photos, chosen at random, and a little in every direction. So new photos lie where real ones do, in the directions in
which real ones differ, and thicker as the catalogue grows. The queries stay what they are: embeddings of real sketches.

Drawn: 1,000 centres on a sphere whose directions carry less the later they come (1/i), photos about them; sketches lie
about the same centres farther off, all of them shifted the same way, as a second branch of a network shifts them.

Shapes: M real photos, N photos, Q queries, E embedding size.
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hybrid_sbir.data.images import read_image
from hybrid_sbir.retrieval.neighbours import nearest
from hybrid_sbir.search import SketchSearch

SIZE = 128
_NEAR = 20
_MOVED, _JITTER = 0.7, 0.2
_CENTRES = 1000
_BLOCK = 1 << 16
_BATCH = 64


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of norm 1, float32."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def grown(real: np.ndarray, count: int, path: Path) -> None:
    """Write N vectors about M real ones (M, E) to a .npy; the first M are the real ones."""
    photos = torch.from_numpy(real)
    places = nearest(photos, photos, _NEAR, leave_one_out=True)[1].numpy()
    out = np.lib.format.open_memmap(path, "w+", np.float32, (count, real.shape[1]))
    for start in range(0, count, _BLOCK):
        rng = np.random.default_rng([1, start])
        at = np.arange(start, min(start + _BLOCK, count))
        parent = at % len(real)
        one, other = (places[parent, rng.integers(0, _NEAR, len(at))] for _ in range(2))
        jitter = rng.standard_normal((len(at), real.shape[1])) * (_JITTER / real.shape[1] ** 0.5)
        moved = real[parent] + _MOVED * (real[one] - real[other]) + jitter
        out[at] = np.where((at < len(real))[:, None], real[parent], unit(moved))
    out.flush()


def drawn(count: int, queries: int, path: Path) -> np.ndarray:
    """Write N vectors about centres to a .npy, and return Q sketches."""
    rng = np.random.default_rng(0)
    scale = 1 / np.sqrt(np.arange(1, SIZE + 1))
    centres = unit(rng.standard_normal((_CENTRES, SIZE)) * scale)
    shift = 0.4 * unit(rng.standard_normal((1, SIZE)) * scale)
    sketches = unit(centres[rng.integers(0, _CENTRES, queries)] + shift + _spread(rng, queries, scale, 0.8))
    out = np.lib.format.open_memmap(path, "w+", np.float32, (count, SIZE))
    for start in range(0, count, _BLOCK):
        rng = np.random.default_rng([2, start])
        rows = min(_BLOCK, count - start)
        out[start : start + rows] = unit(centres[rng.integers(0, _CENTRES, rows)] + _spread(rng, rows, scale, 0.5))
    out.flush()
    return sketches


def _spread(rng: np.random.Generator, rows: int, scale: np.ndarray, far: float) -> np.ndarray:
    return far * unit(rng.standard_normal((rows, SIZE)) * scale)


def real_ones(search: SketchSearch, index: Path, sketches: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The photos' vectors (M, E) of an index, and those of Q sketches from a folder, evenly chosen."""
    files = sorted(path for path in sketches.rglob("*") if path.suffix.lower() in (".png", ".jpg"))
    chosen = [files[at] for at in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)]
    embedded = [
        search.encoder.embed(torch.stack([search.prepare(path) for path in chosen[start : start + _BATCH]]), "sketch")
        for start in range(0, len(chosen), _BATCH)
    ]
    return np.load(index / search.manifest.files["vectors"].name), np.concatenate(embedded)


def embedding_rate(search: SketchSearch, count: int) -> dict[str, Any]:
    """Read, prepare and embed photos of an index again, one process, and say how many it were a second."""
    ids = [photo.id for photo in search.photos[:: max(1, len(search.photos) // count)]][:count]
    transform, load = search.encoder.transform("photo"), os.getloadavg()[0]
    size = 0
    start, used = time.perf_counter(), time.process_time()
    for at in range(0, len(ids), _BATCH):
        batch = [transform(read_image(search.photo_bytes(photo), name=photo)) for photo in ids[at : at + _BATCH]]
        size = batch[0].shape[-1]
        search.encoder.embed(torch.stack(batch), "photo")
    took, cpu = time.perf_counter() - start, time.process_time() - used
    return {
        "photos": len(ids),
        "photos_per_second": round(len(ids) / took, 1),
        "photos_per_cpu_second": round(len(ids) / cpu, 1),
        "threads": torch.get_num_threads(),
        "what": f"{size} x {size} pixels; read, decoded and prepared too",
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }
