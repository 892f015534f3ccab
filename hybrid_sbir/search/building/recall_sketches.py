"""Sketches that an index's recall is measured with. Q sketches, E embedding size."""

from pathlib import Path

import numpy as np
import torch

from hybrid_sbir.encoding import Encoder
from hybrid_sbir.search.query import sketch_image
from hybrid_sbir.search.stores import Queries

MOST = 512
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".svg", ".json", ".ndjson")
_BATCH = 64


def sketch_queries(folder: Path, encoder: Encoder) -> Queries:
    """Embed sketches of a folder and its folders, evenly chosen: at most ``MOST``, in the order of their paths.

    Raises:
        ValueError: if there are none, or one cannot be read.
        OSError: if a file cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise ValueError(f"{folder} has no sketches to measure recall with; give a folder of {', '.join(_SUFFIXES)}")
    chosen = [files[at] for at in np.linspace(0, len(files) - 1, min(MOST, len(files))).astype(int)]
    pen = encoder.preparation["sketch"].strokes
    vectors = []
    for start in range(0, len(chosen), _BATCH):
        drawn = [encoder.prepare(sketch_image(path, pen), "sketch") for path in chosen[start : start + _BATCH]]
        vectors.append(encoder.embed(torch.stack(drawn), "sketch"))
    return Queries(np.concatenate(vectors), f"{len(chosen)} of the {len(files)} sketches in {folder.name}")
