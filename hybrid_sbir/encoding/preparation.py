"""How a run prepared the images of a domain before its model saw them, as plain values. S side, C channels."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from hybrid_sbir.data.transforms import CentreView, Transform, preset
from hybrid_sbir.encoding.trained_model import TrainedModel, backbone_of, run_settings
from hybrid_sbir.models.two_branch import DOMAINS, Domain


class Preparation(NamedTuple):
    """A preset of :mod:`hybrid_sbir.data.transforms` and its sizes.

    Attributes:
        preset: its name.
        size: S.
        channels: C.
        strokes: how strokes are drawn for it, as arguments of :func:`~hybrid_sbir.data.strokes.rasterize`, where it was
            trained on strokes: ``size`` of the canvas, ``stroke_width``, ``padding``; None where on images.
    """

    preset: str
    size: int
    channels: int
    strokes: dict[str, float] | None = None

    def transform(self) -> Transform:
        """Build the transform.

        Raises:
            ValueError: if there is no such preset or size.
        """
        return preset(self.preset, self.size, self.channels)


def of_run(trained: TrainedModel) -> dict[Domain, Preparation]:
    """Read how a run evaluates images of each domain from the config.yaml beside its checkpoint.

    Raises:
        ValueError: if the checkpoint does not lie in a run's folder, or its configuration does not say.
    """
    channels = backbone_of(trained.model).in_channels
    found: dict[Domain, Preparation] = {}
    for domain in DOMAINS:
        settings: dict[str, Any] = run_settings(trained.path, domain)
        name, size = settings.get("name"), settings.get("size")
        if not name or not size:
            raise ValueError(
                f"{trained.path} does not lie in a run's folder whose config.yaml says how images are prepared; give "
                "the run's folder, or the file that `hybrid-sbir export` made of it"
            )
        strokes = pen_of_run(trained.path, int(size)) if domain == "sketch" else None
        found[domain] = Preparation(str(name), int(size), channels, strokes)
    return found


def pen_of_run(file: Path, size: int) -> dict[str, float] | None:
    """Return how a run drew the strokes that it was trained on; None if it was trained on images.

    Args:
        file: the run's checkpoint, in the folder ``checkpoints`` beside config.yaml.
        size: S.
    """
    data = (yaml.safe_load((file.parent.parent / "config.yaml").read_text()) or {}).get("data") or {}
    options = data.get("init_args") or {}
    sketches = options.get("sketches") or options.get("images") or data
    if str(sketches.get("class_path")).rpartition(".")[2] != "QuickDraw":
        return None
    own = sketches.get("init_args") or {}
    if _are_bitmaps(Path(own.get("root") or "data") / (own.get("name") or "quickdraw") / "manifest.json"):
        return None
    # As the data modules draw: a retrieval at the side that it packs with, anything else at what evaluation scales to.
    packed = options.get("pack_side") if "sketches" in options else None
    side = packed or CentreView.proportional(size).shorter_side
    return {"size": int(side), "stroke_width": own.get("stroke_width", 0.02), "padding": own.get("padding", 0.04)}


def _are_bitmaps(manifest: Path) -> bool:
    """Whether the prepared set holds bitmaps; of a set that is not at hand strokes are assumed."""
    try:
        return json.loads(manifest.read_bytes()).get("kind") == "bitmaps"
    except (OSError, ValueError, AttributeError):
        return False
