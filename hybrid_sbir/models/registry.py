"""Backbones by name.

A backbone is registered by the function that describes it; the function holds numbers, not code paths::

    @register_backbone
    def hib_patch_2_2() -> BackboneSpec:
        return BackboneSpec([*_resnet((1, 2)), *_san((4, 1), "patchwise", widths=(1024, 2048))])
"""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatch
from typing import Any

from hybrid_sbir.models.backbone import Backbone, BackboneSpec
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
    """Return the description of the backbone registered as ``name``.

    Raises:
        ValueError: if no backbone has that name; the message names the nearest ones.
    """
    if name not in _BACKBONES:
        near = get_close_matches(name, _BACKBONES) or list_backbones()
        raise ValueError(f"no backbone '{name}'; did you mean one of {', '.join(near)}?")
    return _BACKBONES[name]()


def create_backbone(backbone: str | BackboneSpec | Sequence[StageSpec], **options: Any) -> Backbone:
    """Build a backbone by its registered name, or a new one from its description.

    Args:
        backbone: a name of :func:`list_backbones`, a description, or just the stages of a new hybrid (after ResNet's
            stem).
        **options: ``activation``, ``in_channels``, ``stem``, ``width``, ``widths``; see :class:`Backbone`.

    Raises:
        ValueError: if no backbone has that name, or an option does not fit; the message says what does.
    """
    if isinstance(backbone, str):
        backbone = backbone_spec(backbone)
    elif not isinstance(backbone, BackboneSpec):
        backbone = BackboneSpec(list(backbone))
    return Backbone(backbone, **options)
