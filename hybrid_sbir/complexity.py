"""What a backbone costs: parameters and multiply-accumulate operations (MACs), exactly and as the thesis counted them.

Counted on the meta device, where nothing is computed: layers as PyTorch dispatches them, attention by its definition.
Shapes: N batch, C channels, H, W size, P = H * W positions, Q subsampled positions, K window positions.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from hybrid_sbir.models import Backbone, Classifier, create_backbone, list_backbones
from hybrid_sbir.models.botnet import RelativeAttention
from hybrid_sbir.models.external import ExternalBackbone
from hybrid_sbir.models.external_spec import PLAIN, list_external
from hybrid_sbir.models.global_attention import GlobalAttention
from hybrid_sbir.models.nonlocal_net import NonLocalBlock
from hybrid_sbir.models.san import PairwiseAttention, PatchwiseAttention
from hybrid_sbir.models.sasa import LocalAttention
from hybrid_sbir.models.stage import Activation
from hybrid_sbir.models.stem import StemSize

_DOT_PRODUCTS = (RelativeAttention, LocalAttention, GlobalAttention)
_COUNTED = (PairwiseAttention, PatchwiseAttention, NonLocalBlock, *_DOT_PRODUCTS)  # by definition, not by what runs


@dataclass(frozen=True)
class Complexity:
    """A classifier's cost for one image.

    Attributes:
        parameters: number of trainable scalars.
        macs: multiply-accumulates of convolutions, linear layers, aggregation, and products of attention of every
            kind; bias, normalisation and activation not counted.
        thesis_operations: the count behind the thesis's Table 3.1, which is reached with one input channel in the
            post-activation order: MACs and biases of convolutions and linear layers, 2 per element of batch norm, 1 per
            ReLU, the inputs of pooling, the outputs of subtractions, K per aggregated output, and P * Q * (D + 1) for a
            non-local block with D channels of theta (the product with g is undercounted there).
    """

    parameters: int
    macs: int
    thesis_operations: int


class _Counter(TorchDispatchMode):
    """Adds up both counts as operators and attention modules pass."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = self.thesis = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in ("convolution", "addmm", "mm"):
            self._linear(name, args, out)
        elif "batch_norm" in name:
            self.thesis += 2 * args[0].numel()
        elif name in ("relu", "max_pool2d_with_indices", "mean"):
            self.thesis += args[0].numel()
        return out

    def _linear(self, name: str, args: Any, out: Tensor) -> None:
        per_output = args[1][0].numel() if name == "convolution" else args[-1].shape[0]
        has_bias = name == "addmm" or (name == "convolution" and args[2] is not None)
        self.macs += out.numel() * per_output
        self.thesis += out.numel() * (per_output + has_bias)

    def attention(self, module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        """Forward hook of the modules whose inner products are counted by definition, whatever runs them."""
        positions = args[0].shape[-2] * args[0].shape[-1]
        if isinstance(module, PairwiseAttention | PatchwiseAttention):
            window = module.kernel_size**2
            self.macs += out.numel() * window
            self.thesis += out.numel() * window
            if isinstance(module, PairwiseAttention):
                self.thesis += (module.phi.out_channels + 2) * window * positions
        elif isinstance(module, NonLocalBlock):
            subsampled = (args[0].shape[-2] // 2) * (args[0].shape[-1] // 2)
            keys, values = module.compared_channels, module.g.out_channels
            self.macs += positions * subsampled * (keys + values)
            self.thesis += positions * subsampled * (keys + 1)
        elif isinstance(module, _DOT_PRODUCTS):
            products = module.attention_macs(*args[0].shape[-2:])
            self.macs += products
            self.thesis += products


def measure(model: Classifier, height: int, width: int) -> Complexity:
    """Count a classifier's parameters and operations for one image of ``height`` x ``width`` pixels.

    The model is left as it is; a copy of its structure is counted on the meta device.

    Raises:
        ValueError: if the backbone's geometry does not allow the size.
    """
    with torch.device("meta"):
        backbone = type(model.backbone)(model.backbone.spec, **model.backbone.options())
        copy = Classifier(backbone, model.num_classes).eval()
        image = torch.empty(1, backbone.in_channels, height, width)
        backbone.check_input(image)  # what another library's model takes is found out by running it: not to be counted
    counter = _Counter()
    for module in copy.modules():
        if isinstance(module, _COUNTED):
            module.register_forward_hook(counter.attention)
        if isinstance(module, PairwiseAttention | PatchwiseAttention):
            module.folded = False  # the relation's layers are counted one by one, whatever is computed in one go
    with torch.no_grad(), FlopCounterMode(display=False) as operations, counter:
        copy(image)
    parameters = sum(p.numel() for p in model.parameters())
    if isinstance(backbone, ExternalBackbone):  # its attention is PyTorch's, whose products PyTorch counts
        counter.macs = operations.get_total_flops() // 2
    return Complexity(parameters, counter.macs, counter.thesis)


def models(
    pattern: str = "*",
    activation: Activation = "pre",
    size: int = 224,
    classes: int = 250,
    in_channels: int = 3,
    width: float = 1.0,
    stem: StemSize = "imagenet",
) -> None:
    """List the backbones with their parameters and MACs.

    Args:
        pattern: which names, shell-style (``hib_*``; ``torchvision:resnet*`` and ``timm:*`` list those libraries').
        activation: order of bottlenecks and non-local blocks.
        size: side of the square image, pixels.
        classes: classes of the head.
        in_channels: channels of the image, 1 or 3.
        width: factor on all widths.
        stem: how far the image is shrunk: imagenet 32 times, small 16, tiny 8.
    """
    names = [*list_backbones(pattern), *list_external(pattern)]
    if not names:
        raise ValueError(f"no backbone matches '{pattern}'; there are {', '.join([*list_backbones(), *PLAIN])}")
    column, regime = max(map(len, names)), f"({activation}, {size} x {size})"
    print(f"{'backbone':<{column}} {'parameters':>12} {'GMACs':>9} {'smallest input':>15}   {regime}")
    for name in names:
        try:
            with torch.device("meta"):
                backbone = create_backbone(name, activation=activation, in_channels=in_channels, width=width, stem=stem)
                model = Classifier(backbone, classes)
        except ValueError as error:
            if len(names) == 1:
                raise
            print(f"{name:<{column}} {error}")
            continue
        parameters, smallest = sum(p.numel() for p in model.parameters()), backbone.smallest_input
        macs = f"{measure(model, size, size).macs / 1e9:.4f}" if _takes(backbone, size) else "not taken"
        print(f"{name:<{column}} {parameters:>12,} {macs:>9} {smallest:>12} px")


def _takes(backbone: Backbone, size: int) -> bool:
    """Whether a backbone takes square images of a side: not too small, and of a model for one size just that."""
    try:
        backbone.check_input(torch.empty(1, backbone.in_channels, size, size, device="meta"))
    except ValueError:
        return False
    return True
