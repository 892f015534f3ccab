"""The files of an index, opened: what a query is answered from, all of one state of the index. N photos, E numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybrid_sbir.encoding import Encoder, load_encoder
from hybrid_sbir.search import stores
from hybrid_sbir.search.catalogue import Entry
from hybrid_sbir.search.manifest import IndexProblem, Manifest, steadily, verified
from hybrid_sbir.search.photo_rows import read_rows
from hybrid_sbir.search.refining import Refining
from hybrid_sbir.search.stores import Store


@dataclass(frozen=True)
class Opened:
    """One state of an index.

    Attributes:
        manifest: what the index says of itself.
        encoder: its model.
        photos: an entry a photo, in the order of the vectors, (N,).
        store: where the vectors are searched.
        refining: query expansion and re-ranking over them.
    """

    manifest: Manifest
    encoder: Encoder
    photos: Sequence[Entry]
    store: Store
    refining: Refining

    @classmethod
    def read(
        cls,
        folder: Path,
        device: str = "cpu",
        exact: bool = False,
        effort: int | None = None,
        onnx: Path | None = None,
        last: "Opened | None" = None,
    ) -> "Opened":
        """Open an index as it is now.

        Args:
            folder: the index's.
            device: where the model runs.
            exact: compare all photos, whatever the index was built for.
            effort: how hard an approximate store looks, instead of the manifest's.
            onnx: a folder of the same model's graphs, which compute in its place.
            last: a state before; its model is kept where it is still the same.

        Raises:
            IndexProblem: if it is none, or a file of it is missing, cut short or altered.
            ValueError: if the graphs are of another model than the index.
        """

        def opened(manifest: Manifest) -> Opened:
            photos = list(read_rows(verified(folder, manifest.files["photos"])))
            if len(photos) != manifest.photos:
                raise IndexProblem(f"{folder} names {len(photos)} photos, not {manifest.photos}; make the index again")
            store = stores.open(manifest, folder, kind="exact" if exact else None, effort=effort)
            vectors = None
            if "vectors" in manifest.files and manifest.photos:  # the store has just checked what is in it
                vectors = np.load(folder / manifest.files["vectors"].name, mmap_mode="r", allow_pickle=False)
            if last is not None and last.manifest.files["model"] == manifest.files["model"]:
                encoder = last.encoder
            else:
                encoder = load_encoder(verified(folder, manifest.files["model"]), device)
                encoder = encoder if onnx is None else _graphs(encoder, onnx)
            if encoder.embedding_size != manifest.embedding_size:
                raise IndexProblem(
                    f"the model of {folder} gives {encoder.embedding_size} numbers, its vectors have "
                    f"{manifest.embedding_size}; make the index again"
                )
            return cls(manifest, encoder, photos, store, Refining(store, vectors))

        return steadily(folder, opened)


def _graphs(encoder: Encoder, folder: Path) -> Encoder:
    """The graphs of an index's model; those of another one would find nothing and say so to nobody."""
    from hybrid_sbir.encoding.model_file import weights_digest
    from hybrid_sbir.encoding.onnx_encoder import OnnxEncoder

    graphs = load_encoder(folder, runtime="onnx")
    assert isinstance(graphs, OnnxEncoder)
    if graphs.manifest.weights != weights_digest(encoder.model) or graphs.preparation != encoder.preparation:
        raise ValueError(
            f"the graphs in {folder} are of another model, or of other preparation, than the index's; export the "
            f"index's own: hybrid-sbir export INDEX/model-*.safetensors --out {folder}"
        )
    return graphs
