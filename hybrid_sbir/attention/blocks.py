"""The attention blocks of a model, by name: STAGE.BLOCK, both counted from 1."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from hybrid_sbir.attention.weights import AttentionKind, kind_of
from hybrid_sbir.encoding.trained_model import backbone_of
from hybrid_sbir.models.stage import Stage
from hybrid_sbir.models.two_branch import Domain


class AttentionBlock(NamedTuple):
    """An attention block of a backbone.

    Attributes:
        name: STAGE.BLOCK, both counted from 1.
        stage: number of its stage, from 0.
        kind: pairwise, patchwise, sasa, non-local, bot or vit.
        module: the block itself; of a bottleneck (bot, sasa) the attention in it.
        before: whether its map is that before the stage: a bottleneck that shrinks the map attends first.
    """

    name: str
    stage: int
    kind: AttentionKind
    module: nn.Module
    before: bool = False


def attention_blocks(model: nn.Module, domain: Domain = "sketch") -> list[AttentionBlock]:
    """Return a model's attention blocks, from the image on; empty where it has none, or is another library's."""
    found = []
    for stage, layers in enumerate(backbone_of(model, domain).stages):
        if not isinstance(layers, Stage):
            continue
        for number, block in enumerate(layers.blocks):
            # A transition, where there is one, shrinks the map before all blocks; else the first block does.
            before = number == 0 and layers.stride > 1 and not layers.spec.has_transition
            for module in block.modules():
                if (kind := kind_of(module)) is not None:
                    found.append(AttentionBlock(f"{stage + 1}.{number + 1}", stage, kind, module, before))
    return found


def choose_blocks(model: nn.Module, names: Sequence[str] | None, domain: Domain = "sketch") -> list[AttentionBlock]:
    """Return the named attention blocks of a model, in its order; all where none is named.

    Raises:
        ValueError: if there is no such block, or none at all; the message says which there are.
    """
    blocks = attention_blocks(model, domain)
    if not blocks:
        spec = backbone_of(model, domain).spec
        kinds = ", ".join(dict.fromkeys(stage.kind for stage in spec.stages)) or f"another library's ({spec})"
        raise ValueError(
            f"this model has no attention block to look into: its stages are {kinds}. Take one with attention of this "
            "package (hybrid-sbir models lists san10_*, hib_*, *_nl, botnet*, sasa*, vit_*)"
        )
    unknown = [name for name in names or () if name not in {block.name for block in blocks}]
    if unknown:
        there = ", ".join(f"{block.name} ({block.kind})" for block in blocks)
        raise ValueError(f"no attention block {', '.join(unknown)}; there are (STAGE.BLOCK): {there}")
    return [block for block in blocks if not names or block.name in names]
