"""Vectors like those of trained models: photos in clusters, sketches near them but shifted."""

import numpy as np

from hybrid_sbir.search.manifest import Manifest, StoredFile


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def photos_and_sketches(photos=3000, sketches=40, size=32, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, size))
    spread = 0.5 * rng.standard_normal((photos, size)) + centres[np.arange(photos) % 40]
    drawn = 0.7 * rng.standard_normal((sketches, size)) + centres[np.arange(sketches) % 40]
    return unit(spread), unit(drawn + rng.standard_normal(size) * 0.3)


def manifest_of(built, vectors):
    """A manifest of which only the store's part is true."""
    digest = "0" * 64
    others = {role: StoredFile(f"{role}-{digest[:12]}.x", 0, digest) for role in ("model", "photos")}
    source = {"kind": "folder", "path": "photos"}
    return Manifest(*vectors.shape, source, {}, {}, {}, built.description, others | built.files)
