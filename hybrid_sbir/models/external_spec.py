"""Names of other libraries' models: ``LIBRARY:MODEL``, with ``@SIDE`` where a model is built for one size of image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from hybrid_sbir.models.backbone import BackboneSpec
from hybrid_sbir.models.stage import StageSpec
from hybrid_sbir.models.stem import Entry
from hybrid_sbir.models.timm_backbone import timm_models
from hybrid_sbir.models.torchvision_backbone import torchvision_models

PLAIN = {
    "googlenet": "torchvision:googlenet",  # InceptionV1, as Bui et al. use it
    "se_resnext50": "timm:seresnext50_32x4d",  # as Fuentes uses it
}
"""Plain names of the models that the thesis's Table 4.4 compares itself with."""

_MODELS = {"torchvision": torchvision_models, "timm": timm_models}


@dataclass
class ExternalSpec(BackboneSpec):
    """A model of another library; it has no stages of this package's kinds.

    Attributes:
        library: ``"torchvision"`` or ``"timm"``.
        model: its name there.
        img_size: side in pixels of the images, of models that are built for one size; None leaves the library's.
    """

    stages: list[StageSpec] = field(default_factory=list, init=False)
    entry: Entry = field(default="convolution", init=False)
    library: str
    model: str
    img_size: int | None = None

    def __str__(self) -> str:
        return f"{self.library}:{self.model}{f'@{self.img_size}' if self.img_size else ''}"

    def plain(self) -> dict[str, Any]:
        """As plain values, to be stored beside weights."""
        return {"library": self.library, "model": self.model, "img_size": self.img_size}


def external_spec(name: str) -> ExternalSpec | None:
    """Read a name; None where it is no name of another library's model.

    Raises:
        ValueError: if the side after ``@`` is no number of pixels, or no model is named.
    """
    library, colon, rest = PLAIN.get(name, name).partition(":")
    plain, at, side = name.partition("@")
    if plain in PLAIN and at:
        library, colon, rest = PLAIN[plain].partition(":")
        rest = f"{rest}@{side}"
    if not colon or library not in _MODELS:
        return None
    model, at, side = rest.partition("@")
    if not model or (at and not (side.isdecimal() and int(side) > 0)):
        raise ValueError(f"backbone '{name}': write LIBRARY:MODEL, or LIBRARY:MODEL@SIDE with a side in pixels")
    return ExternalSpec(library, model, int(side) if at else None)


def spec_of_external(plain: Mapping[str, Any]) -> ExternalSpec | None:
    """Undo :meth:`ExternalSpec.plain`; None where ``plain`` describes a backbone of this package."""
    return ExternalSpec(**plain) if "library" in plain else None


def list_external(pattern: str = "*") -> list[str]:
    """Return the plain names that match a shell-style pattern, or a library's (``timm:resnet*``), sorted.

    Raises:
        ValueError: if the pattern names timm, and it is not installed.
    """
    library, colon, _ = pattern.partition(":")
    outside = colon and library in _MODELS
    names = [f"{library}:{name}" for name in _MODELS[library]()] if outside else list(PLAIN)
    return sorted(name for name in names if fnmatch(name, pattern))
