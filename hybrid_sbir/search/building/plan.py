"""What is left to embed: the photos there are, less what is known of them; on the disk, for any number of processes."""

import hashlib
import heapq
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hybrid_sbir.search.building.job import Job
from hybrid_sbir.search.building.known import Known, beside, of_index, of_journal, same_contents, unchanged
from hybrid_sbir.search.catalogue import Entry, Refused
from hybrid_sbir.search.photo_rows import row

_KEY, _LISTING, _PENDING, _PLACES, _PLAN = "key", "listing.jsonl", "pending.jsonl", "batches.u64", "plan.json"


@dataclass
class Plan:
    """Numbers of a plan.

    Attributes:
        photos: that can be tried.
        pending: that are to be embedded.
        batches: of them.
        known: whose vectors are there.
    """

    photos: int = 0
    pending: int = 0
    batches: int = 0
    known: int = 0


def make_plan(job: Job, progress: Callable[[], object] = lambda: None) -> Plan:
    """List the photos, and write down which are to be embedded; only one process may do so.

    A photo is known where its length and date are those of the file that was embedded, or else its contents: only such
    doubtful files are read here.

    Args:
        job: what is built.
        progress: is called for each photo.

    Raises:
        IndexProblem: if the index that is updated is damaged.
        OSError: if the folder cannot be listed, or nothing can be written.
    """
    begin_side(job)
    plan, places = Plan(), []
    with (job.side / _LISTING).open("w") as listing, (job.side / _PENDING).open("w") as pending:
        for item, known in beside(job.catalogue.listed(), known_of(job)):
            progress()
            item = _limited(item, job)
            if isinstance(item, Entry):
                plan.photos += 1
                item = _recognised(item, known, job)
                plan.known += bool(item.sha256)
            listing.write(row(item))
            if isinstance(item, Entry) and not item.sha256 and unchanged(item, known) is None:
                if plan.pending % job.settings.batch_size == 0:
                    places.append(pending.tell())
                pending.write(row(item))
                plan.pending += 1
    plan.batches = len(places)
    np.array(places, "<u8").tofile(job.side / _PLACES)
    (job.side / _PLAN).write_text(json.dumps(asdict(plan)))
    return plan


def read_plan(job: Job) -> Plan:
    """Return the numbers of a plan that another process made."""
    return Plan(**json.loads((job.side / _PLAN).read_text()))


def batch(side: Path, number: int, size: int) -> list[Entry]:
    """Return the photos of a batch of a plan."""
    place = int(np.memmap(side / _PLACES, "<u8", "r")[number])
    with (side / _PENDING).open() as lines:
        lines.seek(place)
        return [Entry(**json.loads(line)) for _, line in zip(range(size), lines, strict=False)]


class Settled(NamedTuple):
    """A photo with all that there is of it.

    Attributes:
        item: the file, or why it was refused.
        found: what was found of it as it is now; None where it was refused.
        before: the photo of this id in the index that stands.
    """

    item: Entry | Refused
    found: Known | None
    before: Entry | None


def settled(job: Job) -> Iterator[Settled]:
    """Yield everything listed, in the order of ids."""
    with (job.side / _LISTING).open() as lines:
        listed = (_item(json.loads(line)) for line in lines)
        for item, known in beside(listed, known_of(job)):
            before = next((one.entry for one in known if one.old), None)
            found = None
            if isinstance(item, Entry):
                found = same_contents(item.sha256, known) if item.sha256 else unchanged(item, known)
            yield Settled(item, found, before)


def known_of(job: Job) -> Iterator[Known]:
    """Yield what is known already, in the order of ids: what the index says first."""
    size = job.encoder.embedding_size
    return heapq.merge(of_index(job.out, job.old), of_journal(job.side, size), key=lambda known: known.entry.id)


def begin_side(job: Job) -> None:
    """Make the folder of the build; what a build with other settings left there goes."""
    key = job.side / _KEY
    if job.side.exists() and not (key.is_file() and key.read_text() == job.key):
        shutil.rmtree(job.side)
    job.side.mkdir(parents=True, exist_ok=True)
    key.write_text(job.key)


def _limited(item: Entry | Refused, job: Job) -> Entry | Refused:
    limit = job.settings.max_bytes
    if isinstance(item, Entry) and item.bytes > limit:
        return Refused(item.id, f"oversized: {item.bytes:,} bytes, the limit is {limit:,} (--max_bytes)")
    return item


def _recognised(entry: Entry, known: list[Known], job: Job) -> Entry:
    """Add the SHA-256 of a photo whose vector is there: of one that looks untouched, or else has the same contents."""
    found = unchanged(entry, known)
    if found is not None:
        return entry if found.reason else entry._replace(sha256=found.entry.sha256)
    if any(one.embedded and one.entry.bytes == entry.bytes for one in known):
        try:
            digest = hashlib.sha256(job.catalogue.read(entry.id, job.settings.max_bytes)).hexdigest()
        except OSError:
            return entry  # whoever embeds it will say why it cannot be read
        if same_contents(digest, known) is not None:
            return entry._replace(sha256=digest)
    return entry


def _item(plain: dict) -> Entry | Refused:
    return Refused(**plain) if "reason" in plain else Entry(**plain)
