"""Places of relevant photos in a ranking that is never stored. Q queries, N photos, B queries of a block, R relevant.

Two passes over the catalogue: the first scores each query's relevant photos, the second scores all photos, a tile at a
time, and counts how many lie above each of those. Scores and counts are whole numbers (:mod:`.similarity`), so neither
the tiles nor the shares of the processes leave a trace in the result. Memory follows from the queries' relevant photos
and one tile; of the catalogue, a few numbers a photo are kept.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from hybrid_sbir.metrics.counting import Count, SortingCounter, count_by_searching
from hybrid_sbir.metrics.shares import Group
from hybrid_sbir.metrics.similarity import Codes, Scorer

_BLOCK = 256  # queries scored at once: enough for a matrix product at full speed
_BLOCK_LEVELS = 1 << 21  # relevant photos of a block, unless one query has more
_PASS_NUMBERS = 1 << 25  # 8-byte numbers kept in one pass over the catalogue: 256 MiB
_SMALL = 512  # photos scored for all queries of their classes at once, though each query needs those of one
_CHUNK_COMPONENTS = 1 << 23  # of a tile's photos: 64 MiB as codes


@dataclass(frozen=True)
class Catalogue:
    """This process's share of the photos.

    Attributes:
        embeddings: (N, D).
        labels: (N,), int64.
        first: the place of the first of them in the whole catalogue.
        relevant: how many photos of each class each process has, by rank.
    """

    embeddings: Tensor
    labels: Tensor
    first: int
    relevant: list[dict[int, int]]

    def of_classes(self) -> dict[int, Tensor]:
        """Return the places of this share's photos of each class."""
        order = self.labels.argsort(stable=True)
        classes, sizes = self.labels.unique(return_counts=True)
        return dict(zip(classes.tolist(), order.split(sizes.tolist()), strict=True))


@dataclass(frozen=True)
class Queries:
    """All queries.

    Attributes:
        embeddings: (Q, D).
        labels: (Q,), int64.
        excluded: the place in the whole catalogue of a photo that does not count for the query, or -1; (Q,), int64.
    """

    embeddings: Tensor
    labels: Tensor
    excluded: Tensor


@dataclass(frozen=True)
class Block:
    """Queries with about as many relevant photos, and what was counted for them.

    Attributes:
        rows: their places among all queries, (B,).
        labels: (B,).
        excluded: (B,); see :class:`Queries`.
        codes: the queries.
        levels: scores of the relevant photos, ascending, then inf; (B, R).
        not_below: how many photos have the level's score or a higher one, (B, R).
        above: how many have a higher one, (B, R).
    """

    rows: Tensor
    labels: Tensor
    excluded: Tensor
    codes: Codes
    levels: Tensor
    not_below: Tensor
    above: Tensor


def counted_blocks(
    queries: Queries, catalogue: Catalogue, scorer: Scorer, group: Group, chunk: int | None = None
) -> Iterator[Block]:
    """Count for every query that has a relevant photo.

    Args:
        queries: the same in all processes.
        catalogue: this process's share.
        scorer: codes and scores.
        group: the processes.
        chunk: photos of a tile; None chooses by the dimension. It changes memory and time, never a result.

    Yields:
        Blocks that together hold each such query once, counted over all processes.
    """
    of_classes = catalogue.of_classes()
    dimension = queries.embeddings.shape[1]
    with _counter(queries.embeddings.device) as count:
        for rows_of_blocks in _passes(queries, catalogue.relevant):
            some = chunk or _photos_of_a_tile(dimension)
            blocks = [_levelled(queries, rows, catalogue, of_classes, scorer, group, some) for rows in rows_of_blocks]
            some = chunk or _photos_of_a_tile(dimension, max(block.levels.shape[1] for block in blocks))
            _count_tiles(blocks, catalogue, scorer, count, some)
            for block in blocks:
                group.add(block.not_below)
                group.add(block.above)
            yield from blocks


def _photos_of_a_tile(dimension: int, levels: int = 0) -> int:
    """A choice: the more levels are looked up in a sorted row, the longer it should be, as far as memory allows."""
    return min(max(_CHUNK_COMPONENTS // dimension, 256), max(1 << 12, 16 * levels), 1 << 16)


def _passes(queries: Queries, relevant: list[dict[int, int]]) -> Iterator[list[Tensor]]:
    """Share out the queries: rows of the blocks of each pass over the catalogue, the same in all processes."""
    classes, places = queries.labels.unique(return_inverse=True)
    sizes = torch.tensor([sum(share.get(label, 0) for share in relevant) for label in classes.tolist()])
    places = places.cpu()
    size = sizes[places] if len(sizes) else sizes
    order = places.argsort(stable=True)  # a class's queries stay together: a block then scores few classes' photos
    order = order[size[order].argsort(stable=True)]
    order = order[size[order] > 0]
    blocks: list[Tensor] = []
    numbers = 0
    while len(order):
        most = min(_BLOCK, len(order))
        widths = size[order[:most]] * torch.arange(1, most + 1)
        taken = max(1, int((widths <= _BLOCK_LEVELS).sum()))
        needed = taken * (queries.embeddings.shape[1] + 3 * int(size[order[taken - 1]]))
        if blocks and numbers + needed > _PASS_NUMBERS:
            yield blocks
            blocks, numbers = [], 0
        blocks.append(order[:taken].to(queries.labels.device))
        numbers += needed
        order = order[taken:]
    if blocks:
        yield blocks


def _levelled(
    queries: Queries,
    rows: Tensor,
    catalogue: Catalogue,
    of_classes: dict[int, Tensor],
    scorer: Scorer,
    group: Group,
    chunk: int,
) -> Block:
    """The first pass: a block of queries with the scores of their relevant photos."""
    labels, excluded, codes = queries.labels[rows], queries.excluded[rows], scorer.queries(queries.embeddings[rows])
    classes = labels.unique().tolist()
    most = max(share.get(label, 0) for share in catalogue.relevant for label in classes)
    levels = torch.full((len(rows), most), torch.inf, dtype=torch.float64, device=rows.device)
    for own in _scored_together([label for label in classes if label in of_classes], of_classes, chunk):
        mine = torch.isin(labels, torch.tensor(own, device=rows.device)).nonzero().squeeze(1)
        photos = torch.cat([of_classes[label] for label in own])
        for start in range(0, len(photos), chunk):
            some = photos[start : start + chunk]
            scores = scorer.scores(codes[mine], scorer.photos(catalogue.embeddings[some]))
            scores.masked_fill_(labels[mine, None] != catalogue.labels[some], torch.inf)
            scores.masked_fill_(some + catalogue.first == excluded[mine, None], torch.inf)
            if len(own) > 1:
                scores = scores.sort(dim=1).values[:, :most]
            levels[mine, start : start + scores.shape[1]] = scores
    most = max(sum(share.get(label, 0) for share in catalogue.relevant) for label in classes)
    levels = group.join(levels).sort(dim=1).values[:, :most].contiguous()
    counts = torch.zeros((2, *levels.shape), dtype=torch.int64, device=rows.device)
    return Block(rows, labels, excluded, codes, levels, *counts)


def _scored_together(classes: list[int], of_classes: dict[int, Tensor], chunk: int) -> Iterator[list[int]]:
    """Small classes in one product: one for each would leave the threads waiting for one another. They fit a chunk."""
    together: list[int] = []
    photos = 0
    for label in classes:
        if together and photos + len(of_classes[label]) > min(_SMALL, chunk):
            yield together
            together, photos = [], 0
        together.append(label)
        photos += len(of_classes[label])
    if together:
        yield together


def _count_tiles(blocks: list[Block], catalogue: Catalogue, scorer: Scorer, count: Count, chunk: int) -> None:
    """The second pass: all photos, a tile at a time, each coded once for all blocks."""
    dimension, device = catalogue.embeddings.shape[1], catalogue.embeddings.device
    most = max(len(block.rows) for block in blocks)
    chunk = min(chunk, len(catalogue.embeddings))
    coded = torch.empty((chunk, dimension), dtype=torch.float64, device=device)
    tiles = torch.empty(most * chunk, dtype=torch.float64, device=device)
    for start in range(0, len(catalogue.embeddings), max(1, chunk)):
        photos = scorer.photos(catalogue.embeddings[start : start + chunk], out=coded)
        width = len(photos.components)
        for block in blocks:
            tile = tiles[: len(block.rows) * width].view(-1, width)
            scorer.scores(block.codes, photos, out=tile)
            column = block.excluded - (catalogue.first + start)
            row = ((column >= 0) & (column < width)).nonzero().squeeze(1)
            tile[row, column[row]] = -torch.inf
            count(tile, block.levels, block.not_below, block.above)


@contextmanager
def _counter(device: torch.device) -> Iterator[Count]:
    """The faster way to count on the device."""
    threads = torch.get_num_threads()
    if device.type != "cpu":
        yield count_by_searching
    elif threads == 1:
        yield SortingCounter(None, 1)
    else:
        with ThreadPoolExecutor(threads) as pool:
            yield SortingCounter(pool, threads)
