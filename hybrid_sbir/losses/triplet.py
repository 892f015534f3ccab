"""Triplet losses: equation 2.10 of the thesis, and the un-squared one of its published code. N triplets, E size."""

from torch import Tensor, nn

from hybrid_sbir.losses.admission import check_margin, check_rows, full_precision
from hybrid_sbir.losses.distance import distance, mean_or_zero, squared_distance


def triplet_loss(sketch: Tensor, positive: Tensor, negative: Tensor, margin: float, squared: bool = True) -> Tensor:
    """Let each sketch be nearer to the photo of its class than to the other one, by a margin; the mean over triplets.

    Squared (thesis, equation 2.10): L_T = 1/2 max(0, m + D^2(positive) - D^2(negative)). Otherwise, as the published
    code trains: max(0, m + D(positive) - D(negative)), without the half. (There PyTorch's triplet loss adds 1e-6 to
    every difference, lest two equal rows have no gradient; here they have the gradient 0.)

    Args:
        sketch: embeddings, (N, E).
        positive: embeddings of photos of the sketches' classes, (N, E).
        negative: embeddings of photos of other classes, (N, E).
        margin: m, a squared distance or a distance.
        squared: which of the two.

    Returns:
        A scalar; 0 for an empty batch.
    """
    sketch, positive, negative = full_precision(sketch), full_precision(positive), full_precision(negative)
    measure = squared_distance if squared else distance
    terms = (margin + measure(sketch, positive) - measure(sketch, negative)).clamp(min=0)
    return mean_or_zero(terms) / 2 if squared else mean_or_zero(terms)


class TripletLoss(nn.Module):
    """:func:`triplet_loss` of a batch of triplets.

    Args:
        margin: m; the thesis trained with 0.7.
        squared: squared distances, as in equation 2.10, or plain ones, as published.

    Raises:
        ValueError: if the margin is not positive.
    """

    def __init__(self, margin: float = 0.7, squared: bool = True) -> None:
        super().__init__()
        self.margin, self.squared = check_margin(margin), squared

    def forward(self, sketch: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Loss of embeddings (N, E), each row a triplet."""
        check_rows(sketch=sketch, positive=positive, negative=negative)
        return triplet_loss(sketch, positive, negative, self.margin, self.squared)
