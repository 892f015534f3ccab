"""How much the metric loss and the classifiers' cross-entropies count, epoch by epoch."""

import math
from typing import NamedTuple

from torch import Tensor


class LossWeight(NamedTuple):
    """Factors of the two parts of a loss.

    Attributes:
        metric: of the loss of embeddings.
        classification: of the cross-entropies.
    """

    metric: float
    classification: float


EQUAL = LossWeight(1.0, 1.0)


def total_loss(metric: Tensor, classification: Tensor, weight: LossWeight = EQUAL) -> Tensor:
    """Weighted sum of two scalars; the thesis's section 2.4 adds them as they are."""
    return weight.metric * metric + weight.classification * classification


class PublishedWeights:
    """What the published code runs: 2 * epoch, and (1 + cos(pi * epoch / epochs)) / 2, epochs counted from 0.

    The metric loss counts nothing in the first epoch and 68 times at the end of 35; the classifiers fall to 0.002.
    Stage 3 counts on from stage 2 and its cosine spans both, so that the classifiers' weight jumps back up.

    Args:
        first_epoch: epochs of the stages before: 0 in stage 2; in stage 3 the epochs of stage 2 (35).

    Raises:
        ValueError: if it is negative.
    """

    def __init__(self, first_epoch: int = 0) -> None:
        if first_epoch < 0:
            raise ValueError(f"first_epoch is {first_epoch}; give the epochs of the stages before, 0 or more")
        self.first_epoch = first_epoch

    def __call__(self, epoch: int, max_epochs: int) -> LossWeight:
        """Weights of an epoch, counted from 0, of this stage's ``max_epochs``.

        Raises:
            ValueError: if the stage has no such epoch.
        """
        if not 0 <= epoch < max_epochs:
            raise ValueError(
                f"epoch {epoch} of {max_epochs}: the published weights follow the stage's length; set "
                "trainer.max_epochs"
            )
        now, end = self.first_epoch + epoch, self.first_epoch + max_epochs
        return LossWeight(2.0 * now, (1 + math.cos(math.pi * now / end)) / 2)


class BoundedWeights:
    """Weights that never exceed those given: the metric loss ramps up to its own, the classifiers keep theirs.

    Args:
        metric: weight of the metric loss from epoch ``warmup_epochs`` on.
        classification: weight of the cross-entropies throughout.
        warmup_epochs: epochs before; epoch e of them gets the share (e + 1) / (warmup_epochs + 1).

    Raises:
        ValueError: if one is negative.
    """

    def __init__(self, metric: float = 1.0, classification: float = 1.0, warmup_epochs: int = 0) -> None:
        given = {"metric": metric, "classification": classification, "warmup_epochs": warmup_epochs}
        for name, value in given.items():
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value}; give a finite number, 0 or more")
        self.metric, self.classification, self.warmup_epochs = metric, classification, warmup_epochs

    def __call__(self, epoch: int, max_epochs: int) -> LossWeight:
        """Weights of an epoch, counted from 0; the run's length does not matter to them."""
        return LossWeight(self.metric * min(1.0, (epoch + 1) / (self.warmup_epochs + 1)), self.classification)
