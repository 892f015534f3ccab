"""The weights that an attention block gives to its neighbours, as the running model computes them.

Nothing is computed a second time here: a hook looks at what the block's own layers put out. A SAN block that is looked
at runs its plain modules instead of the folded form, which is the same function (:mod:`hybrid_sbir.models.san`).

Shapes: N batch, C channels, H, W size, P = H * W positions, Q = (H // 2) * (W // 2) positions after subsampling,
K = kernel_size ** 2 neighbours, G weight channels (share groups, heads), D channels of theta and phi.
"""

from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir.models.botnet import RelativeAttention
from hybrid_sbir.models.global_attention import TransformerBlock
from hybrid_sbir.models.nonlocal_net import NonLocalBlock
from hybrid_sbir.models.san import PairwiseAttention, PatchwiseAttention, SANBlock
from hybrid_sbir.models.sasa import LocalAttention

AttentionKind = Literal["pairwise", "patchwise", "sasa", "non-local", "bot", "vit"]
LOCAL: tuple[AttentionKind, ...] = ("pairwise", "patchwise", "sasa")
"""Kinds that look at a window around the position; the others look at the whole map."""
HEADS: tuple[AttentionKind, ...] = ("sasa", "bot", "vit")
"""Kinds whose groups are called heads."""


class Law(NamedTuple):
    """What holds for a block's weights, whatever the image.

    Attributes:
        signed: whether they can be negative.
        softmax: whether they sum to 1 over the neighbours.
    """

    signed: bool
    softmax: bool


_FORMS = {"dot": Law(True, False), "gaussian": Law(False, True), "embedded": Law(False, True)}
_FORMS["concatenation"] = Law(False, False)


def kind_of(block: nn.Module) -> AttentionKind | None:
    """Return which attention a block is; None where it is none, or none that weighs positions of a map."""
    if isinstance(block, NonLocalBlock):
        return "non-local"
    if isinstance(block, SANBlock):
        kinds: dict[type, AttentionKind] = {PairwiseAttention: "pairwise", PatchwiseAttention: "patchwise"}
        return kinds.get(type(block.attention))
    of_heads: dict[type, AttentionKind] = {RelativeAttention: "bot", LocalAttention: "sasa", TransformerBlock: "vit"}
    return of_heads.get(type(block))


def law_of(block: nn.Module) -> Law:
    """Return what holds for the weights of an attention block."""
    kind = kind_of(block)
    if kind == "non-local":
        return _FORMS[_form(block)]
    return Law(signed=kind == "patchwise", softmax=kind != "patchwise")


def _form(block: nn.Module) -> str:
    """How a non-local block compares two positions: Wang et al., section 3.2."""
    return getattr(block, "form", "dot")


_PROJECTIONS = ("query", "key")
_LAYERS: dict[AttentionKind, tuple[str, ...]] = {
    "pairwise": ("attention.relation",),
    "patchwise": ("attention.relation",),
    "non-local": ("theta", "phi"),
    "bot": _PROJECTIONS,
    "sasa": _PROJECTIONS,
    "vit": ("attention.qkv",),
}


class WeightRecorder:
    """Watches a block during a forward pass; a context manager.

    Args:
        block: a :class:`SANBlock`, :class:`NonLocalBlock`, :class:`TransformerBlock`, :class:`RelativeAttention` (of
            BoTNet) or :class:`LocalAttention` (of SASA), in evaluation mode.

    Raises:
        ValueError: if the block is no such block, or trains: its batch norms would then use and move other statistics.
    """

    def __init__(self, block: nn.Module) -> None:
        kind = kind_of(block)
        if kind is None:
            raise ValueError(
                f"a {type(block).__name__} has no weights of positions; SANBlock, NonLocalBlock, TransformerBlock, "
                "RelativeAttention and LocalAttention have"
            )
        if block.training:
            raise ValueError("the model is in training mode, in which its batch norms depend on the batch: call eval()")
        self.block, self.kind = block, kind
        self._seen: dict[str, Tensor] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> "WeightRecorder":
        for name in _LAYERS[self.kind]:
            layer = self.block.get_submodule(name)
            self._handles.append(layer.register_forward_hook(self._keep(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _keep(self, name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            self._seen[name] = output.detach()

        return hook

    @property
    def weights(self) -> Tensor:
        """Weights of the last forward pass: (N, G, K, P); non-local (N, 1, Q, P), of bot and vit (N, G, P, P)."""
        if self.kind == "non-local":
            return self._of_pairs().unsqueeze(1)
        if isinstance(self.block, TransformerBlock):
            return self.block.attention.weights(self._seen["attention.qkv"].float()).transpose(2, 3)
        if isinstance(self.block, RelativeAttention | LocalAttention):
            found = self.block.weights(self._seen["query"].float(), self._seen["key"].float())
            return found.transpose(2, 3) if self.kind == "bot" else found
        relation = self._seen["attention.relation"]
        if self.kind == "pairwise":
            return relation.softmax(2)
        assert isinstance(self.block, SANBlock)
        return relation.flatten(2).unflatten(1, (-1, self.block.attention.kernel_size**2))

    def _of_pairs(self) -> Tensor:
        """The position matrix of a non-local block, (N, Q, P)."""
        theta, phi = self._seen["theta"].flatten(2), F.max_pool2d(self._seen["phi"], 2).flatten(2)
        form = _form(self.block)
        if form == "concatenation":
            theta, phi = self.block.get_submodule("relate").halves(theta, phi)  # type: ignore[operator]
            return F.relu(theta + phi.transpose(1, 2)) / phi.shape[2]
        products = phi.transpose(1, 2) @ theta
        return products / phi.shape[2] if form == "dot" else (products / phi.shape[1] ** 0.5).softmax(1)


@torch.no_grad()
def attention_weights(block: nn.Module, x: Tensor) -> Tensor:
    """Weights of every position of a block's input.

    Args:
        block: one that :class:`WeightRecorder` takes, in evaluation mode.
        x: the block's input, (N, C, H, W).

    Returns:
        (N, G, K, P): group g's weight of neighbour k (row-major in the footprint) for position p. Channel c of what is
        aggregated belongs to group c mod G. Of a non-local block (N, 1, Q, P). Of heads that look at the whole map
        (bot, vit) (N, G, P, P), the query last; channel c belongs to head c // (C / G).

    Raises:
        ValueError: see :class:`WeightRecorder`.
    """
    with WeightRecorder(block) as recorder:
        block(x)
    return recorder.weights
