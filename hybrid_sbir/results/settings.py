"""How runs were trained, one value a dotted name, so that runs can be told apart by what matters to their scores."""

import re
from typing import Any

# What names a run or its row, or says only where and how fast it ran.
_UNCOUNTED = {"name", "runs", "overwrite", "seed_everything", "ckpt_path", "weights_only", "checkpoints.every_n_steps"}
_UNCOUNTED |= {"model.init_args.backbone", "model.init_args.activation"}
_UNCOUNTED |= {f"trainer.{name}" for name in ("accelerator", "logger", "profiler", "log_every_n_steps")}
_UNCOUNTED |= {
    f"trainer.{name}" for name in ("devices", "num_nodes", "strategy")
}  # processes are counted by the record
_UNCOUNTED |= {f"trainer.enable_{name}" for name in ("progress_bar", "model_summary", "checkpointing")}
_UNCOUNTED_ENDS = (".seed", ".root", ".pack", ".num_workers", ".augment_on")
_UNSEEN_CALLBACKS = ("logger", "progress", "summary", "timer", "monitor", "wandb")
_BATCH, _SYNCHRONISED, _GATHERED = "data.init_args.batch_size", "trainer.sync_batchnorm", "model.init_args.gather"
_SEED = re.compile(r"-seed\d+")


def settings(config: dict[str, Any], backbone: str = "", activation: str = "") -> dict[str, str]:
    """Flatten a configuration, without what names the run or its row or has no effect on its scores.

    Args:
        config: of a run.
        backbone: its own, which in paths of other runs it starts from is written BACKBONE; so is the seed.
        activation: likewise.

    Returns:
        Dotted name -> value in words; what is null is not set.
    """
    flat: dict[str, str] = {}
    for name, value in _leaves(config, ""):
        if name in _UNCOUNTED or name.endswith(_UNCOUNTED_ENDS):
            continue
        value = _effective(value) if name == "trainer.callbacks" else value
        if value is not None:
            flat[name] = _without_row(str(value), backbone, activation) if ".init_args.init_" in name else str(value)
    return flat


def of_all_processes(own: dict[str, str], processes: int) -> dict[str, str]:
    """Say a run's settings as if one process had run it, and what is then still different.

    Processes that share a batch train as one where batch norm is synchronised and losses compare with all of it; what
    each process does with its own share only is a setting of its own.

    Args:
        own: of :func:`settings`; the batch size is each process's.
        processes: how many there were.
    """
    found = {name: words for name, words in own.items() if name != _SYNCHRONISED}
    share = own.get(_BATCH, "")
    if processes < 2 or not share.isdecimal():
        return found | ({"processes": str(processes)} if processes > 1 else {})
    found[_BATCH] = str(int(share) * processes)
    if own.get(_SYNCHRONISED) != "True":
        found["batch norm over"] = f"each process's {share} samples"
    if own.get(_GATHERED) == "False":
        found["losses over"] = f"each process's {share} samples"
    return found


def different(each: list[dict[str, str]]) -> list[str]:
    """Names of the settings in which the given ones differ, sorted."""
    names = sorted({name for one in each for name in one})
    return [name for name in names if len({one.get(name) for one in each}) > 1]


def _leaves(config: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in config.items():
        found += _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found


def _effective(callbacks: Any) -> Any:
    """Callbacks that may change the weights: an average does, a progress bar or a tracker does not."""
    if not isinstance(callbacks, list):
        return callbacks
    names = [str(each.get("class_path") if isinstance(each, dict) else each).lower() for each in callbacks]
    kept = [each for each, name in zip(callbacks, names, strict=True) if not any(w in name for w in _UNSEEN_CALLBACKS)]
    return kept or None


def _without_row(path: str, backbone: str, activation: str) -> str:
    """A path to another run's weights with the row's own parts by their names: rows that differ in those only agree."""
    path = _SEED.sub("-seedN", path)
    for word, name in ((backbone, "BACKBONE"), (activation, "ACTIVATION")):
        path = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", name, path) if word.strip("-") else path
    return path
