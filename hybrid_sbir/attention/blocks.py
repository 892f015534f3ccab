"""The attention blocks of a model, by name: STAGE.BLOCK, both counted from 1."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from hybrid_sbir.attention.weights import AttentionKind, kind_of
from hybrid_sbir.encoding.trained_model import backbone_of
from hybrid_sbir.models.two_branch import Domain


class AttentionBlock(NamedTuple):
    """An attention block of a backbone.

    Attributes:
        name: STAGE.BLOCK, both counted from 1.
        stage: number of its stage, from 0.
        kind: pairwise, patchwise or non-local.
        module: the block itself.
    """

    name: str
    stage: int
    kind: AttentionKind
    module: nn.Module


def attention_blocks(model: nn.Module, domain: Domain = "sketch") -> list[AttentionBlock]:
    """Return a model's attention blocks, from the image on; empty where it has none."""
    found = []
    for stage, layers in enumerate(backbone_of(model, domain).stages):
        for number, block in enumerate(layers.get_submodule("blocks").children()):
            for module in block.modules():
                if (kind := kind_of(module)) is not None:
                    found.append(AttentionBlock(f"{stage + 1}.{number + 1}", stage, kind, module))
    return found


def choose_blocks(model: nn.Module, names: Sequence[str] | None, domain: Domain = "sketch") -> list[AttentionBlock]:
    """Return the named attention blocks of a model, in its order; all where none is named.

    Raises:
        ValueError: if there is no such block, or none at all; the message says which there are.
    """
    blocks = attention_blocks(model, domain)
    if not blocks:
        kinds = ", ".join(dict.fromkeys(stage.kind for stage in backbone_of(model, domain).spec.stages))
        raise ValueError(
            f"this model has no attention block to look into: its stages are {kinds}. Take one with pairwise or "
            "patchwise attention or non-local blocks (hybrid-sbir models lists san10_*, hib_*, *_nl)"
        )
    unknown = [name for name in names or () if name not in {block.name for block in blocks}]
    if unknown:
        there = ", ".join(f"{block.name} ({block.kind})" for block in blocks)
        raise ValueError(f"no attention block {', '.join(unknown)}; there are (STAGE.BLOCK): {there}")
    return [block for block in blocks if not names or block.name in names]
