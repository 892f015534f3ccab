"""The weights that an attention block gives to its neighbours, as the running model computes them.

Nothing is computed a second time here: a hook looks at what the block's own layers put out. A SAN block that is looked
at runs its plain modules instead of the folded form, which is the same function (:mod:`hybrid_sbir.models.san`).

Shapes: N batch, C channels, H, W size, P = H * W positions, Q = (H // 2) * (W // 2) positions after subsampling,
K = kernel_size ** 2 neighbours, G weight channels (share groups), D channels of theta and phi.
"""

from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir.models.nonlocal_net import NonLocalBlock
from hybrid_sbir.models.san import PairwiseAttention, PatchwiseAttention, SANBlock

AttentionKind = Literal["pairwise", "patchwise", "non-local"]


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
    return None


def law_of(block: nn.Module) -> Law:
    """Return what holds for the weights of an attention block."""
    kind = kind_of(block)
    if kind == "non-local":
        return _FORMS[_form(block)]
    return Law(signed=kind == "patchwise", softmax=kind == "pairwise")


def _form(block: nn.Module) -> str:
    """How a non-local block compares two positions: Wang et al., section 3.2."""
    return getattr(block, "form", "dot")


class WeightRecorder:
    """Watches a block during a forward pass; a context manager.

    Args:
        block: a :class:`SANBlock` or a :class:`NonLocalBlock`, in evaluation mode.

    Raises:
        ValueError: if the block is no such block, or trains: its batch norms would then use and move other statistics.
    """

    def __init__(self, block: nn.Module) -> None:
        kind = kind_of(block)
        if kind is None:
            raise ValueError(f"a {type(block).__name__} has no weights of positions; SANBlock and NonLocalBlock have")
        if block.training:
            raise ValueError("the model is in training mode, in which its batch norms depend on the batch: call eval()")
        self.block, self.kind = block, kind
        self._seen: dict[str, Tensor] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> "WeightRecorder":
        names = ("theta", "phi") if self.kind == "non-local" else ("attention.relation",)
        for name in names:
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
        """Weights of the last forward pass: (N, G, K, P), or (N, 1, Q, P) of a non-local block."""
        if self.kind == "non-local":
            return self._of_pairs().unsqueeze(1)
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
        block: a :class:`SANBlock` or a :class:`NonLocalBlock`, in evaluation mode.
        x: the block's input, (N, C, H, W).

    Returns:
        (N, G, K, P): group g's weight of neighbour k (row-major in the footprint) for position p. Channel c of what is
        aggregated belongs to group c mod G. Of a non-local block (N, 1, Q, P).

    Raises:
        ValueError: see :class:`WeightRecorder`.
    """
    with WeightRecorder(block) as recorder:
        block(x)
    return recorder.weights
