"""Names of runs: what one that was given no name is called, and which names lead nowhere else."""

from pathlib import Path

from jsonargparse import Namespace


def inside(name: str) -> str:
    """Return a name that stays in the folder of all runs.

    Raises:
        ValueError: if it leads out of it, or is that folder.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts or not Path(name).parts:
        raise ValueError(f"--name is '{name}'; give a folder's name, or a path below --runs without '..'")
    return name


def default_name(config: Namespace) -> str:
    """Make a name from the data's class and the model's backbone and activation; without these, from its class."""
    settings = config.model.init_args
    backbone = settings.get("backbone", config.model.class_path.rpartition(".")[2].lower())
    words = [config.data.class_path.rsplit(".", 1)[-1].lower(), backbone if isinstance(backbone, str) else "custom"]
    return "_".join([*words, *([settings.activation] if "activation" in settings else [])])
