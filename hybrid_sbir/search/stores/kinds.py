"""Kinds of store on this machine: which one is chosen, what FAISS builds for it, how hard a query searches it.

N photos, E embedding size, K results.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hybrid_sbir.search.stores.faiss_library import library, threads

EXACT_UP_TO = 200_000  # photos; about 5 ms a query at 128 numbers (experiments/benchmarks/search_growth.json)
BEYOND = "ivf_sq8"  # what is taken then: least memory and time for the recall of sketches (same file)
_SEED = 1234
_LINKS = 32  # of a photo in an HNSW graph
_BUILD_EFFORT = 80  # photos looked at when a photo is linked
_BLOCK = 1 << 16  # photos added at once
_A_CELL = 64  # photos that a cell is trained with


class Kind(NamedTuple):
    """A way to search without comparing all photos.

    Attributes:
        about: what it is.
        recipe: N -> FAISS's name of it (``index_factory``).
        effort: what the number is called that trades time for recall.
        efforts: what is tried for it, from fast to thorough; the last one is tried whatever it costs.
    """

    about: str
    recipe: Callable[[int], str]
    effort: str
    efforts: tuple[int, ...]


def cells(photos: int) -> int:
    """Return how many cells N photos are parted into: about 4 roots of N, at most a cell for 39 photos."""
    return max(1, min(1 << int(math.log2(max(1, photos)) / 2 + 2), photos // 39))


_GRAPH = (32, 64, 128, 256, 512, 1024)
_CELLS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SCALES = (2, 4, 8, 16, 32)
APPROXIMATE = {
    "sq8": Kind("all photos, a byte a number", lambda n: "SQ8", "candidates a result", _SCALES),
    "hnsw": Kind("a graph of near photos", lambda n: f"HNSW{_LINKS},Flat", "efSearch", _GRAPH),
    "hnsw_sq8": Kind("a graph, a byte a number", lambda n: f"HNSW{_LINKS},SQ8", "efSearch", _GRAPH),
    "ivf": Kind("cells about centres", lambda n: f"IVF{cells(n)},Flat", "nprobe", _CELLS),
    "ivf_sq8": Kind("cells, a byte a number", lambda n: f"IVF{cells(n)},SQ8", "nprobe", _CELLS),
}
KINDS = ("exact", *APPROXIMATE)


def chosen(kind: str, photos: int) -> str:
    """Return the kind meant: ``auto`` goes by the number of photos; of no photos nothing but ``exact`` can be built.

    Raises:
        ValueError: if there is no such kind.
    """
    if kind == "auto":
        return "exact" if photos <= EXACT_UP_TO else BEYOND
    if kind not in KINDS:
        raise ValueError(f"a store of the kind '{kind}' is not known; give auto, {', '.join(KINDS)}, or milvus://...")
    return kind if photos else "exact"


def train_and_add(kind: str, vectors: np.ndarray) -> Any:
    """Build FAISS's index of vectors (N, E): by one thread and a fixed seed, so that its bytes are the same each time.

    Raises:
        ImportError: if FAISS is not installed.
    """
    faiss = library()
    index = faiss.index_factory(vectors.shape[1], APPROXIMATE[kind].recipe(len(vectors)), faiss.METRIC_INNER_PRODUCT)
    base = faiss.downcast_index(index)
    if hasattr(base, "hnsw"):
        base.hnsw.efConstruction = _BUILD_EFFORT
    if hasattr(base, "cp"):
        base.cp.seed, base.cp.max_points_per_centroid = _SEED, _A_CELL
    with threads(1):
        index.train(_sample(vectors, _A_CELL * getattr(base, "nlist", 1)))
        for start in range(0, len(vectors), _BLOCK):
            index.add(np.ascontiguousarray(vectors[start : start + _BLOCK]))
    return index


def parameters(kind: str, index: Any) -> dict[str, Any]:
    """Return how an index was built, for the manifest."""
    faiss = library()
    base = faiss.downcast_index(index)
    found = {"recipe": APPROXIMATE[kind].recipe(index.ntotal), "faiss": faiss.__version__, "seed": _SEED}
    if hasattr(base, "hnsw"):
        found["efConstruction"] = base.hnsw.efConstruction
    return found


def _sample(vectors: np.ndarray, least: int) -> np.ndarray:
    """Photos to train with, evenly spread: all of a small catalogue."""
    wanted = max(least, 100_000)
    step = max(1, len(vectors) // wanted)
    return np.ascontiguousarray(vectors[::step][:wanted])
