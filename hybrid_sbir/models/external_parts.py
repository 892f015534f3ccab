"""A model of another library taken apart: an entry, a chain of modules, an ending; and the chain grouped into stages.

Shapes: N batch, C channels, H, W size, L tokens, D features.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import torch
from torch import Tensor, nn

_STAGES = 4  # of a model whose map never shrinks
_STEMS = re.compile(r"(stem|patch_embed|conv_stem|conv1|conv_proj|layer0|base_layer|pos_|norm_pre)")


@dataclass
class Parts:
    """What a model is made of.

    Attributes:
        entry: from an image to what the chain takes; identity where the chain takes the image.
        chain: modules by their names in the library; each takes what the one before gave, and nothing else.
        ending: from the last map to features (N, D), as the library's classifier takes them.
        channels_last: whether maps are (N, H, W, C).
        prefix: tokens that stand before those of the map, such as the class token.
        whole: why the model stays in one piece; empty where it does not.
        classifiers: what the names of the library's classifiers begin with: the last layer first, then auxiliary ones.
        default_size: side in pixels of the images that the library gives the model.
        names: identity of the tensor behind every name in the library; taken before anything is moved.
    """

    entry: nn.Module
    chain: list[tuple[str, nn.Module]]
    ending: nn.Module
    channels_last: bool = False
    prefix: int = 0
    whole: str = ""
    classifiers: tuple[str, ...] = ()
    default_size: int = 224
    names: dict[str, int] = field(default_factory=dict)


class Whole(nn.Module):
    """A model with its own way from an image to features (N, D); the one stage of what cannot be taken apart.

    Args:
        body: of the library.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to features (N, D)."""
        return self.body(x)


def tensors_by_name(body: nn.Module) -> dict[str, int]:
    """Return the identity of the tensor behind every name in the state of ``body``; some have two names."""
    return {name: id(value) for name, value in body.state_dict(keep_vars=True).items()}


def group(parts: Parts, image: Tensor) -> tuple[nn.Sequential, list[nn.Sequential]]:
    """Group the chain into a stem and stages; a stage begins with the module that shrinks the map.

    A model whose map keeps its size after the stem is divided evenly into four.

    Args:
        parts: the model; in evaluation mode.
        image: a small batch, (N, C, H, W), that the model takes.

    Returns:
        The stem, the entry included, and the stages.
    """
    sizes, x = [], parts.entry(image)
    before = _positions(x, parts)
    for _, module in parts.chain:
        x = module(x)
        sizes.append(_positions(x, parts))
    shrinks = [size < last for size, last in zip(sizes, [before, *sizes], strict=False)]
    first = _first_of_stages(parts.chain, shrinks)
    stem = nn.Sequential(parts.entry, *(module for _, module in parts.chain[:first]))
    rest = [module for _, module in parts.chain[first:]]
    groups = _by_size(rest, shrinks[first:])
    if len(groups) == 1 and not any(shrinks[first + 1 :]):
        groups = _evenly(rest)
    return stem, [nn.Sequential(*modules) for modules in groups]


def as_map(x: Tensor, parts: Parts, height: int, width: int) -> Tensor:
    """Return what a stage gives as a map (N, C, h, w); of tokens that are no grid, as a column.

    Args:
        x: (N, C, h, w), (N, h, w, C), (N, L, C) or (N, C).
        parts: tells the layout.
        height: of the image, pixels.
        width: of the image, pixels.
    """
    if x.ndim == 4:
        return x.permute(0, 3, 1, 2) if parts.channels_last else x
    if x.ndim == 2:
        return x[:, :, None, None]
    tokens = x[:, parts.prefix :] if x.shape[1] > parts.prefix else x
    count = tokens.shape[1]
    rows = max(1, round((count * height / width) ** 0.5))
    rows = rows if count % rows == 0 else count
    return tokens.transpose(1, 2).unflatten(2, (rows, count // rows))


def _positions(x: Tensor, parts: Parts) -> int:
    """Number of positions of a map or of tokens."""
    if x.ndim == 4:
        return x[0, ..., 0].numel() if parts.channels_last else x[0, 0].numel()
    return x.shape[1] if x.ndim == 3 else 1


def _first_of_stages(chain: Sequence[tuple[str, nn.Module]], shrinks: Sequence[bool]) -> int:
    """Number of the modules that belong to the stem: layers before the first block of layers."""
    leading = len(list(takewhile(lambda item: _STEMS.match(item[0]) or not _is_block(item[1]), chain)))
    if leading < len(chain):
        return leading
    # Layers alone, as VGG's: the stem ends where the map first shrinks after a layer with weights.
    weighted = [any(True for _ in module.parameters()) for _, module in chain]
    return next((i for i in range(1, len(chain)) if shrinks[i] and any(weighted[:i])), 0)


def _is_block(module: nn.Module) -> bool:
    """Whether a module holds layers of layers, or several with weights."""
    if any(any(True for _ in child.children()) for child in module.children()):
        return True
    return sum(any(p.ndim > 1 for p in child.parameters()) for child in module.children()) > 1


def _by_size(modules: Sequence[nn.Module], shrinks: Sequence[bool]) -> list[list[nn.Module]]:
    groups: list[list[nn.Module]] = []
    for module, starts in zip(modules, shrinks, strict=True):
        if starts or not groups:
            groups.append([])
        groups[-1].append(module)
    kept: list[list[nn.Module]] = []
    for modules_of in groups:  # pooling alone is no stage
        if kept and not any(True for module in modules_of for _ in module.parameters()):
            kept[-1] += modules_of
        else:
            kept.append(modules_of)
    return kept


def _evenly(modules: Sequence[nn.Module]) -> list[list[nn.Module]]:
    """Blocks in four groups of about the same number; what is no block (a norm) stays with the last before it."""
    blocks = [i for i, module in enumerate(modules) if _is_block(module)]
    if len(blocks) < _STAGES:
        return [list(modules)]
    starts = [blocks[len(blocks) * i // _STAGES] for i in range(_STAGES)]
    starts[0] = 0
    return [list(modules[a:b]) for a, b in zip(starts, [*starts[1:], len(modules)], strict=True)]


@torch.no_grad()
def agrees(stem: nn.Module, stages: Sequence[nn.Module], ending: nn.Module, image: Tensor, wanted: Tensor) -> bool:
    """Whether the parts, one after the other, give the library's own features of an image."""
    try:
        x = stem(image)
        for stage in stages:
            x = stage(x)
        found = ending(x)
    except Exception:  # whatever a foreign model raises, it cannot be taken apart so
        return False
    return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-5, atol=1e-6)
