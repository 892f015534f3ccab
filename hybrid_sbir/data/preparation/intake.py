"""Taking images in: unpacked or linked, then each read and decoded once, so that what is listed can be used."""

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from tqdm import tqdm

from hybrid_sbir.data.images import ImageProblem, read_image
from hybrid_sbir.data.preparation.archive import extract
from hybrid_sbir.data.preparation.layouts import sort_members
from hybrid_sbir.data.preparation.members import Archive, Problem

MAX_FILE_BYTES = 256 * 2**20


class Row(NamedTuple):
    """A sample: its path below the data set's folder, class, official part or domain, group, and sha256."""

    path: str
    class_name: str
    part: str
    group: str
    sha256: str


@dataclass
class Intake:
    """What was taken in.

    Attributes:
        kind: ``"images"``, ``"strokes"`` or ``"bitmaps"``.
        rows: the usable samples, in the order of the index.
        problems: what should be data but cannot be used, with the reason.
        ignored: what is no data, paths by reason.
        remarks: what a person should know of the data as a whole.
    """

    kind: str
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def take_images(archive: Archive, folder: Path, layout: str, workers: int | None, progress: bool) -> Intake:
    """Put an archive's images into ``folder/images``, as they lie in the archive, and check every one.

    A folder given as the archive is not copied: ``images`` becomes a symbolic link to it, so that paths read the same.
    Unpacked files that cannot be used go to ``folder/rejected``; linked ones stay where they are.

    Args:
        archive: the open archive.
        folder: the data set's folder, empty.
        layout: which of :data:`~hybrid_sbir.data.preparation.layouts.LAYOUTS` it has.
        workers: decoding threads; by default one a core. Decoders release Python's lock, so threads do.
        progress: show bars on a terminal.

    Raises:
        ArchiveError: if it ends too early or has no images where the layout expects them.
        OSError: if the disk is full or not writable.
    """
    sorting = sort_members(archive, layout)
    intake = Intake("images", problems=list(archive.problems), ignored=dict(sorting.ignored), remarks=sorting.remarks)
    lost: set[str] = set()
    in_place = archive.kind == "folder"
    if in_place:
        (folder / "images").symlink_to(archive.path.resolve(), target_is_directory=True)
    else:
        refused = extract(archive, sorting.images.keys(), folder / "images", progress)
        intake.problems += refused
        lost = {problem.path for problem in refused}  # not the archive's own: of a repeated path the first is there
    paths = sorted(sorting.images.keys() - lost, key=lambda path: (sorting.images[path].class_name, path))
    for path, digest, reason in check_images(folder / "images", paths, workers, progress):
        if not reason:
            intake.rows.append(Row(f"images/{path}", *sorting.images[path], digest))
            continue
        intake.problems.append(Problem(path, reason))
        if not in_place:
            rejected = folder / "rejected" / path
            rejected.parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / path).rename(rejected)
    return intake


def check_images(
    root: Path, paths: Sequence[str], workers: int | None = None, progress: bool = True
) -> Iterator[tuple[str, str, str]]:
    """Read and decode each file in full.

    Yields:
        Path, sha256 of the file and the reason why it cannot be used ('' if it can), in the order of ``paths``.
    """

    def check(path: str) -> tuple[str, str, str]:
        return path, *_hash_and_decode(root / path)

    with warnings.catch_warnings(), ThreadPool(workers or os.cpu_count()) as pool:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # read_image's own filter is not thread-safe
        done = pool.imap(check, paths, chunksize=16)
        yield from tqdm(done, total=len(paths), unit="image", desc="check", disable=None if progress else True)


def _hash_and_decode(file: Path) -> tuple[str, str]:
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            return "", f"oversized: a file of {size / 1e6:.0f} MB, the limit is {MAX_FILE_BYTES / 1e6:.0f} MB"
        content = file.read_bytes()
        read_image(content, name=file.name)
    except ImageProblem as problem:
        return "", problem.reason
    except OSError as error:
        return "", f"unreadable: {error.strerror}"
    return hashlib.sha256(content).hexdigest(), ""
