"""The named backbones: the 17 variants of the thesis's Table 3.1, and relatives of other depths. Numbers only.

``hib_<attention>_<c>_<a>``: c convolutional stages, then a attentional ones. ``_nl``: non-local blocks interleaved.
Kinds of blocks beyond the thesis's: :mod:`hybrid_sbir.models.zoo_beyond`.
"""

from dataclasses import replace

from hybrid_sbir.models.backbone import BackboneSpec
from hybrid_sbir.models.registry import register_backbone
from hybrid_sbir.models.san import Attention
from hybrid_sbir.models.stage import StageSpec

WIDTHS = (256, 512, 1024, 2048)
DEPTHS = (1, 2, 4, 1)


def resnet_stages(depths: tuple[int, ...]) -> list[StageSpec]:
    """The first stages of a ResNet of bottlenecks, as many as there are depths."""
    return [StageSpec("resnet", width, depth) for width, depth in zip(WIDTHS, depths, strict=False)]


def _attention(kind: str, stages: int) -> list[StageSpec]:
    """The last ``stages`` of the four stages, of pairwise or patchwise SAN blocks or of non-local ones."""
    sizes = list(zip(WIDTHS, DEPTHS, strict=True))[-stages:]
    if kind == "nl":
        return [StageSpec("nonlocal", width, depth) for width, depth in sizes]
    attention: Attention = "pairwise" if kind == "pair" else "patchwise"
    return [StageSpec("san", width, depth, attention) for width, depth in sizes]


def _hybrid(kind: str, convolutional: int) -> BackboneSpec:
    return BackboneSpec([*resnet_stages(DEPTHS[:convolutional]), *_attention(kind, 4 - convolutional)])


def _san(attention: Attention, depths: tuple[int, ...]) -> BackboneSpec:
    first = StageSpec("san", 64, depths[0], attention, kernel_size=3)
    rest = [StageSpec("san", width, depth, attention) for width, depth in zip(WIDTHS, depths[1:], strict=True)]
    return BackboneSpec([first, *rest], entry="linear")


def _with_nonlocal(spec: BackboneSpec) -> BackboneSpec:
    """Replace every other block of the 512 and 1024 stages, from the first on (thesis, section 3.4.1)."""
    stages = [replace(s, nonlocal_at=tuple(range(0, s.depth, 2))) if s.width in (512, 1024) else s for s in spec.stages]
    return replace(spec, stages=stages)


@register_backbone
def resnet26() -> BackboneSpec:
    return BackboneSpec(resnet_stages(DEPTHS))


@register_backbone
def resnet26_nl() -> BackboneSpec:
    return _with_nonlocal(resnet26())


@register_backbone
def san10_pair() -> BackboneSpec:
    return _san("pairwise", (2, *DEPTHS))


@register_backbone
def san10_pair_nl() -> BackboneSpec:
    return _with_nonlocal(san10_pair())


@register_backbone
def san10_patch() -> BackboneSpec:
    return _san("patchwise", (2, *DEPTHS))


@register_backbone
def san10_patch_nl() -> BackboneSpec:
    return _with_nonlocal(san10_patch())


@register_backbone
def hib_pair_2_2() -> BackboneSpec:
    return _hybrid("pair", 2)


@register_backbone
def hib_pair_2_2_nl() -> BackboneSpec:
    return _with_nonlocal(hib_pair_2_2())


@register_backbone
def hib_patch_2_2() -> BackboneSpec:
    return _hybrid("patch", 2)


@register_backbone
def hib_patch_2_2_nl() -> BackboneSpec:
    return _with_nonlocal(hib_patch_2_2())


@register_backbone
def hib_pair_3_1() -> BackboneSpec:
    return _hybrid("pair", 3)


@register_backbone
def hib_pair_3_1_nl() -> BackboneSpec:
    return _with_nonlocal(hib_pair_3_1())


@register_backbone
def hib_patch_3_1() -> BackboneSpec:
    return _hybrid("patch", 3)


@register_backbone
def hib_patch_3_1_nl() -> BackboneSpec:
    return _with_nonlocal(hib_patch_3_1())


@register_backbone
def hib_nl_2_2() -> BackboneSpec:
    return _hybrid("nl", 2)


@register_backbone
def hib_nl_3_1() -> BackboneSpec:
    return _hybrid("nl", 3)


@register_backbone
def pure_nl() -> BackboneSpec:
    """Table 3.2: the 112 x 112 stage is left out but for its transition, and the next has two blocks more."""
    depths = (0, 3, 2, 4, 1)
    stages = [StageSpec("nonlocal", width, depth) for width, depth in zip((64, *WIDTHS), depths, strict=True)]
    return BackboneSpec(stages, entry="linear")


@register_backbone
def pure_nl_resnet_stem() -> BackboneSpec:
    """Pure NL after ResNet's stem, which the thesis's discussion (chapter 5) found some 20 points better."""
    return BackboneSpec(pure_nl().stages[1:], entry="convolution")


@register_backbone
def resnet38() -> BackboneSpec:
    return BackboneSpec(resnet_stages((2, 3, 5, 2)))


@register_backbone
def resnet50() -> BackboneSpec:
    return BackboneSpec(resnet_stages((3, 4, 6, 3)))


@register_backbone
def san15_pair() -> BackboneSpec:
    return _san("pairwise", (3, 2, 3, 5, 2))


@register_backbone
def san15_patch() -> BackboneSpec:
    return _san("patchwise", (3, 2, 3, 5, 2))


@register_backbone
def san19_pair() -> BackboneSpec:
    return _san("pairwise", (3, 3, 4, 6, 3))


@register_backbone
def san19_patch() -> BackboneSpec:
    return _san("patchwise", (3, 3, 4, 6, 3))
