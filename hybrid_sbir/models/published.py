"""The names that the thesis's published checkpoints use, mapped explicitly to this package's.

A published classifier is ``stem``, ``backbone.STAGE.PART...``, ``fc``; a stage's parts are its transition (where it has
one), its blocks and, in the last stage, the closing bn - relu. A bottleneck stage whose first block is non-local keeps
its transition among the blocks.

No published file holds a non-local *stage* in the post-activation order (that code did not run for the hybrids, and the
pure variant's weights were never released); for those the blocks' layers are taken to be numbered one after the other.
"""

from collections.abc import Iterator, Sequence

from torch import nn

from hybrid_sbir.models.backbone import Backbone, BackboneSpec
from hybrid_sbir.models.nonlocal_net import NonLocalBlock
from hybrid_sbir.models.resnet import Bottleneck, PreActivationBottleneck
from hybrid_sbir.models.san import SANBlock
from hybrid_sbir.models.stage import Stage

Pairs = Iterator[tuple[str, str]]

_BOTTLENECK = {f"conv{i}": f"conv{i}" for i in (1, 2, 3)} | {f"norm{i}": f"bn{i}" for i in (1, 2, 3)}
_BOTTLENECK["shortcut"] = "downsample"

_LAYERS: dict[type[nn.Module], dict[str, str]] = {
    Bottleneck: _BOTTLENECK,
    PreActivationBottleneck: _BOTTLENECK,
    SANBlock: {
        "norm1": "bn1",
        "attention.phi": "sam.conv1",
        "attention.psi": "sam.conv2",
        "attention.beta": "sam.conv3",
        "attention.position": "sam.conv_p",
        "attention.relation": "sam.conv_w",
        "norm2": "bn2",
        "conv": "conv",
    },
    NonLocalBlock: {"norm.0": "bn", "theta": "theta", "phi": "phi.0", "g": "g.0", "out": "W_z"},
}


def has_published_names(spec: BackboneSpec) -> bool:
    """Whether the published code can hold such a backbone: convolutions, SAN blocks, dot-product non-local blocks."""
    stages = all(s.kind in ("resnet", "san", "nonlocal") and s.form == "dot" and not s.squeeze for s in spec.stages)
    return stages and spec.entry != "patches"


def _layers(module: nn.Module) -> dict[str, str]:
    """Our name -> published name of a block's layers."""
    for kind, names in _LAYERS.items():
        if isinstance(module, kind):
            return names
    raise ValueError(
        f"a block of type {type(module).__name__} has no published names; the known are SAN's and ResNet's"
    )


def _module_pairs(ours: str, theirs: str, module: nn.Module) -> Pairs:
    """Pairs for everything a module stores, given the two names of the module itself."""
    for name in module.state_dict():
        yield f"{ours}.{name}", f"{theirs}.{name}"


def _block_pairs(ours: str, theirs: str, block: nn.Module) -> Pairs:
    names = _layers(block)
    for name in block.state_dict():
        layer = next(layer for layer in names if name == layer or name.startswith(layer + "."))
        yield f"{ours}.{name}", f"{theirs}.{names[layer]}{name.removeprefix(layer)}"


def _transition_pairs(ours: str, theirs: str, stage: Stage) -> Pairs:
    for ours_layer, theirs_layer in (("norm", "0"), ("conv", "3")):
        layer = stage.transition.get_submodule(ours_layer)
        yield from _module_pairs(f"{ours}.transition.{ours_layer}", f"{theirs}.{theirs_layer}", layer)


def _stage_pairs(ours: str, theirs: str, stage: Stage) -> Pairs:
    own_part = stage.spec.kind != "resnet"  # a bottleneck stage keeps its transition among its blocks
    first = 0 if own_part or not stage.spec.has_transition else 1
    blocks = f"{theirs}.{1 if own_part else 0}"
    if stage.spec.has_transition:
        yield from _transition_pairs(ours, f"{theirs}.0" if own_part else f"{theirs}.0.0", stage)
    for i, block in enumerate(stage.blocks):
        name = f"{ours}.blocks.{i}"
        if isinstance(block, nn.Sequential):
            yield from _module_pairs(f"{name}.0", f"{blocks}.{3 * i}", block[0])
            yield from _block_pairs(f"{name}.2", f"{blocks}.{3 * i + 2}", block[2])
        else:
            yield from _block_pairs(name, f"{blocks}.{i + first}", block)


def stage_pairs(backbone: Backbone, stages: Sequence[int]) -> Pairs:
    """Pairs (ours, published) of the given stages; published names count from the first of them (``0.1.2...``)."""
    for theirs, i in enumerate(stages):
        stage = backbone.stages[i]
        assert isinstance(stage, Stage)
        yield from _stage_pairs(f"stages.{i}", str(theirs), stage)
        if i == len(backbone.stages) - 1 and isinstance(backbone.closing, nn.Sequential):
            part = 1 if stage.spec.kind == "resnet" else 2
            yield from _module_pairs("closing.0", f"{theirs}.{part}", backbone.closing[0])


def stem_pairs(backbone: Backbone) -> Pairs:
    """Pairs (ours, published) of the stem; published names without the word ``stem``."""
    linear = backbone.spec.entry == "linear"
    yield "stem.conv.weight", "weight" if linear else "0.weight"
    for name in backbone.stem.state_dict():
        if name.startswith("norm.0."):
            yield f"stem.{name}", f"1.{name.removeprefix('norm.0.')}"


def published_names(backbone: Backbone) -> dict[str, str]:
    """Our name -> published name of everything a classifier on ``backbone`` stores.

    Raises:
        ValueError: if the published code has no such blocks.
    """
    if not has_published_names(backbone.spec):
        raise ValueError("this backbone has blocks that the published code lacks, so it has no published names")
    names = {f"backbone.{ours}": f"stem.{theirs}" for ours, theirs in stem_pairs(backbone)}
    every = range(len(backbone.stages))
    names |= {f"backbone.{ours}": f"backbone.{theirs}" for ours, theirs in stage_pairs(backbone, every)}
    return names | {f"head.{name}": f"fc.{name}" for name in ("weight", "bias")}
