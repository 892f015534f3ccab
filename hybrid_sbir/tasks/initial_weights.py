"""Starting a model from the weights of earlier stages; nothing is matched by chance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from hybrid_sbir.checkpoint_io import read_checkpoint
from hybrid_sbir.models import Backbone, Classifier
from hybrid_sbir.models.branch_weights import SharedFrom, load_branches, load_stage
from hybrid_sbir.models.checkpoints import CheckpointError, as_state, read_state
from hybrid_sbir.models.external import ExternalBackbone
from hybrid_sbir.models.external_weights import is_of_library, translate
from hybrid_sbir.models.two_branch import TwoBranch
from hybrid_sbir.models.weights import load_published, load_strictly
from hybrid_sbir.tasks.restoring import BRANCHES_KEY, KEY, check_same_plan

_TASK_PREFIX = "model."
_HEAD_PREFIX = "head."


def load_initial_weights(model: Classifier, path: str | Path, head: bool) -> str:
    """Copy the weights in a file into ``model``.

    Args:
        model: the classifier to fill.
        path: a run's .ckpt, a .safetensors of this package, or a published .pth / .npz; for a model of torchvision or
            timm also that library's file of weights.
        head: whether to take the head too; without it the head keeps its own initial weights, and the numbers of
            classes may differ.

    Returns:
        A line that says what was loaded, skipped and left as it was.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a tensor is missing, left over or of another shape; the message lists which, and nothing of the
            model was changed.
    """
    state, notes = _own_names(Path(path), model.backbone)
    skipped = sorted(name for name in state if name.startswith(_HEAD_PREFIX)) if not head else []
    taken = {name: tensor for name, tensor in state.items() if name not in skipped}
    kept = {} if head else {n: t for n, t in model.state_dict().items() if n.startswith(_HEAD_PREFIX)}
    try:
        load_strictly(model, taken | kept)
    except CheckpointError as error:
        advice = "; to leave out the head: --model.init_args.init_head false" if head else ""
        raise CheckpointError(f"cannot start from {path}: {error}{advice}") from error
    start = f"; skipped {', '.join(skipped) or 'nothing'}; starting afresh: {', '.join(kept)}" if not head else ""
    return "; ".join([f"initial weights from {path}: loaded {len(taken)} of {len(state)} tensors{start}", *notes])


def start_branches(model: TwoBranch, sketch: str | Path, photo: str | Path, shared_from: SharedFrom) -> str:
    """Start two branches from stage 1's classifiers, as :func:`hybrid_sbir.models.branch_weights.load_branches`.

    Returns:
        A line that says what was loaded, skipped and left as it was.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if a tensor is missing, left over or of another shape; nothing of the model was changed.
    """
    backbone = {part: plan for part, plan in model.plan().items() if part in ("spec", "options")}
    for path in (sketch, photo):
        if (described := _described(Path(path), KEY)) is not None:
            _compare(path, backbone, described["plan"])
    (of_sketch, notes), (of_photo, more) = (_own_names(Path(path), model.sketch) for path in (sketch, photo))
    account = load_branches(model, of_sketch, of_photo, shared_from)
    start = f"initial weights of sketches from {sketch}, of photos from {photo}, shared from {shared_from}: {account}"
    return "; ".join(dict.fromkeys([start, *notes, *more]))


def start_stage(model: TwoBranch, path: str | Path, classifier: bool, classes: Sequence[str] = ()) -> str:
    """Start a stage from the .ckpt of the stage before.

    Args:
        model: what to fill.
        path: a run's .ckpt.
        classifier: whether to take the layer of class scores too.
        classes: names of the data's classes, which must then be those of the file.

    Returns:
        A line that says what was loaded, skipped and left as it was.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if a tensor is missing, left over or of another shape, the file's model was built otherwise, or
            its class scores are of other classes; nothing of the model was changed.
    """
    if (described := _described(Path(path), BRANCHES_KEY)) is not None:
        _compare(path, model.plan(), described["plan"])
        if classifier and classes and list(classes) != list(described["classes"]):
            raise CheckpointError(
                f"cannot start from {path}: its class scores are of {_some(described['classes'])}, the data has "
                f"{_some(classes)}; leave it out: --model.init_args.init_classifier false"
            )
    state = _state(Path(path))
    own = {n.removeprefix(_TASK_PREFIX): t for n, t in state.items() if n.startswith(_TASK_PREFIX)}
    try:
        return f"initial weights from {path}: {load_stage(model, own or state, classifier)}"
    except CheckpointError as error:
        advice = "; to leave out the class scores' layer: --model.init_args.init_classifier false" if classifier else ""
        raise CheckpointError(f"cannot start from {path}: {error}{advice}") from error


def classes_in(path: str | Path) -> tuple[str, ...]:
    """Return the names of all classes that the weights in a run's .ckpt were ever trained on; () where it has none."""
    for key in (KEY, BRANCHES_KEY):
        described = _described(Path(path), key)
        if described is not None:
            return tuple(dict.fromkeys([*described["classes"], *described.get("trained_on", ())]))
    return ()


def _described(path: Path, key: str) -> dict[str, Any] | None:
    """What a checkpoint says about its model, if it does."""
    return read_checkpoint(path).get(key) if path.suffix == ".ckpt" and path.is_file() else None


def _some(names: Sequence[str], most: int = 5) -> str:
    return f"{', '.join(names[:most])}{', ...' if len(names) > most else ''} ({len(names)} classes)"


def _compare(path: str | Path, own: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    try:
        check_same_plan(own, stored)
    except ValueError as error:
        raise CheckpointError(f"cannot start from {path}: {error}") from error


def _own_names(path: Path, backbone: Backbone) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
    """A file's tensors under the names that :class:`Classifier` gives them, and what must be said of them."""
    state = _state(path)
    if all(name.startswith(_TASK_PREFIX) for name in state):
        state = {name.removeprefix(_TASK_PREFIX): tensor for name, tensor in state.items()}
    if isinstance(backbone, ExternalBackbone) and is_of_library(state):
        return translate(backbone, state, path.name)
    return (state if f"{_HEAD_PREFIX}weight" in state else load_published(state).state_dict()), ()


def _state(path: Path) -> Mapping[str, Tensor]:
    """A file's tensors by their names in it; a .ckpt is checked for damage."""
    if path.suffix == ".ckpt" and path.is_file():
        return as_state(read_checkpoint(path), path.name)
    return read_state(path)
