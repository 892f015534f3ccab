"""The verb that makes an index of photos. N photos, E embedding size."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hybrid_sbir.data.images import ImageProblem, read_image
from hybrid_sbir.encoding import Encoder, load_encoder
from hybrid_sbir.encoding.model_file import model_file_bytes
from hybrid_sbir.search import stores
from hybrid_sbir.search.catalogue import Catalogue, Entry, open_catalogue
from hybrid_sbir.search.manifest import Manifest, store_file, write_manifest


def index(*, model: Path, photos: Path, out: Path, batch_size: int = 64) -> list[str]:
    """Embed photos and write an index to search in.

    Args:
        model: a run's folder, its checkpoint, or a published .safetensors.
        photos: a folder of photos.
        out: the index's folder.
        batch_size: photos embedded at once.

    Returns:
        What was done, in lines.
    """
    encoder, catalogue = load_encoder(model), open_catalogue(photos)
    kept, vectors, skipped = _embed(encoder, catalogue, batch_size)
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "model": store_file(
            out, "model", ".safetensors", model_file_bytes(encoder.model, encoder.preparation, encoder.about)
        ),
        "photos": store_file(out, "photos", ".jsonl", _lines([entry._asdict() for entry in kept])),
        "skipped": store_file(out, "skipped", ".jsonl", _lines(skipped)),
    }
    built = stores.build("auto", vectors, out)
    plain: dict[str, Any] = {domain: each._asdict() for domain, each in encoder.preparation.items()}
    source = {"kind": catalogue.kind, "path": str(catalogue.path)}
    views = {"scales": [1.0], "mirror": False}
    write_manifest(
        out,
        Manifest(
            len(kept),
            encoder.embedding_size,
            source,
            encoder.about,
            plain,
            views,
            built.description,
            files | built.files,
        ),
    )
    built.finish()
    return [f"{out}: {len(kept)} photos, {len(skipped)} skipped"]


def _embed(
    encoder: Encoder, catalogue: Catalogue, batch_size: int
) -> tuple[list[Entry], np.ndarray, list[dict[str, str]]]:
    kept, images, vectors, skipped = [], [], [], []
    transform = encoder.transform("photo")
    for entry in catalogue.entries():
        try:
            images.append(transform(read_image(catalogue.read(entry.id), name=entry.id)))
            kept.append(entry)
        except ImageProblem as problem:
            skipped.append({"id": entry.id, "reason": problem.reason})
        if len(images) == batch_size:
            vectors.append(encoder.embed(torch.stack(images), "photo"))
            images = []
    if images:
        vectors.append(encoder.embed(torch.stack(images), "photo"))
    return kept, np.concatenate(vectors or [np.zeros((0, encoder.embedding_size), np.float32)]), skipped


def _lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows).encode()
