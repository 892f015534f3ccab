"""What may be ranked: arguments checked once, before any score. Q queries, N photos, D dimensions.

Where processes share a catalogue, one that refuses its arguments must not leave the others waiting. So each sums up
what it holds or what is wrong with it, all read all summaries, and all go on or none does.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hybrid_sbir.metrics.similarity import norms

_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_LABELS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@dataclass(frozen=True)
class Share:
    """Summary of one process's arguments.

    Attributes:
        problem: why it cannot go on; empty if it can.
        photos: how many it holds.
        longest: the largest norm among them.
        classes: how many photos of each class it holds.
        asked: a fingerprint of what must be the same in all processes.
    """

    problem: str = ""
    photos: int = 0
    longest: float = 0.0
    classes: dict[int, int] = field(default_factory=dict)
    asked: int = 0


def summed_up(refuse: Callable[[], None], tensors: tuple[Tensor, ...], settings: object) -> Share:
    """Check one process's arguments and sum them up; a refusal becomes the summary's ``problem``.

    Args:
        refuse: raises ValueError where a setting is none of those allowed.
        tensors: queries, catalogue, their labels, and for each query the excluded photo or -1.
        settings: everything else that changes the result.
    """
    queries, catalogue, query_labels, catalogue_labels, excluded = tensors
    try:
        refuse()
        _check_shapes(*tensors)
        query_norms = _finite_norms("queries", queries)
        longest = _finite_norms("catalogue", catalogue).amax() if len(catalogue) else 0.0
    except ValueError as error:
        return Share(problem=str(error))
    classes, sizes = catalogue_labels.long().unique(return_counts=True)
    asked = zlib.crc32(repr((settings, queries.shape[1])).encode())
    for tensor in (query_norms, query_labels.long(), excluded.long()):
        asked = zlib.crc32(tensor.cpu().contiguous().numpy().tobytes(), asked)
    held = dict(zip(classes.tolist(), sizes.tolist(), strict=True))
    return Share(photos=len(catalogue), longest=float(longest), classes=held, asked=asked)


def check_together(shares: list[Share], excluded: Tensor) -> None:
    """Check what only all shares together show.

    Raises:
        ValueError: if a process has a problem, they were not asked the same, there is no photo, or an excluded photo
            is not in the catalogue. The same in all processes.
    """
    problems = {rank: share.problem for rank, share in enumerate(shares) if share.problem}
    if problems and len(shares) == 1:
        raise ValueError(problems[0])
    if problems:
        raise ValueError("; ".join(f"process {rank}: {problem}" for rank, problem in problems.items()))
    if len({share.asked for share in shares}) > 1:
        raise ValueError(
            "the processes were given different queries or settings; each holds its own share of the catalogue, "
            "but all must have all queries"
        )
    photos = sum(share.photos for share in shares)
    if not photos:
        raise ValueError("the catalogue is empty; there is nothing to rank")
    if len(excluded) and not -1 <= int(excluded.min()) <= int(excluded.max()) < photos:
        raise ValueError(
            f"exclude reaches from {int(excluded.min())} to {int(excluded.max())}; "
            f"give places in the catalogue, 0 to {photos - 1}, or -1 for none"
        )


def _check_shapes(
    queries: Tensor, catalogue: Tensor, query_labels: Tensor, catalogue_labels: Tensor, excluded: Tensor
) -> None:
    for name, embeddings in (("queries", queries), ("catalogue", catalogue)):
        if embeddings.ndim != 2 or embeddings.dtype not in _TYPES:
            raise ValueError(
                f"{name} are {tuple(embeddings.shape)} {embeddings.dtype}; give floating-point rows, (count, dimension)"
            )
    if queries.shape[1] != catalogue.shape[1] or not queries.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} dimensions and the catalogue has {catalogue.shape[1]}; "
            "both need the same number, at least 1"
        )
    for name, labels, of in (
        ("query_labels", query_labels, queries),
        ("catalogue_labels", catalogue_labels, catalogue),
        ("exclude", excluded, queries),
    ):
        if labels.shape != of.shape[:1] or labels.dtype not in _LABELS:
            raise ValueError(
                f"{name} is {tuple(labels.shape)} {labels.dtype}; give a whole number for each row, ({len(of)},)"
            )
    places = {tensor.device for tensor in (queries, catalogue, query_labels, catalogue_labels, excluded)}
    if len(places) > 1 or places.pop().type not in ("cpu", "cuda"):
        raise ValueError(
            f"the embeddings are on {queries.device} and {catalogue.device}, the labels on {query_labels.device} and "
            f"{catalogue_labels.device}, exclude on {excluded.device}; put all on the CPU or all on one GPU"
        )


def _finite_norms(name: str, embeddings: Tensor) -> Tensor:
    found = norms(embeddings)
    bad = (~found.isfinite()).nonzero().squeeze(1)
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(found)} rows of {name} are not finite (or too large to square), the first is row "
            f"{int(bad[0])}; a ranking by such numbers would say nothing"
        )
    return found
