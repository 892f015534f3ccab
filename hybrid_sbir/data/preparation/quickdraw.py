"""Taking QuickDraw in: a seeded choice of drawings of each class, streamed, so that memory holds one class's choice.

The choice does not depend on the order of the drawings in a file: of simplified strokes those with the smallest hashes
of seed, class and key_id are taken, so that a smaller choice is part of a larger one; of bitmaps, without keys, rows.

P points, S strokes and D drawings of all classes. The strokes are stored as points.npy (P, 2) int16, stroke_offsets.npy
(S + 1,) and drawing_offsets.npy (D + 1,) int64: stroke s is points[stroke_offsets[s] : stroke_offsets[s + 1]], and
drawing d has the strokes from drawing_offsets[d] up to, not including, drawing_offsets[d + 1].
"""

import hashlib
import heapq
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import numpy as np
from tqdm import tqdm

from hybrid_sbir.data.preparation.intake import Intake, Row
from hybrid_sbir.data.preparation.members import DAMAGE, Archive, ArchiveError, Problem
from hybrid_sbir.data.splits import order
from hybrid_sbir.data.stores.npy_writer import NpyWriter
from hybrid_sbir.data.strokes import parse_simplified

_KEY = re.compile(rb'"key_id"\s*:\s*"?(\d+)')
_MAX_LINE = 2**20  # the longest official line has some 30 KB
_MAX_NAMED = 100  # bad lines of one file that are named one by one
_PIXELS = 28 * 28


class _Chosen(NamedTuple):
    """A drawing: rank (negative: the heap's top is the last choice), key_id, points (L, 2) int16, stroke lengths."""

    rank: int
    key: int
    points: np.ndarray
    lengths: np.ndarray


def take_strokes(archive: Archive, folder: Path, per_class: int, seed: int, progress: bool) -> Intake:
    """Write ``per_class`` drawings of each ``CLASS.ndjson`` to ``folder/strokes``.

    Lines that are not chosen are not parsed, except for their key_id.

    Raises:
        ArchiveError: if the archive ends too early or has no ``.ndjson`` file.
        OSError: if the disk is full or not writable.
    """
    intake = Intake("strokes", problems=list(archive.problems))
    files = _class_files(archive, ".ndjson", intake)
    spill = folder / "spill"  # classes come in the archive's order, the index is sorted
    spill.mkdir()
    stream = archive.stream(files.keys(), intake.problems)
    for path, file in tqdm(stream, total=len(files), unit="class", desc="choose", disable=None if progress else True):
        try:
            chosen = _choose_drawings(file, path, files[path], per_class, seed, intake.problems)
        except DAMAGE as error:
            intake.problems.append(Problem(path, f"damaged in the archive: {error}; the whole class is left out"))
            continue
        if chosen:
            _spill(spill / f"{files[path]}.npz", chosen)
    (folder / "strokes").mkdir()
    intake.rows = list(_join(spill, folder / "strokes"))
    spill.rmdir()
    return intake


def take_bitmaps(archive: Archive, folder: Path, per_class: int, seed: int, progress: bool) -> Intake:
    """Write ``per_class`` rows of each ``CLASS.npy``, in their order, to ``folder/bitmaps/CLASS.npy``.

    Raises:
        ArchiveError: if the archive ends too early or has no ``.npy`` file.
        OSError: if the disk is full or not writable.
    """
    intake = Intake("bitmaps", problems=list(archive.problems))
    files = _class_files(archive, ".npy", intake)
    (folder / "bitmaps").mkdir()
    stream = archive.stream(files.keys(), intake.problems)
    for path, file in tqdm(stream, total=len(files), unit="class", desc="choose", disable=None if progress else True):
        name = files[path]
        try:
            bitmaps = _choose_rows(file, per_class, (seed, *name.encode("utf-8", "surrogateescape")))
        except (*DAMAGE, ValueError) as error:
            intake.problems.append(Problem(path, f"unreadable: {error}; the whole class is left out"))
            continue
        with NpyWriter(folder / "bitmaps" / f"{name}.npy", np.uint8, _PIXELS) as out:
            out.append(bitmaps)
        digests = (hashlib.sha256(row.tobytes()).hexdigest() for row in bitmaps)
        intake.rows += [Row(f"{name}/{number}", name, "", "", digest) for number, digest in enumerate(digests)]
    intake.rows.sort(key=lambda row: row.class_name)  # stable: rows stay in order
    return intake


def _class_files(archive: Archive, suffix: str, intake: Intake) -> dict[str, str]:
    """Return the class of each file by its path; the rest is reported in ``intake``."""
    files: dict[str, str] = {}
    owner: dict[str, str] = {}
    for path, _ in archive.members:
        name = PurePosixPath(path).name
        if not name.endswith(suffix) or name.startswith(".") or "__MACOSX" in path:
            intake.ignored.setdefault(f"not a {suffix} file of a class", []).append(path)
            continue
        # The bucket's web page saves files under their whole path, with underscores.
        name = name.removesuffix(suffix).removeprefix("full_simplified_").removeprefix("full_numpy_bitmap_")
        if name in owner:
            intake.problems.append(Problem(path, f"repeated: class '{name}' is already taken from {owner[name]}"))
        else:
            files[path], owner[name] = name, path
    if not files:
        raise ArchiveError(
            f"{archive.path} has no {suffix} file; expected CLASS{suffix}, one a class, as QuickDraw has them"
        )
    return files


def _choose_drawings(
    file: IO[bytes], path: str, class_name: str, per_class: int, seed: int, problems: list[Problem]
) -> list[_Chosen]:
    heap: list[_Chosen] = []
    taken: set[int] = set()
    bad: list[Problem] = []
    for number, line in enumerate(_lines(file), start=1):
        key = _KEY.search(line)
        if len(line) > _MAX_LINE:
            bad.append(Problem(f"{path}:{number}", f"oversized: a line of more than {_MAX_LINE} bytes"))
        elif key is None:
            bad.append(Problem(f"{path}:{number}", "unreadable: no key_id in this line"))
        else:
            rank = -_rank(seed, class_name, int(key[1]))
            if len(heap) == per_class and rank <= heap[0].rank:
                continue
            try:
                drawing = _Chosen(rank, int(key[1]), *_flat(line))
            except ValueError as error:
                bad.append(Problem(f"{path}:{number}", f"unreadable: {error}"))
                continue
            if drawing.key in taken:
                bad.append(Problem(f"{path}:{number}", f"repeated: key_id {drawing.key} was already there"))
                continue
            taken.add(drawing.key)
            if len(heap) < per_class:
                heapq.heappush(heap, drawing)
            else:
                taken.remove(heapq.heapreplace(heap, drawing).key)
    problems += bad[:_MAX_NAMED]
    if len(bad) > _MAX_NAMED:
        problems.append(Problem(path, f"unreadable: {len(bad) - _MAX_NAMED} more bad lines"))
    return sorted(heap, key=lambda drawing: drawing.key)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; of one that is too long only the beginning, one byte beyond the limit."""
    while line := file.readline(_MAX_LINE + 1):
        yield line
        while len(line) > _MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(_MAX_LINE + 1)


def _rank(seed: int, class_name: str, key: int) -> int:
    words = f"{seed}\t{class_name}\t{key}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(words).digest()[:8], "big")


def _flat(line: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return a drawing's points, (L, 2) int16, and its strokes' lengths, int64."""
    strokes = parse_simplified(line)
    points = np.concatenate(strokes, axis=1).T
    return points.astype(np.int16), np.array([stroke.shape[1] for stroke in strokes], dtype=np.int64)


def _spill(path: Path, chosen: list[_Chosen]) -> None:
    np.savez(
        path,
        keys=np.array([drawing.key for drawing in chosen], dtype=np.uint64),
        points=np.concatenate([drawing.points for drawing in chosen]),
        lengths=np.concatenate([drawing.lengths for drawing in chosen]),
        strokes=np.array([len(drawing.lengths) for drawing in chosen], dtype=np.int64),
    )


def _join(spill: Path, folder: Path) -> Iterator[Row]:
    """Append the classes' files to the three arrays, sorted by class, and yield a row a drawing."""
    with (
        NpyWriter(folder / "points.npy", np.int16, 2) as points,
        NpyWriter(folder / "stroke_offsets.npy", np.int64) as stroke_offsets,
        NpyWriter(folder / "drawing_offsets.npy", np.int64) as drawing_offsets,
    ):
        stroke_offsets.append(np.zeros(1, np.int64))
        drawing_offsets.append(np.zeros(1, np.int64))
        for path in sorted(spill.iterdir(), key=lambda path: path.stem):
            with np.load(path, allow_pickle=False) as chosen:
                keys, block, lengths, strokes = (chosen[name] for name in ("keys", "points", "lengths", "strokes"))
            path.unlink()
            last_stroke = stroke_offsets.rows - 1
            stroke_offsets.append(points.rows + np.cumsum(lengths))
            drawing_offsets.append(last_stroke + np.cumsum(strokes))
            points.append(block)
            for key, drawing in zip(keys, _drawings(block, lengths, strokes), strict=True):
                yield Row(f"{path.stem}/{key}", path.stem, "", "", drawing)


def _drawings(points: np.ndarray, lengths: np.ndarray, strokes: np.ndarray) -> Iterator[str]:
    """Yield the SHA-256 of each drawing: its strokes' lengths and its points, little-endian."""
    ends = np.cumsum(strokes)
    point_ends = np.concatenate([[0], np.cumsum(lengths)])
    for start, end in zip(ends - strokes, ends, strict=True):
        digest = hashlib.sha256(lengths[start:end].astype("<i8").tobytes())
        digest.update(points[point_ends[start] : point_ends[end]].astype("<i2").tobytes())
        yield digest.hexdigest()


def _choose_rows(file: IO[bytes], per_class: int, stream: tuple[int, ...]) -> np.ndarray:
    """Read the chosen rows of a ``.npy`` file, a few thousand at a time: a full class has 100 MB."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"a .npy file of version {version}")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype != np.uint8 or len(shape) != 2 or shape[1] != _PIXELS or fortran or not shape[0]:
        raise ValueError(f"an array of shape {shape} and type {dtype}; QuickDraw's are N x {_PIXELS}, uint8")
    chosen = np.sort(order(shape[0], *stream)[:per_class])
    kept = []
    for start in range(0, shape[0], 4096):
        count = min(4096, shape[0] - start)
        block = file.read(count * _PIXELS)
        if len(block) != count * _PIXELS:
            raise ValueError(f"truncated: it has less than the {shape[0]} rows it announces")
        here = chosen[(chosen >= start) & (chosen < start + count)] - start
        kept.append(np.frombuffer(block, np.uint8).reshape(count, _PIXELS)[here])
    return np.concatenate(kept)
