"""Cross-entropies of one network's outputs, and of those of several branches. N batch, K classes."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Smoothing = Literal["published", "pytorch"]


def smoothed_cross_entropy(logits: Tensor, label: Tensor, amount: float, smoothing: Smoothing = "published") -> Tensor:
    """Cross-entropy against softened targets (Szegedy et al., CVPR 2016, section 7), in one of two conventions.

    ``"published"`` is what the thesis trained with: the right class gets 1 - amount, each of the K - 1 wrong ones
    amount / (K - 1). ``"pytorch"`` is ``F.cross_entropy(label_smoothing=amount)``: amount / K goes to every class, the
    right one included. Published smoothing of eps equals PyTorch's of eps * K / (K - 1).

    Args:
        logits: unnormalised scores, (N, K).
        label: class numbers, (N,), int64.
        amount: probability moved away from the hard target, from 0 (plain cross-entropy) to below 1.
        smoothing: the convention.

    Returns:
        The mean over the batch, a scalar.

    Raises:
        ValueError: if the amount is no share, the convention is unknown, or there is no wrong class to spread over.
    """
    classes = logits.shape[1]
    if not 0 <= amount < 1:
        raise ValueError(f"label smoothing is {amount}; it is a share of probability: from 0 to below 1")
    if smoothing not in ("published", "pytorch"):
        raise ValueError(f"no smoothing '{smoothing}'; there are 'published' (eps / (K - 1)) and 'pytorch' (eps / K)")
    if smoothing == "pytorch" or not amount:
        return F.cross_entropy(logits, label, label_smoothing=amount)
    if classes < 2:
        raise ValueError(f"published smoothing spreads over the wrong classes, but there is only {classes} class")
    log_p = F.log_softmax(logits, dim=1)
    right = log_p.gather(1, label.unsqueeze(1)).squeeze(1)
    wrong = log_p.sum(dim=1) - right
    return -((1 - amount) * right + amount / (classes - 1) * wrong).mean()


def classification_loss(
    sketch: tuple[Tensor, Tensor],
    *photos: tuple[Tensor, Tensor],
    amount: float = 0.1,
    smoothing: Smoothing = "published",
) -> Tensor:
    """Half of the sketches' cross-entropy, and half shared equally by the photos' (as published).

    Stage 2 has one batch of photos: (CE_sketch + CE_photo) / 2. Stage 3 has two, of the sketches' classes and of
    others: CE_sketch / 2 + CE_positive / 4 + CE_negative / 4. The numbers of images may differ: each cross-entropy is
    a mean.

    Args:
        sketch: logits (N, K) and labels (N,) of the sketches.
        photos: of each batch of photos.
        amount: label smoothing, see :func:`smoothed_cross_entropy`.
        smoothing: its convention.

    Returns:
        A scalar.

    Raises:
        ValueError: if there are no photos, or the smoothing is none.
    """
    if not photos:
        raise ValueError(
            "classification_loss needs the photos' (logits, labels) too; for sketches alone there is "
            "smoothed_cross_entropy"
        )
    of_photos = torch.stack([smoothed_cross_entropy(*each, amount, smoothing) for each in photos]).mean()
    return (smoothed_cross_entropy(*sketch, amount, smoothing) + of_photos) / 2
