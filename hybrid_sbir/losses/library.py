"""Losses of pytorch-metric-learning, across domains. A anchors, M references, K classes, E embedding size.

The library is an extra and is imported when a loss is built. What it is kept from here: it takes one tensor of labels
for both sides to mean that row i is compared with itself, and leaves those pairs out, so it is given pairs and never
labels; it turns proxies into the embeddings' type for good; it computes similarities in half precision under autocast.
"""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from hybrid_sbir.losses.admission import check_labelled
from hybrid_sbir.losses.cross_domain import CrossDomainLoss

PAIR_LOSSES = (
    "CircleLoss",
    "ContrastiveLoss",
    "GeneralizedLiftedStructureLoss",
    "IntraPairVarianceLoss",
    "LiftedStructureLoss",
    "MarginLoss",
    "MultiSimilarityLoss",
    "NTXentLoss",
    "SignalToNoiseRatioContrastiveLoss",
    "SupConLoss",
    "TripletMarginLoss",
    "TupletMarginLoss",
)
"""The library's losses that are functions of pairs, or of triplets made of them, without labels."""


class LibraryLoss(CrossDomainLoss):
    """Any of the library's losses of pairs, with its own distance and reduction.

    Args:
        kind: its name there, one of :data:`PAIR_LOSSES`.
        settings: its arguments there, such as ``{m: 0.4, gamma: 80}`` for a CircleLoss.
        within: see :class:`CrossDomainLoss`.

    Raises:
        ValueError: if it is none of them, or does not take these settings.
        ModuleNotFoundError: if the library is not installed; says how to install it.
    """

    def __init__(self, kind: str, settings: dict[str, Any] | None = None, within: bool = False) -> None:
        super().__init__(within)
        if kind not in PAIR_LOSSES:
            raise ValueError(f"no loss '{kind}'; there are {', '.join(PAIR_LOSSES)}")
        self.loss = build(kind, **(settings or {}))

    def compare(self, anchor: Tensor, reference: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """See :meth:`CrossDomainLoss.compare`.

        The library takes a batch with one positive and one negative pair in all for one without any.
        """
        if positive.numel():
            positive, negative = self.mine(anchor.detach(), reference.detach(), positive, negative)
        pairs = (*positive.nonzero(as_tuple=True), *negative.nonzero(as_tuple=True))
        if not len(pairs[0]) or not len(pairs[2]):
            return (anchor.sum() + reference.sum()) * 0
        return self.loss(anchor, indices_tuple=pairs, ref_emb=reference)

    def mine(self, anchor: Tensor, reference: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        """Which of the pairs count; all of them, if not overridden."""
        return positive, negative


class MultiSimilarity(LibraryLoss):
    """Multi-similarity loss with its mining of pairs (Wang et al., CVPR 2019), across domains.

    A negative counts if it is more similar than the least similar positive less epsilon, a positive if it is less
    similar than the most similar negative plus epsilon. The mining is done here: the library's sorts all similarities
    for these two extremes, and cannot leave out an anchor's own copy.

    Args:
        alpha: sharpness of the positives' soft maximum.
        beta: sharpness of the negatives'.
        base: similarity at which both are neutral (lambda; the paper says 1, its code 0.5).
        epsilon: the mining's margin.
        within: see :class:`CrossDomainLoss`.

    Raises:
        ModuleNotFoundError: if pytorch-metric-learning is not installed.
    """

    def __init__(
        self, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5, epsilon: float = 0.1, within: bool = False
    ) -> None:
        super().__init__("MultiSimilarityLoss", {"alpha": alpha, "beta": beta, "base": base}, within)
        self.epsilon = epsilon

    def mine(self, anchor: Tensor, reference: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        """Keep the informative pairs."""
        similarity = anchor @ reference.T
        least = similarity.masked_fill(~positive, torch.inf).amin(dim=1, keepdim=True)
        most = similarity.masked_fill(~negative, -torch.inf).amax(dim=1, keepdim=True)
        return positive & (similarity - self.epsilon < most), negative & (similarity + self.epsilon > least)


class ProxyAnchor(nn.Module):
    """Proxy-Anchor loss (Kim et al., CVPR 2020): one learned proxy a class, the anchor of sketches and photos alike.

    Args:
        num_classes: K.
        embedding_size: E.
        margin: delta.
        alpha: sharpness.

    Attributes:
        proxies: (K, E), trainable and part of the state; the paper trains them at 100 times the network's rate.

    Raises:
        ModuleNotFoundError: if pytorch-metric-learning is not installed.
    """

    def __init__(self, num_classes: int, embedding_size: int, margin: float = 0.1, alpha: float = 32.0) -> None:
        super().__init__()
        self.loss = build("ProxyAnchorLoss", num_classes, embedding_size, margin=margin, alpha=alpha)

    @property
    def proxies(self) -> nn.Parameter:
        """One row a class, of any length; their directions count."""
        return self.loss.get_parameter("proxies")

    def forward(self, sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor) -> Tensor:
        """Loss of embeddings (N, E) and (M, E), with labels (N,) and (M,) from 0 to K - 1; a scalar.

        Raises:
            ValueError: if the sizes do not fit, or there is a class without a proxy.
        """
        check_labelled(sketch, photo, sketch_label, photo_label)
        classes, size = self.proxies.shape
        embedding, label = torch.cat([sketch, photo]), torch.cat([sketch_label, photo_label])
        if embedding.shape[1] != size:
            raise ValueError(
                f"the proxies have {size} dimensions, the embeddings {embedding.shape[1]}: they must agree"
            )
        if not len(label):
            return embedding.sum() * 0
        if not 0 <= int(label.min()) <= int(label.max()) < classes:
            raise ValueError(
                f"there are proxies for classes 0 to {classes - 1}; got {int(label.min())} to {int(label.max())}"
            )
        with torch.autocast(embedding.device.type, enabled=False):
            return self.loss(embedding.to(self.proxies.dtype), label.long())


def build(kind: str, *arguments: Any, **settings: Any) -> nn.Module:
    """Build one of the library's losses.

    Raises:
        ValueError: if it does not take these settings.
        ModuleNotFoundError: if the library is not installed; says how to install it.
    """
    try:
        losses = import_module("pytorch_metric_learning.losses")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "pytorch_metric_learning":
            raise
        raise ModuleNotFoundError(
            f"{kind} is a loss of pytorch-metric-learning, which is not installed: pip install 'hybrid-sbir[losses]'; "
            "without it there are SupervisedContrastive, ContrastiveLoss and HardNegativeContrastiveLoss",
            name=error.name,
        ) from error
    try:
        return getattr(losses, kind)(*arguments, **settings)
    except TypeError as error:
        raise ValueError(f"{kind} of pytorch-metric-learning does not take {settings}: {error}") from error
