"""Small networks whose batch norms are not trivial and whose weights stay near one, for tests of attention."""

import torch
from torch import nn

from hybrid_sbir.models import Backbone, BackboneSpec, StageSpec


def unsettle(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch norms statistics, scales and shifts of their own; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in (
                (module.running_mean, -0.3), (module.running_var, 0.7), (module.weight, 0.7), (module.bias, -0.3)
            ):  # fmt: skip
                tensor.data.uniform_(low, low + 0.6, generator=generator)
        elif isinstance(module, nn.Conv2d):
            module.weight.data.normal_(0, 0.7 / module.weight[0].numel() ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=generator)
    return model.eval()


def of_heads(activation: str = "pre") -> Backbone:
    """A stage of each kind whose groups are heads; 32 pixels give maps of 16, 8, 4 and 2, each attended before it."""
    stages = [
        StageSpec("resnet", 32, 1),
        StageSpec("bot", 64, 2, heads=2, position_size=8),
        StageSpec("sasa", 64, 2, kernel_size=7, heads=2),
        StageSpec("vit", 64, 1, heads=4, position_size=2),
    ]
    torch.manual_seed(0)
    return unsettle(Backbone(BackboneSpec(stages), activation=activation, stem="small", stem_width=8))


def mixed(activation: str = "pre", in_channels: int = 3) -> Backbone:
    """A stage of each kind, non-local blocks among them; maps of 16, 8, 4 and 2 for 32 pixels."""
    stages = [
        StageSpec("resnet", 32, 1),
        StageSpec("san", 64, 2, "pairwise", kernel_size=5, nonlocal_at=[0]),
        StageSpec("san", 64, 1, "patchwise", kernel_size=7),
        StageSpec("nonlocal", 32, 1),
    ]
    torch.manual_seed(0)
    spec = BackboneSpec(stages)
    return unsettle(Backbone(spec, activation=activation, in_channels=in_channels, stem="small", stem_width=8))
