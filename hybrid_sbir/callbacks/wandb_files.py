"""Files of a run as W&B artifacts: the best checkpoint, and configuration and scores."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.rank_zero import rank_zero_warn

_RESULTS = ("metrics.json", "metrics.csv", "config.yaml")
_MEGABYTE = 1e6
_LONGEST = 100  # characters of a name; W&B takes 128, with the kind of artifact before it


def log_model(run: Any, folder: Path, name: str, record: dict[str, Any], most_megabytes: float) -> None:
    """Make an artifact of a run's best checkpoint, with its checksum and what it is; the file is not copied.

    Args:
        run: W&B's.
        folder: of the run.
        name: of the artifact, made of letters, digits, "-", "_" and ".".
        record: what metrics.json holds.
        most_megabytes: a larger file is left out, and that is said.
    """
    import wandb

    path = folder / "checkpoints" / "best.ckpt"
    if not path.exists():
        return
    megabytes = path.stat().st_size / _MEGABYTE
    if megabytes > most_megabytes:
        rank_zero_warn(
            f"W&B: {path} has {megabytes:.0f} MB and is no artifact (trainer.logger.init_args.most_megabytes is "
            f"{most_megabytes:g})"
        )
        return
    about = {key: record.get(key) for key in ("name", "seed", "parameters", "best", "data", "git", "versions")}
    about |= {"sha256": checksum(path), "bytes": path.stat().st_size}
    artifact = wandb.Artifact(f"model-{name}", "model", metadata=about)
    artifact.add_file(str(path.resolve()), name=path.name, policy="immutable", skip_cache=True)
    run.log_artifact(artifact, aliases=["best"])


def log_results(run: Any, folder: Path, name: str) -> None:
    """Make an artifact of a run's configuration and scores as they are now: copies, for later verbs add to them."""
    import wandb

    copies = Path(run.dir).parent / "results"  # under other names: whoever looks for metrics.json finds the run's own
    copies.mkdir(parents=True, exist_ok=True)
    artifact = wandb.Artifact(f"results-{name}", "results")
    checksums = {}
    for path in (folder / file for file in _RESULTS):
        if path.exists():
            copy = Path(shutil.copyfile(path, copies / f"{path.name}.copy"))
            checksums[path.name] = checksum(copy)
            artifact.add_file(str(copy.resolve()), name=path.name, policy="immutable", skip_cache=True)
    artifact.metadata = {"sha256": checksums}
    run.log_artifact(artifact)


def artifact_name(folder: Path, group: str | None, preset: str | None, name: str) -> str:
    """Name a run's artifacts so that no other run of the project has the same name: table, preset, row, seed, stage."""
    words = [group, preset, name] if group else [folder.parent.name, name]
    whole = "-".join(word for word in words if word)
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", whole)
    if len(plain) <= _LONGEST and plain == whole.replace("/", "-"):
        return plain
    return f"{plain[:_LONGEST]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"  # others may look the same by now


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
