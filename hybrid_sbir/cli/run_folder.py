"""A run's folder: runs/NAME with config.yaml, metrics.csv, metrics.json and checkpoints/{best,last}.ckpt.

Nothing that a finished or broken-off run left is replaced unless asked for.
"""

import json
import shutil
from pathlib import Path

_FILES = ("config.yaml", "metrics.csv", "metrics.json", "predictions.npz")


class RunFolder:
    """The folder of one run.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def holds_run(self) -> bool:
        """Whether a run has left anything here that must not be lost."""
        return (self.path / "metrics.json").exists() or any((self.path / "checkpoints").glob("*.ckpt"))

    def checkpoint(self, name: str) -> Path | None:
        """Return the run's checkpoint ``"best"`` or ``"last"``, None if there is none.

        What SLURM's requeueing saved (``hpc_ckpt_*.ckpt``) counts as last where it is newer.
        """
        candidates = [self.path / "checkpoints" / f"{name}.ckpt"]
        if name == "last":
            candidates += self.path.glob("hpc_ckpt_*.ckpt")
        return max((c for c in candidates if c.exists()), key=lambda c: c.stat().st_mtime_ns, default=None)

    def to_fit(self, ckpt_path: str | None, overwrite: bool) -> Path | None:
        """Make the folder ready for training.

        Args:
            ckpt_path: where to continue: ``"last"``, ``"best"``, a file, or None for a new run. ``"last"`` in a folder
                without a checkpoint starts from the beginning, so that one command serves every start.
            overwrite: whether to delete an earlier run first.

        Returns:
            The checkpoint to continue from; None for a new run.

        Raises:
            FileExistsError: if there is a run that the new one would overwrite.
            FileNotFoundError: if there is no such checkpoint.
        """
        if overwrite and ckpt_path is not None:
            raise ValueError("--overwrite deletes the run that --ckpt_path continues; give one of them")
        if overwrite:
            self._clear()
        if ckpt_path == "last" and self.checkpoint("last") is None:
            return None
        found = self._find(ckpt_path) if ckpt_path is not None else None
        foreign = found is None or self.path.resolve() not in found.resolve().parents
        if self.holds_run and foreign:
            raise FileExistsError(
                f"{self.path} already holds a run ({self._state()}); continue it with --ckpt_path last, give the new "
                "one another --name, or delete the old one with --overwrite true"
            )
        return found

    def to_evaluate(self, ckpt_path: str | None, has_weights: bool) -> Path | None:
        """Choose the weights to evaluate: those asked for, else the run's best, its last, or those it would start from.

        Args:
            ckpt_path: ``"last"``, ``"best"``, a file, or None.
            has_weights: whether the model brings weights of its own (``init_from``).

        Raises:
            FileNotFoundError: if there are none; an untrained model is never scored by mistake.
        """
        if ckpt_path is not None:
            return self._find(ckpt_path)
        found = self.checkpoint("best") or self.checkpoint("last")
        if found is None and not has_weights:
            raise FileNotFoundError(
                f"no checkpoint in {self.path}: name the run (--name), a file (--ckpt_path FILE), or weights to start "
                "from (--model.init_args.init_from FILE)"
            )
        return found

    def _find(self, ckpt_path: str) -> Path:
        found = self.checkpoint(ckpt_path) if ckpt_path in ("best", "last") else Path(ckpt_path)
        if found is None or not found.exists():
            here = sorted(str(p) for p in self.path.glob("**/*.ckpt"))
            raise FileNotFoundError(
                f"no checkpoint '{ckpt_path}' for {self.path}; there are: {', '.join(here) or 'none'}"
            )
        return found

    def _state(self) -> str:
        try:
            record = json.loads((self.path / "metrics.json").read_text())
            state = "finished" if record["finished"] else "not finished"
            return f"{state}, {record['epochs']} of {record['max_epochs']} epochs"
        except (OSError, ValueError, KeyError):
            return "without a readable metrics.json"

    def _clear(self) -> None:
        for name in _FILES:
            (self.path / name).unlink(missing_ok=True)
        for saved in self.path.glob("hpc_ckpt_*.ckpt"):
            saved.unlink()
        if (self.path / "checkpoints").exists():
            shutil.rmtree(self.path / "checkpoints")
