"""Contrastive losses of pairs: equation 2.8 of the thesis, and what its published code runs instead.

Shapes: N pairs, E embedding size. Both are means over pairs. The thesis gives the loss of one pair only; beside it
stand cross-entropies and a triplet loss that the published code averages over the batch.
"""

import torch
from torch import Tensor, nn

from hybrid_sbir.losses.admission import check_labelled, check_margin, check_rows, full_precision
from hybrid_sbir.losses.distance import distance, mean_or_zero, nearest_pairs, squared_distance


def contrastive_loss(sketch: Tensor, photo: Tensor, different: Tensor, margin: float) -> Tensor:
    """L_C = 1/2 (1 - Y) D^2 + 1/2 Y max(0, m - D^2), the mean over pairs (thesis, equations 2.8 and 2.9).

    Args:
        sketch: embeddings, (N, E).
        photo: embeddings, (N, E); row by row the sketches' partners.
        different: Y, whether a pair's classes differ, (N,), bool.
        margin: m, a squared distance beyond which a pair of different classes is left alone.

    Returns:
        A scalar; 0 for an empty batch.
    """
    squared = squared_distance(full_precision(sketch), full_precision(photo))
    return mean_or_zero(torch.where(different, (margin - squared).clamp(min=0), squared)) / 2


def hard_negative_contrastive_loss(
    sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor, margin: float
) -> Tensor:
    """The published form: D^2 of the positive rows, max(0, m - D)^2 of the hardest negatives of the batch.

    Hardest are the N / 2 smallest (rounded down) of the distances of all sketches to all photos of other classes,
    whether their rows belong together or not. The half and the mean, over positive rows and hard negatives together,
    are those of :func:`contrastive_loss`: of a batch, half of which are positive, the hard negatives take the places of
    the drawn ones.

    Args:
        sketch: embeddings, (N, E).
        photo: embeddings, (N, E).
        sketch_label: classes, (N,).
        photo_label: classes, (N,).
        margin: m, a distance (not squared) beyond which negatives are left alone.

    Returns:
        A scalar; 0 where there is neither a positive row nor a negative.
    """
    sketch, photo = full_precision(sketch), full_precision(photo)
    alike = sketch_label.unsqueeze(1) == photo_label
    row, column, found = nearest_pairs(sketch, photo, alike, len(sketch) // 2)
    push = (margin - distance(sketch[row], photo[column])).clamp(min=0).square()
    pull, positive = squared_distance(sketch, photo), alike.diagonal()
    terms = torch.cat([pull.masked_fill(~positive, 0.0), push.masked_fill(~found, 0.0)])
    return terms.sum() / (2 * (positive.sum() + found.sum()).clamp(min=1))


class ContrastiveLoss(nn.Module):
    """:func:`contrastive_loss` of the rows of a batch of pairs.

    Args:
        margin: m, a squared distance; the thesis trained with 0.7.

    Raises:
        ValueError: if the margin is not positive.
    """

    def __init__(self, margin: float = 0.7) -> None:
        super().__init__()
        self.margin = check_margin(margin)

    def forward(self, sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor) -> Tensor:
        """Loss of embeddings (N, E), (N, E) with labels (N,), (N,)."""
        check_rows(sketch=sketch, photo=photo)
        check_labelled(sketch, photo, sketch_label, photo_label)
        return contrastive_loss(sketch, photo, sketch_label != photo_label, self.margin)


class HardNegativeContrastiveLoss(nn.Module):
    """:func:`hard_negative_contrastive_loss` of a batch of pairs.

    Args:
        margin: m, a distance; the thesis trained with 0.7.

    Raises:
        ValueError: if the margin is not positive.
    """

    def __init__(self, margin: float = 0.7) -> None:
        super().__init__()
        self.margin = check_margin(margin)

    def forward(self, sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor) -> Tensor:
        """Loss of embeddings (N, E), (N, E) with labels (N,), (N,)."""
        check_rows(sketch=sketch, photo=photo)
        check_labelled(sketch, photo, sketch_label, photo_label)
        return hard_negative_contrastive_loss(sketch, photo, sketch_label, photo_label, self.margin)
