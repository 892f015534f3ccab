"""Embeddings of queries and of a catalogue in one file, with pictures of what a page shows of them.

Shapes: Q queries, N photos, E embedding size, S shown queries, F first photos, T thumbnails, A their side.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from PIL import Image, ImageOps
from torch import Tensor

from hybrid_sbir.callbacks.embedding_spool import Spool, Spooled, write_archive

_ROLES = ("query", "catalogue")
_ONE = 2.0**26


class EmbeddingsFile(Callback):
    """Write ``embeddings.npz`` into the run's folder after ``predict`` of a retrieval task.

    Its loaders are queries and catalogue, in this order; its ``predict_step`` returns ``embedding`` (N, E), ``label``
    and ``index``. The file holds, in the order of the samples' indices and each sample once, for ``query`` and
    ``catalogue``: ``*_embedding`` (Q or N, E) float32, ``*_label`` and ``*_index`` int64, ``*_name`` text. ``classes``
    are names by label, ``group_*`` the labels of a group of classes. For pictures, of queries spread over the classes:
    ``shown`` (S,) their rows, ``first`` (S, F) rows of the photos nearest by cosine, in order; ``thumbnails``
    (T, A, A, 3) uint8 of all of these, with ``thumbnail_role`` (T,), 0 for a query and 1 for a photo, and
    ``thumbnail_row`` (T,).

    Embeddings are written to the side as they come: memory holds labels and names, one piece, and the thumbnails.

    Args:
        shown: S, at most.
        first: F, at most.
        side: A in pixels.
    """

    def __init__(self, shown: int = 40, first: int = 10, side: int = 128) -> None:
        self._shown, self._first, self._side = shown, first, side
        self._spools: dict[int, Spool] = {}
        self._size = 0

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier predictions."""
        self._spools, self._size = {}, 0
        if isinstance(trainer.predict_dataloaders, list) and len(trainer.predict_dataloaders) == len(_ROLES):
            self._spools = {role: Spool(_spool(trainer, trainer.global_rank, role)) for role in range(len(_ROLES))}

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Mapping[str, Tensor],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch's embeddings; of a classification nothing."""
        if "embedding" in outputs and self._spools:
            self._size = outputs["embedding"].shape[1]
            self._spools[dataloader_idx].add(outputs)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the processes' parts together and write the file."""
        if not self._spools:
            return
        told: list[Any] = [([spool.rows for spool in self._spools.values()], self._size)]
        if trainer.world_size > 1:
            told = told * trainer.world_size
            torch.distributed.all_gather_object(told, told[0])
        try:
            size = max(size for _, size in told)
            if trainer.is_global_zero and size:
                self._write(trainer, [rows for rows, _ in told], size)
        finally:
            trainer.strategy.barrier("embeddings.npz")
            self._remove()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave nothing on the side."""
        self._remove()

    def _remove(self) -> None:
        for spool in self._spools.values():
            spool.remove()
        self._spools = {}

    def _write(self, trainer: Trainer, rows: list[list[int]], size: int) -> None:
        """Write the file, given how many rows of each role each process has."""
        found: dict[str, Spooled] = {}
        for role, word in enumerate(_ROLES):
            paths = [_spool(trainer, rank, role) for rank, counts in enumerate(rows) if counts[role]]
            found[word] = _read(paths, size, sum(counts[role] for counts in rows), word)
        sets: list[Any] = [loader.dataset for loader in trainer.predict_dataloaders]  # type: ignore[union-attr]
        labels = (int(part.label.max()) for part in found.values())
        classes, groups = _about(trainer, labels)
        arrays = {"classes": np.array(classes, dtype=np.str_)}
        arrays |= {f"group_{name}": np.array(labels, np.int64) for name, labels in groups.items()}
        for word, dataset in zip(_ROLES, sets, strict=True):
            arrays |= {f"{word}_label": found[word].label, f"{word}_index": found[word].index}
            arrays[f"{word}_name"] = np.array([_name(dataset, index) for index in found[word].index.tolist()], np.str_)
        arrays["shown"] = spread(found["query"].label, self._shown)
        arrays["first"] = nearest(found["query"].embeddings(arrays["shown"]), found["catalogue"], self._first)
        arrays |= self._thumbnails(sets, found, arrays["shown"], np.unique(arrays["first"]))
        streamed = {f"{word}_embedding": part for word, part in found.items()}
        write_archive(Path(trainer.default_root_dir) / "embeddings.npz", arrays, streamed)

    def _thumbnails(
        self, sets: list[Any], found: dict[str, Spooled], shown: np.ndarray, first: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Read the pictures again: what matters is known only now."""
        stores = [getattr(dataset, "store", None) for dataset in sets]
        if None in stores:
            rank_zero_warn("the data cannot be read again by index: embeddings.npz is without pictures")
            shown = first = np.zeros(0, np.int64)
        rows = [(0, row) for row in shown.tolist()] + [(1, row) for row in first.tolist()]
        pictures = [
            thumbnail(stores[role].read(int(found[_ROLES[role]].index[row])), self._side)  # type: ignore[union-attr]
            for role, row in rows
        ]
        return {
            "thumbnails": np.array(pictures, np.uint8).reshape(-1, self._side, self._side, 3),
            "thumbnail_role": np.array([role for role, _ in rows], np.int64),
            "thumbnail_row": np.array([row for _, row in rows], np.int64),
        }


def spread(labels: np.ndarray, most: int) -> np.ndarray:
    """Choose rows spread evenly over the classes, ascending: as many of each as of any other, give or take one."""
    classes = np.unique(labels)
    classes = classes[np.unique(np.linspace(0, len(classes) - 1, min(most, len(classes))).astype(int))]
    turns = [(turn, row) for label in classes for turn, row in enumerate(np.flatnonzero(labels == label).tolist())]
    return np.array(sorted(row for _, row in sorted(turns)[:most]), np.int64)


def nearest(queries: np.ndarray, catalogue: Spooled, first: int) -> np.ndarray:
    """Rows of the photos with the largest cosines, (S, F), of equal ones the first in the catalogue.

    Cosines are computed as whole numbers (see ``hybrid_sbir.metrics.similarity``), so that pieces leave no trace.
    """
    best = np.full((len(queries), 0), -np.inf)
    rows = np.zeros((len(queries), 0), np.int64)
    asked = _codes(queries)
    for start, piece in catalogue.pieces():
        scores = np.concatenate([best, asked @ _codes(piece).T], axis=1)
        numbers = np.broadcast_to(np.arange(start, start + len(piece)), (len(queries), len(piece)))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :first]
        rows = np.take_along_axis(np.concatenate([rows, numbers], axis=1), order, axis=1)
        best = np.take_along_axis(scores, order, axis=1)
    return rows


def thumbnail(image: Image.Image, side: int) -> np.ndarray:
    """Fit a picture into a white square, (side, side, 3), uint8; nothing of it is cut off."""
    small = ImageOps.contain(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    paper = Image.new("RGB", (side, side), "white")
    paper.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    return np.asarray(paper)


def _codes(embeddings: np.ndarray) -> np.ndarray:
    known = np.nan_to_num(embeddings.astype(np.float64), posinf=0, neginf=0)
    known[~np.isfinite(embeddings).all(axis=1)] = 0  # what is no number is like nothing
    norms = np.linalg.norm(known, axis=1, keepdims=True)
    return np.rint(known / np.where(norms > 0, norms, 1) * _ONE)


def _spool(trainer: Trainer, rank: int, role: int) -> Path:
    return Path(trainer.default_root_dir) / f".embeddings-{rank}-{_ROLES[role]}.part"


def _read(paths: list[Path], size: int, rows: int, role: str) -> Spooled:
    if not rows:
        raise ValueError(f"the {role} loader gave no sample; there is nothing to write")
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise OSError(
            f"{', '.join(missing)} of other processes is not in {paths[0].parent}: all nodes must share the run's "
            "folder (--runs)"
        )
    return Spooled(paths, size)


def _about(trainer: Trainer, labels: Iterable[int]) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
    """Class names by label and groups of classes, as the data's evaluation says; without one, names are numbers."""
    data: Any = getattr(trainer, "datamodule", None)
    if hasattr(data, "evaluations"):
        said = data.evaluations("test")[0]
        return tuple(said.classes), said.groups
    names = tuple(getattr(data, "classes", ()))
    return names + tuple(f"class {label}" for label in range(len(names), 1 + max(labels, default=-1))), {}


def _name(dataset: Any, index: int) -> str:
    store = getattr(dataset, "store", None)
    return str(store.name(index)) if store is not None else f"sample {index}"
