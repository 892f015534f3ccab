"""Any classification model of timm, taken apart where its own forward pass shows how.

The model runs once with hooks: modules of which each takes exactly the tensor that the one before returned, up to the
end of ``forward_features``, are a chain that can be cut anywhere. What comes before it (patches, positions, a class
token) runs as the library wrote it, with the chain left out.
"""

import copy
from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hybrid_sbir.models.external_parts import Parts, Whole, tensors_by_name

_ENOUGH = 2 / 3  # of the parameters before the head must lie in the chain, or its stages would not be the model's
_CONTAINERS = (nn.Sequential, nn.ModuleList)


class _Features(nn.Module):
    """A model's own ``forward_features``."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body: Any = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body.forward_features(x)


class _Head(nn.Module):
    """A model's own way from its features to the classifier's input, (N, D)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body: Any = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body.forward_head(x, pre_logits=True)


def timm_models() -> list[str]:
    """Return the names of timm's models.

    Raises:
        ValueError: if timm is not installed; names the extra.
    """
    return _timm().list_models()


def timm_preparation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the mean and deviation of the images that timm's weights of a model were trained on, where it says so."""
    about = _timm().get_pretrained_cfg(name)
    return None if about is None else (tuple(about.mean), tuple(about.std))


def build_timm(name: str, in_channels: int, img_size: int | None) -> nn.Module:
    """Build a model of timm without its classifier, with random weights; nothing is fetched.

    Args:
        name: of :func:`timm_models`, with or without a tag (``resnet50.a1_in1k``).
        in_channels: channels of the image.
        img_size: side in pixels of the images, for models that take one size only.

    Raises:
        ValueError: if there is no such model, timm is not installed, or the size does not fit it.
    """
    timm = _timm()
    known = timm.list_models()
    if name.partition(".")[0] not in known:
        near = get_close_matches(name.partition(".")[0], known, n=5) or [*known[:5], "..."]
        raise ValueError(f"timm has no model '{name}'; did you mean one of {', '.join(f'timm:{n}' for n in near)}?")
    sized = {} if img_size is None else {"img_size": img_size}
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, in_chans=in_channels, **sized)
    except Exception as error:  # each family refuses in its own way
        reason = str(error).partition("\n")[0]
        advice = " If it takes images of any size, leave the size out." if sized and "img_size" in reason else ""
        raise ValueError(
            f"timm's {name} cannot be built for {in_channels} channels"
            f"{f' and {img_size} x {img_size} pixels' if sized else ''}: {type(error).__name__}: {reason}.{advice}"
        ) from error


def take_timm_apart(body: Any, image: Tensor) -> Iterator[Parts]:
    """Yield ways to take a model of timm apart, the finest first; the last keeps it whole and always holds.

    Args:
        body: in evaluation mode, without a classifier.
        image: a small batch that the model takes, (N, C, H, W).
    """
    named = body.pretrained_cfg.get("classifier") or ()
    common: dict[str, Any] = {
        "channels_last": str(getattr(body, "output_fmt", "NCHW")).endswith("NHWC"),
        "prefix": int(getattr(body, "num_prefix_tokens", 0) or 0),
        "classifiers": (named,) if isinstance(named, str) else tuple(named),
        "names": tensors_by_name(body),
        "default_size": image.shape[-1],
    }
    calls, features = _calls(body, image)
    if isinstance(features, Tensor):
        own = {call.name for call in calls}
        after = {call.name for call in _calls(body, features, "forward_head")[0]} - own
        unused = {name for name, _ in _items(body)} - own - after
        chain, takes = _chain(calls, features)
        inside = {name for name, _ in chain}
        ending = _Head(_hollow(body, own | unused, bare=True))
        if _share(chain, body, after) >= _ENOUGH:
            entry = nn.Identity() if takes is image else _Features(_hollow(body, inside | after))
            yield Parts(entry, chain, ending, **common)
        why = "its blocks take more than the map of the block before"
        yield Parts(nn.Identity(), [("", _Features(_hollow(body, after)))], ending, whole=why, **common)
    why = "its forward pass has several paths"
    yield Parts(nn.Identity(), [("", Whole(body))], nn.Flatten(), whole=why, **common)


class _Call(NamedTuple):
    """One call of a module: with one tensor or with more (``takes`` is None then)."""

    name: str
    module: nn.Module
    takes: Tensor | None
    gives: Any


class _Pass(nn.Module):
    """Stands where a module of the chain stood."""

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        return x


def _items(body: nn.Module) -> list[tuple[str, nn.Module]]:
    """The model's modules, and in place of plain containers what they hold."""
    items: list[tuple[str, nn.Module]] = []
    for name, child in body.named_children():
        held = [(f"{name}.{key}", part) for key, part in child.named_children()]
        items += held if isinstance(child, _CONTAINERS) and held else [(name, child)]
    return items


@torch.no_grad()
def _calls(body: Any, x: Tensor, method: str = "forward_features") -> tuple[list[_Call], Any]:
    """The calls of the model's modules in their order, and the method's result."""
    calls: list[_Call] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], options: dict[str, Any], out: Any) -> None:
            alone = len(args) == 1 and isinstance(args[0], Tensor) and all(v is None for v in options.values())
            calls.append(_Call(name, module, args[0] if alone else None, out))

        return hook

    hooks = [module.register_forward_hook(note(name), with_kwargs=True) for name, module in _items(body)]
    try:
        options = {"pre_logits": True} if method == "forward_head" else {}
        return calls, getattr(body, method)(x, **options)
    finally:
        for hook in hooks:
            hook.remove()


def _chain(calls: list[_Call], end: Tensor) -> tuple[list[tuple[str, nn.Module]], Tensor]:
    """The longest run of calls up to ``end``, each with what the one before gave; and what its first one takes."""
    chain: list[tuple[str, nn.Module]] = []
    for call in reversed(calls):
        if call.gives is not end or call.takes is None or call.module in [module for _, module in chain]:
            break
        chain.insert(0, (call.name, call.module))
        end = call.takes
    return chain, end


def _share(chain: list[tuple[str, nn.Module]], body: nn.Module, after: Collection[str]) -> float:
    """Share of the model's parameters, those of its head (the modules ``after``) left out, that lie in the chain."""
    inside = sum(p.numel() for _, module in chain for p in module.parameters())
    head = sum(p.numel() for name, module in _items(body) if name in after for p in module.parameters())
    return inside / max(1, sum(p.numel() for p in body.parameters()) - head)


def _hollow(body: nn.Module, gone: Collection[str], bare: bool = False) -> nn.Module:
    """A shallow copy of a model without some of its modules; ``bare``: without parameters of its own too.

    What stays is the same modules and tensors, not copies of them.
    """
    copied = _copied(body, bare)
    for name, child in body.named_children():
        if name in gone:
            copied._modules[name] = _Pass()
        elif held := {key for key in child._modules if f"{name}.{key}" in gone}:
            copied._modules[name] = inner = _copied(child, False)
            for key in held:
                inner._modules[key] = _Pass()
    return copied


def _copied(module: nn.Module, bare: bool) -> nn.Module:
    copied = copy.copy(module)
    copied._modules = dict(module._modules)
    copied._parameters = dict.fromkeys(module._parameters) if bare else dict(module._parameters)
    copied._buffers = dict.fromkeys(module._buffers) if bare else dict(module._buffers)
    return copied


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ValueError("models of timm need the extra: pip install 'hybrid-sbir[timm]'") from error
    return timm
