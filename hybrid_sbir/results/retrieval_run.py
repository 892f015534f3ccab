"""A run's embeddings.npz, read back and ranked.

Shapes: Q queries, N photos, E embedding size, K classes, S shown queries, F first photos, T thumbnails, A their side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hybrid_sbir.metrics import RankingValues, ranking_metrics
from hybrid_sbir.results.run_files import read_arrays, read_record

FILE = "embeddings.npz"
_GROUP = "group_"


@dataclass(frozen=True)
class RetrievalRun:
    """What `hybrid-sbir predict` of a retrieval run left; see ``hybrid_sbir.callbacks.EmbeddingsFile``.

    Attributes:
        folder: of the run.
        name: what to call it.
        parameters: of its model, in words.
        classes: names by label, (K,).
        queries: embeddings, (Q, E), float32; what is not finite is 0.
        catalogue: embeddings, (N, E).
        query_labels: (Q,), int64.
        catalogue_labels: (N,), int64.
        query_names: (Q,), text.
        catalogue_names: (N,), text.
        shown: rows of the queries whose pictures are there, (S,).
        first: rows of the photos that come first for each of these, in order, (S, F).
        pictures: role (0 query, 1 photo) and row -> picture, (A, A, 3), uint8.
        groups: a group of classes -> its labels.
    """

    folder: Path
    name: str
    parameters: str
    classes: tuple[str, ...]
    queries: Tensor
    catalogue: Tensor
    query_labels: Tensor
    catalogue_labels: Tensor
    query_names: np.ndarray
    catalogue_names: np.ndarray
    shown: list[int]
    first: list[list[int]]
    pictures: dict[tuple[int, int], np.ndarray]
    groups: dict[str, list[int]]

    @classmethod
    def read(cls, folder: Path) -> "RetrievalRun":
        """Read a run's folder; a run that was only predicted has no record, and goes by its folder's name.

        Raises:
            FileNotFoundError: if there is no embeddings.npz.
            ValueError: if a file is damaged, or its parts do not fit together.
        """
        has_record = (folder / "metrics.json").is_file()
        name, parameters = read_record(folder) if has_record else (folder.resolve().name, "unknown")

        def built(arrays: Mapping[str, np.ndarray]) -> "RetrievalRun":
            return cls(folder, name, parameters, **_checked(dict(arrays)))

        return read_arrays(folder, FILE, built)

    def ranked(self, metrics: tuple[str, ...] = ("ap", "rr", "p@10")) -> RankingValues:
        """Rank the whole catalogue for every query, by cosine."""
        return ranking_metrics(self.queries, self.catalogue, self.query_labels, self.catalogue_labels, metrics)


def check_same(first: RetrievalRun, other: RetrievalRun) -> None:
    """Refuse to show runs of different data beside each other.

    Raises:
        ValueError: names both runs and what differs.
    """
    both = f"runs {first.folder} and {other.folder}"
    if first.classes != other.classes:
        raise ValueError(f"{both} searched for different classes; compare runs of the same data")
    for what in ("query", "catalogue"):
        labels = [getattr(run, f"{what}_labels") for run in (first, other)]
        names = [getattr(run, f"{what}_names") for run in (first, other)]
        if not torch.equal(*labels) or not np.array_equal(*names):
            raise ValueError(
                f"{both} have different samples as {what} ({len(labels[0])} and {len(labels[1])}); compare runs of the "
                "same data and split"
            )


def _checked(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The fields of a run but its folder and names, from arrays that fit together."""
    classes = tuple(map(str, arrays["classes"]))
    sides = []
    for role in ("query", "catalogue"):
        embedding, label, name = (arrays[f"{role}_{part}"] for part in ("embedding", "label", "name"))
        if embedding.ndim != 2 or embedding.dtype.kind != "f" or {label.shape, name.shape} != {embedding.shape[:1]}:
            raise ValueError(
                f"{role}: embeddings {embedding.shape}, labels {label.shape}, names {name.shape} do not fit together"
            )
        if not len(label) or label.dtype.kind not in "iu" or not 0 <= label.min() <= label.max() < len(classes):
            raise ValueError(f"{role}: labels are not class numbers from 0 to {len(classes) - 1}")
        sides.append((_sound(embedding), torch.from_numpy(label.astype(np.int64)), name))
    if sides[0][0].shape[1] != sides[1][0].shape[1]:
        raise ValueError("queries and catalogue have embeddings of different sizes")
    (queries, query_labels, query_names), (catalogue, catalogue_labels, catalogue_names) = sides
    shown, first = _rows(arrays["shown"], 1, len(queries)), _rows(arrays["first"], 2, len(catalogue))
    if len(shown) != len(first):
        raise ValueError(f"{len(shown)} queries are shown, but {len(first)} have first photos")
    return {
        "classes": classes,
        "queries": queries,
        "catalogue": catalogue,
        "query_labels": query_labels,
        "catalogue_labels": catalogue_labels,
        "query_names": query_names,
        "catalogue_names": catalogue_names,
        "shown": shown.tolist(),
        "first": first.tolist(),
        "pictures": _pictures(arrays, len(queries), len(catalogue)),
        "groups": {key[len(_GROUP) :]: arrays[key].tolist() for key in arrays if key.startswith(_GROUP)},
    }


def _sound(embedding: np.ndarray) -> Tensor:
    """Embeddings in which a row that is no number is zeros: unlike everything, as in an evaluation."""
    finite = np.isfinite(embedding).all(axis=1, keepdims=True)
    return torch.from_numpy(np.where(finite, embedding, 0).astype(np.float32))


def _rows(rows: np.ndarray, axes: int, below: int) -> np.ndarray:
    if rows.ndim != axes or rows.dtype.kind not in "iu" or (rows.size and not 0 <= rows.min() <= rows.max() < below):
        raise ValueError(f"row numbers are {rows.dtype} {rows.shape}; {axes} axes of numbers below {below} are allowed")
    return rows


def _pictures(arrays: dict[str, np.ndarray], queries: int, photos: int) -> dict[tuple[int, int], np.ndarray]:
    pictures, roles, rows = (arrays[name] for name in ("thumbnails", "thumbnail_role", "thumbnail_row"))
    sound = pictures.dtype == np.uint8 and pictures.ndim == 4 and pictures.shape[3] == 3
    if not sound or {roles.shape, rows.shape} != {pictures.shape[:1]}:
        raise ValueError(
            f"thumbnails are {pictures.dtype} {pictures.shape} for {roles.shape} roles and {rows.shape} rows; uint8 "
            "(T, A, A, 3) with T of both are allowed"
        )
    for role, count in enumerate((queries, photos)):
        _rows(rows[roles == role], 1, count)
    keys = zip(roles.tolist(), rows.tolist(), strict=True)
    return dict(zip(keys, pictures, strict=True))
