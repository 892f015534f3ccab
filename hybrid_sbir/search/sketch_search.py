"""Draw, and find the photo: an index opened for queries.

K results, Q queries, E embedding size; (C, S, S) a sketch as the model is given it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hybrid_sbir.encoding import Encoder, load_encoder
from hybrid_sbir.search import stores
from hybrid_sbir.search.catalogue import Entry, open_catalogue
from hybrid_sbir.search.manifest import Manifest, read_manifest, verified
from hybrid_sbir.search.query import Sketch, sketch_image
from hybrid_sbir.search.stores import Store


class Hit(NamedTuple):
    """A photo that was found.

    Attributes:
        rank: from 1.
        id: the photo's id in the catalogue.
        score: cosine of the sketch's and the photo's vectors, -1 to 1.
    """

    rank: int
    id: str
    score: float


class SketchSearch:
    """An index, its model, and its vectors, ready for queries.

    Attributes:
        manifest: what the index says of itself.
        encoder: its model.
        photos: an entry a photo, in the order of the vectors.
        catalogue: where the photos' files are.
    """

    def __init__(self, manifest: Manifest, encoder: Encoder, photos: list[Entry], store: Store) -> None:
        self.manifest, self.encoder, self.photos, self._store = manifest, encoder, photos, store

    @classmethod
    def load(cls, index: Path | str, device: str = "cpu") -> "SketchSearch":
        """Open an index.

        Raises:
            IndexProblem: if it is none, or a file of it is missing, cut short or altered.
        """
        folder = Path(index)
        manifest = read_manifest(folder)
        encoder = load_encoder(verified(folder, manifest.files["model"]), device)
        rows = verified(folder, manifest.files["photos"]).read_text(encoding="utf-8").splitlines()
        return cls(manifest, encoder, [Entry(**json.loads(row)) for row in rows], stores.open(manifest, folder))

    def embed(self, sketch: Sketch, *, scales: Sequence[float] = (1.0,), mirror: bool = False) -> np.ndarray:
        """Embed one sketch: (1, E), float32, of norm 1."""
        return self.encoder.embed(self.prepare(sketch)[None], "sketch", scales=scales, mirror=mirror)

    def prepare(self, sketch: Sketch) -> Tensor:
        """Return a sketch as the model is given it: (C, S, S), float32."""
        return self.encoder.prepare(sketch_image(sketch), "sketch")

    def search(
        self, sketch: Sketch, k: int = 10, *, scales: Sequence[float] = (1.0,), mirror: bool = False
    ) -> list[Hit]:
        """Find the K photos nearest to a sketch, nearest first.

        Args:
            sketch: an image, an image file's path or bytes, or strokes.
            k: K, from 1 on; a smaller catalogue gives all it has.
            scales: factors on the sketch's side, whose descriptors are averaged.
            mirror: whether its mirror image is averaged too.
        """
        return self.find(self.embed(sketch, scales=scales, mirror=mirror), k)[0]

    def find(self, vectors: np.ndarray, k: int) -> list[list[Hit]]:
        """Find the K photos nearest to each of Q sketches that are embedded already, (Q, E): Q lists."""
        with torch.inference_mode():
            scores, places = self._store.search(vectors, k)
        return [
            [
                Hit(rank, self.photos[place].id, float(score))
                for rank, (score, place) in enumerate(zip(*query, strict=True), start=1)
            ]
            for query in zip(scores, places, strict=True)
        ]

    def photo_bytes(self, photo: str) -> bytes:
        """Return the bytes of a photo of the index.

        Raises:
            OSError: if its file is gone.
        """
        return open_catalogue(Path(self.manifest.source["path"])).read(photo)
