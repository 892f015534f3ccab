"""What losses over all pairs of a batch share: which pairs count, in which direction, in which precision.

Shapes: N sketches, M photos or references, A anchors, E embedding size.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from hybrid_sbir.losses.admission import check_labelled, full_precision


class CrossDomainLoss(nn.Module, ABC):
    """A loss of anchors that are compared with references.

    Every sketch is an anchor among all photos, and every photo among all sketches; the loss is the mean of the two
    directions, so that both domains count alike however many there are. Within domains too, all embeddings are
    anchors among all others.

    Args:
        within: whether sketches are compared with sketches, and photos with photos, too.
    """

    def __init__(self, within: bool = False) -> None:
        super().__init__()
        self.within = within

    def forward(self, sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor) -> Tensor:
        """Loss of embeddings (N, E) and (M, E) of unit length, with labels (N,) and (M,); a scalar.

        Raises:
            ValueError: if the sizes do not fit.
        """
        check_labelled(sketch, photo, sketch_label, photo_label)
        if self.within:
            both, label = torch.cat([sketch, photo]), torch.cat([sketch_label, photo_label])
            return self.against(both, label, both, label, torch.arange(len(both), device=both.device))
        to_photos = self.against(sketch, sketch_label, photo, photo_label)
        return (to_photos + self.against(photo, photo_label, sketch, sketch_label)) / 2

    def against(
        self,
        anchor: Tensor,
        anchor_label: Tensor,
        reference: Tensor,
        reference_label: Tensor,
        own: Tensor | None = None,
    ) -> Tensor:
        """One direction.

        Args:
            anchor: (A, E).
            anchor_label: (A,).
            reference: (M, E).
            reference_label: (M,).
            own: which reference is the anchor itself, and so no pair, (A,); None if none is.

        Returns:
            A scalar; 0, with gradients of 0, where there is no positive pair or no negative one.
        """
        positive, negative = pair_masks(anchor_label, reference_label, own)
        with torch.autocast(anchor.device.type, enabled=False):
            return self.compare(full_precision(anchor), full_precision(reference), positive, negative)

    @abstractmethod
    def compare(self, anchor: Tensor, reference: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Loss of anchors (A, E) against references (M, E).

        Args:
            anchor: (A, E), float32 or float64.
            reference: (M, E), of the same type.
            positive: which pairs are of one class, (A, M), bool; never an anchor with itself.
            negative: which pairs are of different classes, (A, M), bool.
        """


def pair_masks(anchor_label: Tensor, reference_label: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Which anchors and references are of one class, and which are not: two masks, (A, M), bool.

    Args:
        anchor_label: (A,).
        reference_label: (M,).
        own: the reference that is the anchor itself, and is in neither mask, (A,).
    """
    alike = anchor_label.unsqueeze(1) == reference_label
    if own is None:
        return alike, ~alike
    place = torch.arange(len(reference_label), device=own.device)
    return alike & (own.unsqueeze(1) != place), ~alike
