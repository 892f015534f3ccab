"""A trained model of either kind from a file, and how its run prepared images.

Shapes: S side of what the model is given.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from torch import Tensor, nn

from hybrid_sbir.data.transforms import Transform, preset
from hybrid_sbir.models import Classifier, TwoBranch
from hybrid_sbir.models.backbone import Backbone
from hybrid_sbir.models.checkpoints import as_state
from hybrid_sbir.models.two_branch import Domain
from hybrid_sbir.models.weights import load_strictly

_TASK_PREFIX = "model."


class TrainedModel(NamedTuple):
    """A model and where it comes from.

    Attributes:
        model: a Classifier or a TwoBranch, in evaluation mode.
        path: its file.
        classes: names of those it was trained on; empty where the file does not say.
    """

    model: nn.Module
    path: Path
    classes: tuple[str, ...] = ()


def load_model(path: Path) -> TrainedModel:
    """Build the model in a file, whether a classifier or two branches.

    Args:
        path: a run's folder (its best checkpoint, else its last) or .ckpt; of classifiers also a .safetensors of this
            package or a published .pth / .npz.

    Raises:
        FileNotFoundError: if there is no such file, or no checkpoint in the folder.
        OSError, ValueError: if the file is damaged or holds no model.
    """
    # What reads checkpoints imports lightning, which takes seconds; who searches with a published model needs neither.
    from hybrid_sbir.checkpoint_io import read_checkpoint
    from hybrid_sbir.tasks.restoring import BRANCHES_KEY
    from hybrid_sbir.tasks.trained_classifier import load_trained

    file = _best_in(path)
    if file.suffix == ".ckpt" and file.is_file():
        checkpoint = read_checkpoint(file)
        if BRANCHES_KEY in checkpoint:
            return _branches(checkpoint[BRANCHES_KEY], as_state(checkpoint, file.name), file)
    trained = load_trained(file)
    return TrainedModel(trained.model, trained.path, trained.classes)


def backbone_of(model: nn.Module, domain: Domain = "sketch") -> Backbone:
    """Return the backbone in a model; of two branches that of ``domain``.

    Raises:
        ValueError: if it is another kind of model.
    """
    if isinstance(model, TwoBranch):
        return model.branch(domain)
    inner = model.backbone if isinstance(model, Classifier) else model
    if not isinstance(inner, Backbone):
        raise ValueError(f"a {type(inner).__name__} has no stages to look into; give a Backbone, Classifier, TwoBranch")
    return inner


def run_name(file: Path) -> str:
    """Return how a picture calls a model: a checkpoint by its run's folder, another file by its own name."""
    if file.parent.name != "checkpoints":
        return file.name
    run = file.resolve().parent.parent
    return f"{run.parent.name}/{run.name}" if run.name.startswith("stage") else run.name


def _best_in(path: Path) -> Path:
    names = (path / "checkpoints" / name for name in ("best.ckpt", "last.ckpt"))
    return next((file for file in names if file.is_file()), path)


def _branches(described: Mapping[str, Any], state: Mapping[str, Tensor], file: Path) -> TrainedModel:
    model = TwoBranch.of(described["plan"])
    own = {name.removeprefix(_TASK_PREFIX): value for name, value in state.items() if name.startswith(_TASK_PREFIX)}
    load_strictly(model, own)
    return TrainedModel(model.eval(), file, tuple(described.get("classes") or ()))


def eval_transform(
    file: Path, channels: int, domain: Domain, name: str | None = None, size: int | None = None
) -> Transform:
    """Return what a run does to an image before its model is evaluated on it.

    Args:
        file: the run's checkpoint, in the folder ``checkpoints`` beside config.yaml.
        channels: of the model's input.
        domain: sketch or photo, of two branches.
        name: a preset instead of the run's.
        size: S instead of the run's.

    Raises:
        ValueError: if neither the run nor the arguments say it, or no preset gives so many channels.
    """
    used = run_settings(file, domain) if name is None or size is None else {}
    name, size = name or used.get("name"), size or used.get("size")
    if name is None or size is None:
        raise ValueError(
            f"{file} does not lie in a run's folder with a config.yaml that says how images are prepared; give "
            "--transform (such as sketch_square_eval, photo_eval, classification_eval) and --size (224 as published)"
        )
    return preset(name, size, channels)


def run_settings(file: Path, domain: Domain) -> dict[str, Any]:
    """Return name and size of the evaluation's preset, as far as the config.yaml of a checkpoint's run says them.

    Raises:
        ValueError: if that file is damaged.
    """
    config = file.parent.parent / "config.yaml"
    if not config.is_file():
        return {}
    try:
        data = yaml.safe_load(config.read_text())["data"]["init_args"]
        return {"name": data.get("eval_transform") or data.get(f"{domain}_eval"), "size": data.get("size")}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"{config} is damaged ({problem!r}); give --transform and --size") from problem
