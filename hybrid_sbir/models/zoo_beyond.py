"""Named backbones of the blocks that the thesis's conclusion asks for, and those blocks' own networks. Numbers only.

``hib_<kind>_<c>_<a>`` as in :mod:`hybrid_sbir.models.zoo`: ResNet26's first c stages, then a stages of another kind.
"""

from dataclasses import replace

from hybrid_sbir.models.backbone import BackboneSpec
from hybrid_sbir.models.nonlocal_net import Form
from hybrid_sbir.models.registry import register_backbone
from hybrid_sbir.models.stage import StageSpec
from hybrid_sbir.models.zoo import DEPTHS, WIDTHS, hib_nl_2_2, hib_nl_3_1, resnet26, resnet50, resnet_stages

_RESNET50 = (3, 4, 6, 3)
_SIDES = (56, 28, 14, 7)  # of the stages' maps for images of 224 pixels, which position tables are made for
# A transformer block costs 12 C^2 parameters where a bottleneck of C channels costs 1.1 C^2: ViT-S's and ViT-B's widths
# keep a hybrid at ResNet26's cost.
_VIT_WIDTHS = (384, 768)


def _botnet(stages: int, depths: tuple[int, ...] = DEPTHS) -> BackboneSpec:
    """A ResNet whose last ``stages`` stages attend among all positions."""
    first = 4 - stages
    sizes = zip(WIDTHS[first:], depths[first:], _SIDES[first:], strict=True)
    last = [StageSpec("bot", width, depth, position_size=side) for width, depth, side in sizes]
    return BackboneSpec([*resnet_stages(depths[:first]), *last])


def _sasa(stages: int, depths: tuple[int, ...] = DEPTHS) -> BackboneSpec:
    """A ResNet whose last ``stages`` stages attend inside windows of 7 x 7."""
    first = 4 - stages
    last = [StageSpec("sasa", width, depth) for width, depth in zip(WIDTHS[first:], depths[first:], strict=True)]
    return BackboneSpec([*resnet_stages(depths[:first]), *last])


def _with_transformer(stages: int) -> BackboneSpec:
    sizes = list(zip(_VIT_WIDTHS, DEPTHS[2:], _SIDES[2:], strict=True))[-stages:]
    last = [StageSpec("vit", width, depth, position_size=side) for width, depth, side in sizes]
    return BackboneSpec([*resnet_stages(DEPTHS[: 4 - stages]), *last])


def _of_form(spec: BackboneSpec, form: Form) -> BackboneSpec:
    return replace(spec, stages=[replace(s, form=form) if s.kind == "nonlocal" else s for s in spec.stages])


def _squeezed(spec: BackboneSpec) -> BackboneSpec:
    """Squeeze-and-Excitation with the paper's reduction in every block."""
    return replace(spec, stages=[replace(s, squeeze=16) for s in spec.stages])


@register_backbone
def resnet34() -> BackboneSpec:
    return BackboneSpec([StageSpec("basic", w, d) for w, d in zip((64, 128, 256, 512), _RESNET50, strict=True)])


@register_backbone
def se_resnet26() -> BackboneSpec:
    return _squeezed(resnet26())


@register_backbone
def se_resnet50() -> BackboneSpec:
    return _squeezed(resnet50())


@register_backbone
def botnet26() -> BackboneSpec:
    """The same as hib_bot_3_1: BoTNet is a 3-1 hybrid by design."""
    return _botnet(1)


@register_backbone
def botnet50() -> BackboneSpec:
    return _botnet(1, _RESNET50)


@register_backbone
def hib_bot_2_2() -> BackboneSpec:
    return _botnet(2)


@register_backbone
def hib_bot_3_1() -> BackboneSpec:
    return _botnet(1)


@register_backbone
def sasa26() -> BackboneSpec:
    """Ramachandran et al., table 1, "conv-stem + attention"."""
    return _sasa(4)


@register_backbone
def sasa50() -> BackboneSpec:
    return _sasa(4, _RESNET50)


@register_backbone
def hib_sasa_2_2() -> BackboneSpec:
    return _sasa(2)


@register_backbone
def hib_sasa_3_1() -> BackboneSpec:
    return _sasa(1)


@register_backbone
def hib_vit_2_2() -> BackboneSpec:
    return _with_transformer(2)


@register_backbone
def hib_vit_3_1() -> BackboneSpec:
    return _with_transformer(1)


@register_backbone
def vit_b_16() -> BackboneSpec:
    """ViT-B/16 with the average of the positions as its feature, and so without a class token."""
    return BackboneSpec([StageSpec("vit", 768, 12, position_size=14)], entry="patches")


@register_backbone
def hib_nl_gaussian_2_2() -> BackboneSpec:
    return _of_form(hib_nl_2_2(), "gaussian")


@register_backbone
def hib_nl_gaussian_3_1() -> BackboneSpec:
    return _of_form(hib_nl_3_1(), "gaussian")


@register_backbone
def hib_nl_embedded_2_2() -> BackboneSpec:
    return _of_form(hib_nl_2_2(), "embedded")


@register_backbone
def hib_nl_embedded_3_1() -> BackboneSpec:
    return _of_form(hib_nl_3_1(), "embedded")


@register_backbone
def hib_nl_concatenation_2_2() -> BackboneSpec:
    return _of_form(hib_nl_2_2(), "concatenation")


@register_backbone
def hib_nl_concatenation_3_1() -> BackboneSpec:
    return _of_form(hib_nl_3_1(), "concatenation")
