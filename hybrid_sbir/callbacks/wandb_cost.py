"""What one image costs a model, counted by PyTorch on a pass of its own."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


def cost(module: Any, image: Tensor | None) -> dict[str, float]:
    """Return ``cost/parameters`` and, given an image, ``cost/macs``.

    Multiply-accumulates of the operators that run, so at the run's own size and width; attention counts as it is
    computed, which for pairwise attention and non-local blocks is up to 2 % less than by its definition
    (``hybrid-sbir models``).

    Args:
        module: a classifier, or what has ``embed(image, domain)``; of two branches that of sketches is measured.
        image: one normalised image, (1, C, H, W).
    """
    found: dict[str, float] = {"cost/parameters": sum(p.numel() for p in module.parameters())}
    if image is None:
        return found
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            if hasattr(module, "embed"):
                module.embed(image, "sketch")
            else:
                module(image)
    finally:
        module.train(training)
    return found | {"cost/macs": counter.get_total_flops() / 2}
