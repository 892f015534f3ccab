"""Weights of torchvision's and timm's files in the backbones made of their models; every tensor is accounted for.

A file is read as it lies (``weights_only``), under the names of its library. What does not fit as it is, is changed in
ways that are said: kernels for three channels are summed for one, positions are resampled for another size of image.

Shapes: D features, K classes, L positions.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hybrid_sbir.models.checkpoints import CheckpointError, State, read_state
from hybrid_sbir.models.external import ExternalBackbone
from hybrid_sbir.models.external_spec import ExternalSpec
from hybrid_sbir.models.timm_backbone import timm_preparation
from hybrid_sbir.models.weights import load_strictly

_BODY, _HEAD = "backbone.", "head."
_COUNTER = "num_batches_tracked"
# Names that torchvision and timm read too: of files older than the names of today, and of constants once stored.
_RENAMED = (
    (re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"^(encoder\.layers\.\w+\.mlp)\.linear_1\."), r"\1.0."),
    (re.compile(r"^(encoder\.layers\.\w+\.mlp)\.linear_2\."), r"\1.3."),
)
Preparation = tuple[tuple[float, ...], tuple[float, ...]]  # mean and deviation of images, by channel
_CONSTANTS = ("relative_position_index", "attn_mask", "relative_coords_table")
_TRAINED_ON_HALVES = ("googlenet", "inception_v3")  # torchvision's, ported from TensorFlow
_IMAGENET: Preparation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES: Preparation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Translated(NamedTuple):
    """A library's tensors under the names that :class:`~hybrid_sbir.models.classifier.Classifier` gives them.

    Attributes:
        state: ``backbone.*``, and ``head.weight`` (K, D) and ``head.bias`` where the library's classifier is one layer.
        notes: what was changed, left out or must be known, in words.
    """

    state: State
    notes: tuple[str, ...]


def is_of_library(state: Mapping[str, Tensor]) -> bool:
    """Whether the names are a library's, and not of this package's classifiers or branches."""
    return not any(name.startswith((_BODY, "sketch.", "photo.")) for name in state)


def translate(backbone: ExternalBackbone, state: Mapping[str, Tensor], source: str = "the file") -> Translated:
    """Give a library's tensors the names they have here.

    Args:
        backbone: whose weights they are.
        state: under the library's names.
        source: what to call it in messages.

    Raises:
        CheckpointError: if a tensor is missing or left over, or a shape differs; the message lists which.
    """
    notes: list[str] = []
    theirs = {_renamed(name): value for name, value in state.items()}
    heads = {n for n in theirs if n.startswith(tuple(f"{each}." for each in backbone.classifiers))}
    body = {n: v for n, v in theirs.items() if n not in heads and not n.endswith(_CONSTANTS)}
    _account(backbone, body, source)
    own = backbone.state_dict()
    taken: State = {}
    for name, value in body.items():
        for here in backbone.library_names[name]:
            taken[_BODY + here] = _fitted(name, value, own[here].shape, backbone, notes)
    if unneeded := sorted(n for n in body if not backbone.library_names[n]):
        notes.append(f"left out {_listed(unneeded)}, which no feature depends on")
    head = _head(backbone, theirs)
    if rest := sorted(heads - {n for n in heads if head and n.startswith(f"{backbone.classifiers[0]}.")}):
        notes.append(f"left out the library's classifier {_listed(rest)}")
    notes += _preparation(backbone.spec)
    return Translated(taken | head, tuple(dict.fromkeys(notes)))


def load_library_weights(backbone: ExternalBackbone, path: str | Path) -> str:
    """Copy a library's file of weights into a backbone, all of it or nothing.

    Args:
        backbone: what to fill.
        path: torchvision's .pth, timm's .safetensors or .pth.

    Returns:
        A line that says what was loaded, changed and left out.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is damaged, or holds another model.
    """
    state, notes = translate(backbone, read_state(path), Path(path).name)
    own = {name.removeprefix(_BODY): value for name, value in state.items() if name.startswith(_BODY)}
    load_strictly(backbone, own)
    return "; ".join([f"{backbone.spec} from {path}: loaded {len(own)} tensors", *notes])


def _preparation(spec: ExternalSpec) -> list[str]:
    """Say what the library's own weights expect of images, where it is not ImageNet's mean and deviation."""
    expected: Preparation = _HALVES if spec.model in _TRAINED_ON_HALVES else _IMAGENET
    if spec.library == "timm":
        expected = timm_preparation(spec.model) or _IMAGENET
    if expected == _IMAGENET:
        return []
    mean, deviation = (", ".join(f"{each:g}" for each in part) for part in expected)
    return [f"{spec.library}'s own weights of it were trained on images of mean {mean} and deviation {deviation}"]


def _renamed(name: str) -> str:
    for pattern, new in _RENAMED:
        name = pattern.sub(new, name)
    return name


def _account(backbone: ExternalBackbone, body: State, source: str) -> None:
    known = backbone.library_names
    given = {here for name in body for here in known.get(name, ())}
    missing = sorted(n for n, here in known.items() if {*here} - given and not n.endswith((_COUNTER, *_CONSTANTS)))
    left_over = sorted(set(body) - known.keys())
    if missing or left_over:
        raise CheckpointError(
            f"{source} holds no weights of {backbone.spec}: missing {_listed(missing)}; left over {_listed(left_over)}"
        )


def _fitted(name: str, value: Tensor, shape: torch.Size, backbone: ExternalBackbone, notes: list[str]) -> Tensor:
    """A tensor in the shape it must have here."""
    if value.shape == shape:
        return value
    one_channel = value.ndim == 4 and value.shape[1] == 3 and shape == (value.shape[0], 1, *value.shape[2:])
    if one_channel and backbone.in_channels == 1:
        notes.append(f"{name}: the kernels of the three channels were summed for one")
        return value.sum(1, keepdim=True)
    positions = value.ndim == 3 == len(shape) and "pos_embed" in name and value.shape[2] == shape[2]
    resampled = _positions(value, shape[1]) if positions else None
    if resampled is not None:
        notes.append(f"{name}: {value.shape[1]} positions were resampled to {shape[1]}")
        return resampled
    raise CheckpointError(f"'{name}' is {tuple(value.shape)} in the file and must be {tuple(shape)} in {backbone.spec}")


def _positions(value: Tensor, length: int) -> Tensor | None:
    """Positions (1, L, D) for another square map, by bicubic interpolation; tokens before the map stay."""
    for prefix in range(6):
        before, after = ((count - prefix) ** 0.5 for count in (value.shape[1], length))
        if before == int(before) and after == int(after) and after > 0:
            grid = value[:, prefix:].float().transpose(1, 2).unflatten(2, (int(before), int(before)))
            grid = F.interpolate(grid, size=(int(after), int(after)), mode="bicubic", antialias=True)
            return torch.cat([value[:, :prefix], grid.flatten(2).transpose(1, 2).to(value.dtype)], dim=1)
    return None


def _head(backbone: ExternalBackbone, theirs: State) -> State:
    """The library's classifier as the head here, where it is one linear layer on the features."""
    if not backbone.classifiers:
        return {}
    weight, bias = (theirs.get(f"{backbone.classifiers[0]}.{part}") for part in ("weight", "bias"))
    if weight is None or bias is None or weight.ndim != 2 or weight.shape[1] != backbone.num_features:
        return {}
    return {f"{_HEAD}weight": weight, f"{_HEAD}bias": bias}


def _listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) + more) if names else "nothing"
