"""Models that train nothing: they bring trained weights along (``init_from``), and only evaluate."""

from pydoc import locate
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningModule


def trains_anything(class_path: str) -> bool:
    """Whether the model is one that trains; others bring trained weights along (``init_from``)."""
    model: Any = locate(class_path)
    return model.configure_optimizers is not LightningModule.configure_optimizers


def check_untrained(verb: str, config: Namespace) -> None:
    """Refuse to train a model that only evaluates, or to read a checkpoint of its own."""
    name = config.model.class_path.rpartition(".")[2]
    if verb == "fit":
        raise ValueError(f"{name} trains nothing: validate, test or predict with it")
    if config.ckpt_path is not None:
        raise ValueError(
            f"--ckpt_path is '{config.ckpt_path}', but {name} trains nothing and has no checkpoints; name what it is "
            "made of: --model.init_args.init_from FILE_OR_RUN"
        )
