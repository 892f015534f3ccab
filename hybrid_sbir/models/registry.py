"""Backbones by name.

A backbone is registered by the function that describes it; the function holds numbers, not code paths::

    @register_backbone
    def hib_patch_2_2() -> BackboneSpec:
        return BackboneSpec([*_resnet((1, 2)), *_san((4, 1), "patchwise", widths=(1024, 2048))])
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatch
from typing import Any

from hybrid_sbir.models.backbone import Backbone, BackboneSpec
from hybrid_sbir.models.external import ExternalBackbone
from hybrid_sbir.models.external_spec import PLAIN, ExternalSpec, external_spec, spec_of_external
from hybrid_sbir.models.stage import StageSpec

Describe = Callable[[], BackboneSpec]

_BACKBONES: dict[str, Describe] = {}


def register_backbone(describe: Describe) -> Describe:
    """Register the backbone that ``describe`` describes under the function's name.

    Raises:
        ValueError: if the name is taken; two backbones never answer to one name.
    """
    name = describe.__name__
    if name in _BACKBONES:
        raise ValueError(f"backbone '{name}' is already registered by {_BACKBONES[name].__module__}")
    _BACKBONES[name] = describe
    return describe


def list_backbones(pattern: str = "*") -> list[str]:
    """Return the registered names that match a shell-style ``pattern``, sorted."""
    return sorted(name for name in _BACKBONES if fnmatch(name, pattern))


def backbone_spec(name: str) -> BackboneSpec:
    """Return the description of the backbone registered as ``name``, or of another library's (``timm:resnet50``).

    Raises:
        ValueError: if no backbone has that name; the message names the nearest ones.
    """
    if (outside := external_spec(name)) is not None:
        return outside
    if name not in _BACKBONES:
        near = get_close_matches(name, [*_BACKBONES, *PLAIN]) or list_backbones()
        raise ValueError(f"no backbone '{name}'; did you mean one of {', '.join(near)}?")
    return _BACKBONES[name]()


def spec_of(plain: Mapping[str, Any]) -> BackboneSpec:
    """Read a description that was stored as plain values beside weights."""
    return spec_of_external(plain) or BackboneSpec.of(plain)


def create_backbone(backbone: str | BackboneSpec | Sequence[StageSpec], **options: Any) -> Backbone:
    """Build a backbone by its registered name, or a new one from its description.

    Args:
        backbone: a name of :func:`list_backbones`, a description, or just the stages of a new hybrid (after ResNet's
            stem); or a model of torchvision or timm, ``torchvision:resnet50``, ``timm:vit_tiny_patch16_224@64`` for
            images of 64 x 64 pixels, or one of the plain names ``googlenet`` and ``se_resnext50``.
        **options: ``activation``, ``in_channels``, ``stem``, ``width``, ``widths``; see :class:`Backbone`.

    Raises:
        ValueError: if no backbone has that name, or an option does not fit; the message says what does.
    """
    if isinstance(backbone, str):
        backbone = backbone_spec(backbone)
    if isinstance(backbone, ExternalSpec):
        return ExternalBackbone(backbone, **options)
    if not isinstance(backbone, BackboneSpec):
        backbone = BackboneSpec(list(backbone))
    return Backbone(backbone, **options)
