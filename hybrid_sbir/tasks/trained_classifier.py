"""A trained classifier from a file, built as the file says: no setting of the backbone is asked for again."""

from pathlib import Path
from typing import NamedTuple

from hybrid_sbir.checkpoint_io import read_checkpoint
from hybrid_sbir.models import Classifier, load_classifier, load_published
from hybrid_sbir.models.checkpoints import CheckpointError, as_state, read_state
from hybrid_sbir.models.weights import load_strictly
from hybrid_sbir.tasks.restoring import KEY

_TASK_PREFIX = "model."


class Trained(NamedTuple):
    """A classifier and where it comes from.

    Attributes:
        model: in evaluation mode.
        classes: names of those it was trained on; empty where the file does not say.
        path: the file.
    """

    model: Classifier
    classes: tuple[str, ...]
    path: Path


def load_trained(path: str | Path) -> Trained:
    """Build the classifier in a file.

    Args:
        path: a run's .ckpt or its folder (then the best checkpoint, else the last), a .safetensors of this package, or
            a published .pth / .npz.

    Raises:
        FileNotFoundError: if there is no such file, or no checkpoint in the folder.
        ValueError: if the file is damaged or holds no classifier.
    """
    path = _in_folder(Path(path))
    if path.suffix == ".ckpt" and path.is_file():
        return _of_run(path)
    if path.suffix == ".safetensors" and "head.weight" in read_state(path):
        return Trained(load_classifier(path), (), path)
    return Trained(load_published(path), (), path)


def _in_folder(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = [path / "checkpoints" / f"{name}.ckpt" for name in ("best", "last")]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no checkpoint of a run in {path}: neither {files[0]} nor {files[1].name} is there")
    return found


def _of_run(path: Path) -> Trained:
    checkpoint = read_checkpoint(path)
    if KEY not in checkpoint:
        kinds = ", ".join(sorted(set(checkpoint) - {"state_dict"})[:6])
        raise CheckpointError(
            f"{path} does not say which classifier it holds (it has {kinds}); give a checkpoint of a "
            "ClassificationTask, a .safetensors of this package, or a published .pth"
        )
    described = checkpoint[KEY]
    model = Classifier.of(described["plan"])
    state = as_state(checkpoint, path.name)
    load_strictly(model, {name.removeprefix(_TASK_PREFIX): tensor for name, tensor in state.items()})
    return Trained(model.eval(), tuple(described["classes"]), path)
