"""Predictions of a whole data set in one file. N samples, K classes, T thumbnails, C channels, H, W image size."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from hybrid_sbir.durable import write_durably

Arrays = dict[str, np.ndarray]


class PredictionsFile(Callback):
    """Write ``predictions.npz`` into the run's folder after ``predict``.

    It holds, in the order of the samples' indices and each sample once: ``index`` (N,) int64, ``label`` (N,) int64,
    ``probabilities`` (N, K) float32, ``classes`` (K,) names, and ``thumbnails`` (T, H, W, C) uint8 of samples spread
    evenly over the data set, whose rows in the other arrays are ``thumbnail_rows`` (T,) int64.

    Args:
        thumbnails: T, at most.
    """

    def __init__(self, thumbnails: int = 60) -> None:
        self._thumbnails = thumbnails
        self._parts: list[Arrays] = []
        self._images: dict[int, np.ndarray] = {}
        self._chosen: set[int] = set()

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier predictions."""
        self._parts, self._images, self._chosen = [], {}, set()
        loader: Any = trainer.predict_dataloaders
        if isinstance(loader, list):  # queries and a catalogue: EmbeddingsFile's
            return
        # Data sets are sorted by class more often than not: the first T would all be of one.
        count = len(loader.dataset)
        self._chosen = set(np.linspace(0, count - 1, min(self._thumbnails, count)).astype(int).tolist())

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Mapping[str, Tensor],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch's predictions, and the images that are among the chosen; of retrieval nothing."""
        if "embedding" in outputs:
            return
        self._parts.append({name: value.cpu().numpy() for name, value in outputs.items()})
        for place, index in enumerate(batch.index.tolist()):
            if index in self._chosen:
                transform = getattr(getattr(trainer, "datamodule", None), "eval_transform", None)
                self._images[index] = thumbnail(batch.image[place], transform)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather the processes' parts and write the file."""
        parts, images = self._parts, self._images
        if trainer.world_size > 1:
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, (parts, images))
            parts = [part for theirs, _ in gathered for part in theirs]
            images = {index: image for _, theirs in gathered for index, image in theirs.items()}
        if trainer.is_global_zero and parts:
            arrays = in_order(parts)
            _warn_of_broken(arrays)
            arrays["classes"] = np.array(getattr(getattr(trainer, "datamodule", None), "classes", ()), dtype=np.str_)
            arrays["thumbnails"] = np.stack([images[index] for index in sorted(images)])
            arrays["thumbnail_rows"] = np.searchsorted(arrays["index"], sorted(images))
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **arrays)
            write_durably(folder / "predictions.npz", buffer.getvalue())


def _warn_of_broken(arrays: Arrays) -> None:
    """Name the samples that have no prediction; their rows stay as they are."""
    finite: np.ndarray = np.asarray(np.isfinite(arrays.get("probabilities", np.empty((0, 1)))).all(axis=1))
    broken = arrays["index"][: len(finite)][~finite].tolist()
    if broken:
        rank_zero_warn(
            f"the probabilities of {len(broken)} of {len(finite)} samples are not finite (indices {broken[:10]}"
            f"{' and more' if len(broken) > 10 else ''}): their images are unlike those that the model was trained on"
        )


def in_order(parts: list[Arrays]) -> Arrays:
    """Join parts in the order of ``index``, repeats dropped."""
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    _, first = np.unique(joined["index"], return_index=True)
    return {name: values[first] for name, values in joined.items()}


def thumbnail(image: Tensor, transform: Any = None) -> np.ndarray:
    """Turn a normalised image (C, H, W) into (H, W, C) uint8.

    Where the transform tells its ``mean`` and ``std``, by undoing it. Otherwise by stretching the image's own range to
    0 to 255, all channels alike, so that colours keep their relation; a blank image comes out white, as paper is.
    """
    image = image.detach().float().cpu()
    if hasattr(transform, "mean"):
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (transform.mean, transform.std))
        return ((image * std + mean).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    low, high = image.min(), image.max()
    scaled = (image - low) / (high - low) if high > low else torch.ones_like(image)
    return (scaled * 255).round().byte().permute(1, 2, 0).numpy()
