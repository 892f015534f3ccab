"""Starting a model from the weights of earlier stages; nothing is matched by chance."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from hybrid_sbir.checkpoint_io import read_checkpoint
from hybrid_sbir.models import Classifier
from hybrid_sbir.models.branch_weights import SharedFrom, load_branches, load_stage
from hybrid_sbir.models.checkpoints import CheckpointError, as_state, read_state
from hybrid_sbir.models.two_branch import TwoBranch
from hybrid_sbir.models.weights import load_published, load_strictly

_TASK_PREFIX = "model."
_HEAD_PREFIX = "head."


def load_initial_weights(model: Classifier, path: str | Path, head: bool) -> str:
    """Copy the weights in a file into ``model``.

    Args:
        model: the classifier to fill.
        path: a run's .ckpt, a .safetensors of this package, or a published .pth / .npz.
        head: whether to take the head too; without it the head keeps its own initial weights, and the numbers of
            classes may differ.

    Returns:
        A line that says what was loaded, skipped and left as it was.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a tensor is missing, left over or of another shape; the message lists which, and nothing of the
            model was changed.
    """
    state = _own_names(Path(path))
    skipped = sorted(name for name in state if name.startswith(_HEAD_PREFIX)) if not head else []
    taken = {name: tensor for name, tensor in state.items() if name not in skipped}
    kept = {} if head else {n: t for n, t in model.state_dict().items() if n.startswith(_HEAD_PREFIX)}
    try:
        load_strictly(model, taken | kept)
    except CheckpointError as error:
        advice = "; to leave out the head: --model.init_args.init_head false" if head else ""
        raise CheckpointError(f"cannot start from {path}: {error}{advice}") from error
    start = f"; skipped {', '.join(skipped) or 'nothing'}; starting afresh: {', '.join(kept)}" if not head else ""
    return f"initial weights from {path}: loaded {len(taken)} of {len(state)} tensors{start}"


def start_branches(model: TwoBranch, sketch: str | Path, photo: str | Path, shared_from: SharedFrom) -> str:
    """Start two branches from stage 1's classifiers, as :func:`hybrid_sbir.models.branch_weights.load_branches`.

    Returns:
        A line that says what was loaded, skipped and left as it was.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if a tensor is missing, left over or of another shape; nothing of the model was changed.
    """
    account = load_branches(model, _own_names(Path(sketch)), _own_names(Path(photo)), shared_from)
    return f"initial weights of sketches from {sketch}, of photos from {photo}, shared from {shared_from}: {account}"


def start_stage(model: TwoBranch, path: str | Path, classifier: bool) -> str:
    """Start a stage from the .ckpt of the stage before.

    Args:
        model: what to fill.
        path: a run's .ckpt.
        classifier: whether to take the layer of class scores too.

    Returns:
        A line that says what was loaded, skipped and left as it was.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if a tensor is missing, left over or of another shape; nothing of the model was changed.
    """
    state = _state(Path(path))
    own = {n.removeprefix(_TASK_PREFIX): t for n, t in state.items() if n.startswith(_TASK_PREFIX)}
    try:
        return f"initial weights from {path}: {load_stage(model, own or state, classifier)}"
    except CheckpointError as error:
        advice = "; to leave out the class scores' layer: --model.init_args.init_classifier false" if classifier else ""
        raise CheckpointError(f"cannot start from {path}: {error}{advice}") from error


def _own_names(path: Path) -> Mapping[str, Tensor]:
    """A file's tensors under the names that :class:`Classifier` gives them."""
    state = _state(path)
    if all(name.startswith(_TASK_PREFIX) for name in state):
        return {name.removeprefix(_TASK_PREFIX): tensor for name, tensor in state.items()}
    return state if f"{_HEAD_PREFIX}weight" in state else load_published(state).state_dict()


def _state(path: Path) -> Mapping[str, Tensor]:
    """A file's tensors by their names in it; a .ckpt is checked for damage."""
    if path.suffix == ".ckpt" and path.is_file():
        return as_state(read_checkpoint(path), path.name)
    return read_state(path)
