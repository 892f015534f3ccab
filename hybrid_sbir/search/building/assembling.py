"""From what was found to an index: files to the side, then the manifest, then the old files go. N photos, E numbers."""

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_sbir.encoding.model_file import model_file_bytes
from hybrid_sbir.search import stores
from hybrid_sbir.search.building.job import Job, versions
from hybrid_sbir.search.building.plan import settled
from hybrid_sbir.search.catalogue import Refused
from hybrid_sbir.search.manifest import (
    MANIFEST,
    STORED,
    IndexProblem,
    Manifest,
    StoredFile,
    store_file,
    verified,
    write_manifest,
)
from hybrid_sbir.search.photo_rows import read_rows, row
from hybrid_sbir.search.stores.files import store_array, store_written

_SIDE = re.compile(r"\..+\.\d+\.part")
_OWN_ROLES = ("model", "photos", "skipped")


@dataclass
class Outcome:
    """What an index came out as.

    Attributes:
        photos: N.
        skipped: kind of reason -> how many.
        added, changed: of the photos, beside the index before.
        as_before: whether all vectors are those of the index before, in its order.
        skipped_file: name of the file that lists them.
    """

    photos: int = 0
    added: int = 0
    changed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    as_before: bool = True
    skipped_file: str = ""


def assemble(job: Job, queries: stores.Queries | None = None) -> Outcome:
    """Write the index's files, switch to them, and remove what the index before needed alone.

    Args:
        job: what is built; its journal has everything.
        queries: sketches' vectors that recall is measured with.

    Raises:
        ValueError: if there is no photo.
        OSError: if nothing can be written; the index that stands is as it was.
    """
    outcome = _write_side(job)
    if not outcome.photos:
        said = "; ".join(f"{count} {reason}" for reason, count in outcome.skipped.most_common(3))
        raise ValueError(
            f"no photo in {job.catalogue.path} can be used ({said or 'there is none'}); an index that stands in "
            f"{job.out} is as it was"
        )
    vectors = np.memmap(job.side / "vectors", np.float32, "r", shape=(outcome.photos, job.encoder.embedding_size))
    content = model_file_bytes(job.encoder.model, job.encoder.preparation, job.encoder.about)
    files = {"model": store_file(job.out, "model", ".safetensors", content)}
    for role in ("photos", "skipped"):
        files[role] = store_written(job.out, role, ".jsonl", partial(_move, job.side / role))
    outcome.skipped_file = files["skipped"].name
    kept = _kept_store(job, outcome, queries)
    built = kept or stores.build(job.store, vectors, job.out, queries=queries, ids=_ids(job, files["photos"]))
    files |= built.files
    if "vectors" not in files:  # a store elsewhere; without them every update would embed all photos again
        files["vectors"] = store_array(job.out, "vectors", vectors)
    write_manifest(job.out, _manifest(job, outcome.photos, built.description, files))
    built.finish()
    _tidy(job, files)
    return outcome


def _ids(job: Job, photos: StoredFile) -> list[str] | None:
    """The photos' ids, where the store keeps them."""
    return [entry.id for entry in read_rows(job.out / photos.name)] if stores.is_address(job.store) else None


def _move(path: Path, to: Path) -> None:
    path.replace(to)


def _write_side(job: Job) -> Outcome:
    """Write photos, vectors and what was skipped, in the order of ids."""
    outcome = Outcome()
    with (
        (job.side / "photos").open("w") as photos,
        (job.side / "skipped").open("w") as skipped,
        (job.side / "vectors").open("wb") as vectors,
    ):
        for item, found, before in settled(job):
            if isinstance(item, Refused) or (found is not None and found.reason is not None):
                refused = item if isinstance(item, Refused) else Refused(item.id, str(found and found.reason))
                skipped.write(row(refused))
                outcome.skipped[refused.reason.partition(":")[0]] += 1
                continue
            if found is None or found.vectors is None:
                raise OSError(f"the vector of {item.id} was written to {job.side} and is not there; run this again")
            photos.write(row(item._replace(sha256=found.entry.sha256)))
            vectors.write(found.vectors[found.row].tobytes())
            outcome.as_before &= found.old and found.row == outcome.photos
            outcome.photos += 1
            outcome.added += before is None
            outcome.changed += before is not None and before.sha256 != found.entry.sha256
    return outcome


def _kept_store(job: Job, outcome: Outcome, queries: stores.Queries | None) -> stores.Built | None:
    """The store of the index before, where nothing that it holds has changed: a large one takes long to make."""
    old = job.old
    if stores.is_address(job.store):  # what is kept elsewhere may be gone; putting nothing new there is quick
        return None
    if old and queries and old.store.get("recall", {"of": queries.origin})["of"] != queries.origin:
        return None
    if old is None or not outcome.as_before or outcome.photos != old.photos or old.built != job.built():
        return None
    files = {role: stored for role, stored in old.files.items() if role not in _OWN_ROLES}
    try:
        for stored in files.values():
            verified(job.out, stored)
    except IndexProblem:
        return None
    return stores.Built(old.store, files)


def _manifest(job: Job, photos: int, store: dict[str, Any], files: dict[str, StoredFile]) -> Manifest:
    encoder = job.encoder
    return Manifest(
        photos=photos,
        embedding_size=encoder.embedding_size,
        source={"kind": job.catalogue.kind, "path": str(job.catalogue.path)},
        model=encoder.about,
        preparation={domain: each._asdict() for domain, each in encoder.preparation.items()},
        views=job.views(),
        store=store,
        files=files,
        versions=versions(),
        built=job.built(),
    )


def _tidy(job: Job, files: dict[str, StoredFile]) -> None:
    """Remove the build's side folder, and files of an index that no manifest names; only the lock's holder may."""
    needed = {stored.name for stored in files.values()} | {MANIFEST}
    for path in job.out.iterdir():
        if path.name not in needed and (STORED.fullmatch(path.name) or _SIDE.fullmatch(path.name)):
            Path(path).unlink(missing_ok=True)
    shutil.rmtree(job.side)
