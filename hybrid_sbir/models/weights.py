"""Classifiers in and out of files, strictly: every tensor is accounted for by an explicit name."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hybrid_sbir.durable import write_durably
from hybrid_sbir.models.checkpoints import CheckpointError, State, as_state, read_state
from hybrid_sbir.models.classifier import Classifier
from hybrid_sbir.models.published import has_published_names, published_names
from hybrid_sbir.models.registry import backbone_spec, create_backbone, list_backbones
from hybrid_sbir.models.stage import Activation, StageSpec

_FORMAT = "hybrid_sbir.classifier.1"
_COUNTER = "num_batches_tracked"  # batch norm's own counter; absent from files of before PyTorch 0.4.1


def load_published(source: str | Path | Mapping[str, Tensor], variant: str | None = None) -> Classifier:
    """Build the classifier that a published checkpoint holds.

    Args:
        source: a file (.pth, .npz, .safetensors) or a state dict, with the published names (``stem``, ``backbone``,
            ``fc``).
        variant: a name of :func:`list_backbones`, with ``:pre`` or ``:post`` to fix the order too; read from the
            tensors' names where it is not given. Widths, channels and classes are always read from the tensors.

    Returns:
        The classifier, in evaluation mode.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if a tensor is missing, left over, or of the wrong shape; the message lists which.
    """
    state = read_state(source) if isinstance(source, str | Path) else as_state(source)
    name, activation = _recognise(state, variant)
    names = _published_names(name, activation)
    _account(name, activation, set(names.values()), state)
    widths = [_size(state, names[_width_giver(i, spec)]) for i, spec in enumerate(backbone_spec(name).stages)]
    stem = names["backbone.stem.conv.weight"]
    options = {"in_channels": _size(state, stem, 1), "widths": widths, "stem_width": _size(state, stem)}
    ours = {name: state[theirs] for name, theirs in names.items() if theirs in state}
    with _not_fitting(), torch.device("meta"):  # nothing of the size that a file claims is allocated before it fits
        plan = Classifier(create_backbone(name, activation=activation, **options), _size(state, "fc.weight"))
        check_fits(plan, ours)
    model = Classifier(create_backbone(name, activation=activation, **options), plan.num_classes)
    load_strictly(model, ours)
    return model.eval()


def _size(state: State, name: str, axis: int = 0) -> int:
    """Length of an axis of a tensor that has one."""
    if state[name].ndim <= axis:
        raise CheckpointError(f"'{name}' is {tuple(state[name].shape)}; a weight of at least {axis + 1} axes is needed")
    return state[name].shape[axis]


@contextmanager
def _not_fitting() -> Iterator[None]:
    """Say of what a file describes and no backbone can be, that the file is at fault."""
    try:
        yield
    except CheckpointError:
        raise
    except (ValueError, TypeError, KeyError) as e:
        raise CheckpointError(f"the checkpoint describes no backbone of this package: {e}") from e


def _width_giver(index: int, spec: StageSpec) -> str:
    """Our name of a tensor whose first axis is the stage's width."""
    tensor = "transition.conv.weight" if spec.has_transition else "blocks.0.conv3.weight"
    return f"backbone.stages.{index}.{tensor}"


def _recognise(state: State, variant: str | None) -> tuple[str, Activation]:
    """The variant whose published names come nearest to the state's; which must then match exactly."""
    name, _, order = (variant or "").partition(":")
    if name:
        spec = backbone_spec(name)  # an unknown name is refused with the nearest known ones
        if not spec.stages or not has_published_names(spec):
            raise CheckpointError(f"variant '{name}' is none of the thesis's; its code published no weights of it")
    orders: tuple[Activation, ...] = ("pre", "post")
    if order and order not in orders:
        raise CheckpointError(f"variant '{variant}': after the colon stands pre or post")
    names = [name] if name else [n for n in list_backbones() if has_published_names(backbone_spec(n))]
    candidates = [(n, o) for n in names for o in orders if not order or o == order]
    present = {key for key in state if not key.endswith(_COUNTER)}

    def distance(candidate: tuple[str, Activation]) -> int:
        return len({key for key in _published_names(*candidate).values() if not key.endswith(_COUNTER)} ^ present)

    return min(candidates, key=distance)


@cache
def _published_names(name: str, activation: Activation) -> dict[str, str]:
    """Our name -> published name for a registered variant."""
    with torch.device("meta"):
        return published_names(create_backbone(name, activation=activation))


def _account(name: str, activation: str, expected: Iterable[str], state: State) -> None:
    """Refuse a state that lacks a tensor or has one too many."""
    missing = sorted(key for key in set(expected) - state.keys() if not key.endswith(_COUNTER))
    left_over = sorted(state.keys() - set(expected))
    if missing or left_over:
        raise CheckpointError(
            f"the checkpoint is not a {name} ({activation}), the nearest known variant: "
            f"missing {_listed(missing)}; left over {_listed(left_over)}"
        )


def _listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) + more) if names else "nothing"


def load_strictly(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy ``state`` into ``module``, every tensor or none.

    Raises:
        CheckpointError: as :func:`check_fits`.
    """
    check_fits(module, state)
    module.load_state_dict({**module.state_dict(), **state})


def check_fits(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Refuse a state that is not exactly ``module``'s.

    Raises:
        CheckpointError: if a tensor is missing, left over, of another shape, or not finite; the message lists them.
    """
    own = module.state_dict()
    missing = sorted(key for key in own.keys() - state.keys() if not key.endswith(_COUNTER))
    left_over = sorted(state.keys() - own.keys())
    shapes = [
        f"{key} is {tuple(state[key].shape)} and must be {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if missing or left_over or shapes:
        raise CheckpointError(
            f"the checkpoint does not fit: missing {_listed(missing)}; left over {_listed(left_over)}; "
            f"wrong shapes: {_listed(shapes)}"
        )
    broken = [key for key, value in state.items() if not value.isfinite().all()]
    if broken:
        raise CheckpointError(f"the checkpoint holds NaN or infinity in {_listed(broken)}; take an earlier one")


def save_classifier(model: Classifier, path: str | Path) -> None:
    """Write a classifier to a .safetensors file, with what is needed to build it again; the file appears whole or not.

    Raises:
        CheckpointError: if the file's name does not end in .safetensors.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path.name}: a published classifier is a .safetensors file; name it so")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_durably(path, save(state, {"format": _FORMAT, "plan": json.dumps(model.plan())}))


def load_classifier(path: str | Path) -> Classifier:
    """Read a classifier that :func:`save_classifier` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is damaged, or not a classifier of this package.
    """
    state = read_state(path)
    with safe_open(str(path), "pt") as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{Path(path).name} is no classifier of this package; a published one: load_published")
    with _not_fitting():
        model = Classifier.of(json.loads(metadata["plan"]))
    load_strictly(model, state)
    return model.eval()


def convert(source: Path, out: Path, variant: str | None = None) -> None:
    """Turn a published checkpoint into a .safetensors file of this package.

    Args:
        source: the published file, .pth or .npz.
        out: the file to write, .safetensors; an existing one is replaced only once the new one is whole.
        variant: the backbone's name, as ``name`` or ``name:pre`` / ``name:post``; read from the file where not given.
    """
    model = load_published(source, variant)
    save_classifier(model, out)
    backbone = model.backbone
    count = sum(p.numel() for p in model.parameters())
    print(
        f"{out}: {len(backbone.stages)} stages of widths {', '.join(map(str, backbone.stage_widths))}, "
        f"{backbone.activation}-activation, {model.num_classes} classes, {count:,} parameters"
    )
