"""Classification scores that come out the same however the samples were shared out. N samples, K classes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

_COUNTED = 5  # the last place that any score counts is top-5's


class ClassCounts(NamedTuple):
    """Of one class's distinct samples: how many there are, were in the first place, and among the first five."""

    samples: int
    top1: int
    top5: int


class ClassificationScores(NamedTuple):
    """Counts over distinct samples; the rates are fractions of ``samples``.

    Attributes:
        samples: number of distinct samples.
        top1: how many had their class in the first place.
        top5: how many had it among the first five.
        loss: mean cross-entropy, without smoothing.
        per_class: the counts of each class that has samples, by class number.
    """

    samples: int
    top1: int
    top5: int
    loss: float
    per_class: Mapping[int, ClassCounts] = MappingProxyType({})

    def rates(self) -> dict[str, float]:
        """Return loss, top-1 and top-5, the latter two as fractions; NaN where there was no sample."""
        count = self.samples or float("nan")
        return {"loss": self.loss, "top1": self.top1 / count, "top5": self.top5 / count}


def label_place(logits: Tensor, label: Tensor) -> Tensor:
    """Place of each sample's class in the ranking of the logits, from 0; (N, K) and (N,) to (N,) int64.

    Among equal logits the smaller class number comes first, so a constant output scores 1 / K and not 1. A row with a
    value that is not finite is no prediction: its class comes after every place that counts, whatever K is.
    """
    own = logits.gather(1, label.unsqueeze(1))
    before = torch.arange(logits.shape[1], device=logits.device) < label.unsqueeze(1)
    place = ((logits > own) | ((logits == own) & before)).sum(dim=1)
    return place.where(logits.isfinite().all(dim=1), max(logits.shape[1], _COUNTED))


def score(index: Tensor, place: Tensor, loss: Tensor, label: Tensor) -> ClassificationScores:
    """Count over samples given in any order, with repeats.

    Everything is put in the order of the samples' indices first, and the loss summed there in float64: one process and
    several then agree to the last bit.

    Args:
        index: the samples' positions in their data set, (N,), int64; of repeats the first counts.
        place: see :func:`label_place`, (N,).
        loss: each sample's loss, (N,).
        label: each sample's class, (N,), int64.
    """
    order = index.argsort(stable=True)
    index, place, loss, label = index[order], place[order], loss[order].double(), label[order]
    first = torch.ones_like(index, dtype=torch.bool)
    first[1:] = index[1:] != index[:-1]
    place, loss, label = place[first], loss[first], label[first]
    return ClassificationScores(
        samples=len(place),
        top1=int((place < 1).sum()),
        top5=int((place < _COUNTED).sum()),
        loss=float(loss.sum()) / len(loss) if len(loss) else float("nan"),
        per_class=_count_classes(place, label),
    )


def _count_classes(place: Tensor, label: Tensor) -> dict[int, ClassCounts]:
    """Count each class's samples; places and classes (N,)."""
    label = label.long()
    classes = int(label.max()) + 1 if len(label) else 0
    each = (label, label[place < 1], label[place < _COUNTED])
    counts = torch.stack([own.bincount(minlength=classes) for own in each], dim=1).tolist()
    return {number: ClassCounts(*own) for number, own in enumerate(counts) if own[0]}


class ClassificationMeter(Metric):
    """Gathers samples over batches and processes, and scores them at the end of the epoch."""

    full_state_update = False
    index: list[Tensor]
    place: list[Tensor]
    loss: list[Tensor]
    label: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("index", "place", "loss", "label"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, logits: Tensor, label: Tensor, index: Tensor) -> None:
        """Add a batch: logits (N, K), class numbers (N,), positions in the data set (N,); N may be 0."""
        logits = logits.float()
        self.index.append(index)
        self.place.append(label_place(logits, label))
        self.label.append(label)
        self.loss.append(F.cross_entropy(logits, label, reduction="none"))

    def compute(self) -> ClassificationScores:
        """Score all samples of all processes."""
        states = (self.index, self.place, self.loss, self.label)
        return score(*(dim_zero_cat(state).cpu() if len(state) else torch.empty(0) for state in states))
