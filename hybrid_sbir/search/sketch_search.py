"""Draw, and find the photo: an index opened for queries.

K results, Q queries, E embedding size; (C, S, S) a sketch as the model is given it.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hybrid_sbir.encoding import Encoder
from hybrid_sbir.search.catalogue import Catalogue, Entry, open_catalogue
from hybrid_sbir.search.finding import find
from hybrid_sbir.search.hit import Hit, Wanted
from hybrid_sbir.search.manifest import Manifest, read_manifest
from hybrid_sbir.search.opened import Opened
from hybrid_sbir.search.query import Sketch, photo_image, sketch_image

_BATCH = 32  # sketches that go through the model at once


class SketchSearch:
    """An index, its model, and its vectors, ready for queries.

    Several threads may search at once, also while :meth:`refresh` opens a new state of the index.
    """

    def __init__(
        self, opened: Opened, folder: Path, device: str, exact: bool, effort: int | None, onnx: Path | None = None
    ) -> None:
        self._opened, self._given = opened, (folder, device, exact, effort, onnx)
        self._changing = threading.Lock()
        self._catalogue: tuple[str, Catalogue] | None = None

    @classmethod
    def load(
        cls,
        index: Path | str,
        device: str = "cpu",
        *,
        exact: bool = False,
        effort: int | None = None,
        onnx: Path | str | None = None,
    ) -> "SketchSearch":
        """Open an index.

        Args:
            index: the index's folder.
            device: where the model runs.
            exact: compare all photos, whatever the index was built for.
            effort: how hard an approximate store looks, instead of what the index says.
            onnx: a folder of ONNX graphs that ``hybrid-sbir export`` made of the index's model: on a CPU they embed a
                sketch faster.

        Raises:
            IndexProblem: if it is none, or a file of it is missing, cut short or altered.
            ValueError: if the graphs are damaged, or of another model.
            ImportError: if there are graphs and onnxruntime is missing.
        """
        given = Path(index), str(device), exact, effort, None if onnx is None else Path(onnx)
        return cls(Opened.read(*given), *given)

    @property
    def manifest(self) -> Manifest:
        """What the index says of itself."""
        return self._opened.manifest

    @property
    def encoder(self) -> Encoder:
        """The index's model."""
        return self._opened.encoder

    @property
    def photos(self) -> Sequence[Entry]:
        """An entry a photo, in the order of the vectors."""
        return self._opened.photos

    def refresh(self) -> bool:
        """Open the index again if it was changed since; queries under way are answered from the old state.

        Returns:
            Whether it was changed.

        Raises:
            IndexProblem: if the new state cannot be opened; the old one goes on answering.
        """
        with self._changing:
            if read_manifest(self._given[0]) == self.manifest:
                return False
            self._opened = Opened.read(*self._given, last=self._opened)
            return True

    def reopened(self) -> "SketchSearch":
        """Open the index as it is now, as :meth:`load` opened this one; the model is shared where it is the same."""
        return type(self)(Opened.read(*self._given, last=self._opened), *self._given)

    def picture(self, sketch: Sketch) -> Image.Image:
        """Return a sketch as an image of dark lines on white; strokes are drawn as for training.

        Raises:
            ValueError: if it is no sketch, is out of the limits, or nothing is drawn.
            OSError: if a file cannot be read.
        """
        return sketch_image(sketch, self.encoder.preparation["sketch"].strokes)

    def prepare(self, sketch: Sketch, *, photo: bool = False) -> Tensor:
        """Return a sketch, or a photo to search with, as the model is given it: (C, S, S), float32.

        Raises:
            ValueError: see :meth:`picture`.
            OSError: see :meth:`picture`.
        """
        if photo:
            return self.encoder.prepare(photo_image(sketch), "photo")
        return self.encoder.prepare(self.picture(sketch), "sketch")

    def embed(
        self, sketch: Sketch, *, scales: Sequence[float] = (1.0,), mirror: bool = False, photo: bool = False
    ) -> np.ndarray:
        """Embed one sketch: (1, E), float32, of norm 1; arguments as of :meth:`search`."""
        domain: Literal["sketch", "photo"] = "photo" if photo else "sketch"
        prepared = self.prepare(sketch, photo=photo)[None]
        return self.encoder.embed(prepared, domain, scales=scales, mirror=mirror)

    def search(
        self,
        sketch: Sketch,
        k: int = 10,
        *,
        scales: Sequence[float] = (1.0,),
        mirror: bool = False,
        expand: int = 0,
        rerank: bool = False,
        threshold: float | None = None,
        within: str | Sequence[str] = (),
        photo: bool = False,
    ) -> list[Hit]:
        """Find the K photos nearest to a sketch, nearest first.

        Args:
            sketch: an image or SVG, as a file's path or bytes; strokes, as arrays, lists, or in JSON; a PIL image; or
                an array of pixels. See :func:`~hybrid_sbir.search.query.sketch_image`.
            k: K, from 1 on; a smaller catalogue gives all it has.
            scales: factors on the sketch's side, whose descriptors are averaged.
            mirror: whether its mirror image is averaged too.
            expand: add so many of the photos it finds first to the query, and search again.
            rerank: rank what was found again by which photos are neighbours of one another; of large catalogues the
                first :data:`~hybrid_sbir.search.refining.FIRST` photos only.
            threshold: leave out photos whose cosine is lower.
            within: leave out photos whose id does not begin with this, or with one of these.
            photo: the query is a photo, and photos like it are looked for.

        Raises:
            ValueError: if it is no sketch, nothing is drawn, or an argument is not as above.
            OSError: if a file cannot be read.
        """
        recipe = {"expand": expand, "rerank": rerank, "threshold": threshold, "within": within}
        return self.search_many([sketch], k, scales=scales, mirror=mirror, photo=photo, **recipe)[0]  # type: ignore[arg-type]

    def search_many(
        self,
        sketches: Sequence[Sketch],
        k: int = 10,
        *,
        scales: Sequence[float] = (1.0,),
        mirror: bool = False,
        photo: bool = False,
        expand: int = 0,
        rerank: bool = False,
        threshold: float | None = None,
        within: str | Sequence[str] = (),
    ) -> list[list[Hit]]:
        """Find photos for several sketches, which go through the model together; arguments as of :meth:`search`."""
        domain: Literal["sketch", "photo"] = "photo" if photo else "sketch"
        found: list[list[Hit]] = []
        for start in range(0, len(sketches), _BATCH):
            prepared = torch.stack([self.prepare(each, photo=photo) for each in sketches[start : start + _BATCH]])
            vectors = self.encoder.embed(prepared, domain, scales=scales, mirror=mirror)
            found += self.find(vectors, k, expand=expand, rerank=rerank, threshold=threshold, within=within)
        return found

    def find(
        self,
        vectors: np.ndarray,
        k: int,
        *,
        expand: int = 0,
        rerank: bool = False,
        threshold: float | None = None,
        within: str | Sequence[str] = (),
    ) -> list[list[Hit]]:
        """Find the K photos nearest to each of Q queries that are embedded already, (Q, E): Q lists.

        Arguments and errors as of :meth:`search`.
        """
        wanted, opened = Wanted.of(k, threshold, within), self._opened
        with torch.inference_mode():
            if expand:
                vectors = opened.refining.expanded(vectors, expand)
            return find(vectors, opened.photos, opened.store, opened.refining, wanted, rerank)

    def photo_bytes(self, photo: str, limit: int | None = None) -> bytes:
        """Return the bytes of a photo of the index.

        Args:
            photo: its id.
            limit: in bytes; nothing longer is read.

        Raises:
            OSError: if its file is gone, or too long.
        """
        path, known = self.manifest.source["path"], self._catalogue
        if known is None or known[0] != path:
            known = self._catalogue = path, open_catalogue(Path(path))
        return known[1].read(photo, limit)

    def explain(
        self,
        sketch: Sketch,
        *,
        at: tuple[float, float] | None = None,
        blocks: Sequence[str] | None = None,
        photo: bool = False,
    ) -> bytes:
        """Draw what a place of a sketch looks at in the model's attention blocks.

        Args:
            sketch: as of :meth:`search`.
            at: x and y as shares of the picture that the model sees, 0 to 1; default: the ink nearest to the drawing's
                middle.
            blocks: names STAGE.BLOCK; all where not given.
            photo: the query is a photo.

        Returns:
            A PNG file.

        Raises:
            ValueError: if the model has no attention block or no such one, it is no sketch, or matplotlib is missing.
        """
        from hybrid_sbir.search.explaining import explained

        picture = photo_image(sketch) if photo else self.picture(sketch)
        return explained(self.encoder, picture, at, blocks, "photo" if photo else "sketch")
