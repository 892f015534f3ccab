"""A run's folder: runs/NAME with config.yaml, metrics.csv, metrics.json and checkpoints/{best,last}.ckpt.

Nothing that a finished or broken-off run left is replaced unless asked for, and then only once the new run trains:
until its first step the old one is kept in ``.previous``, and comes back if that step is never reached.
"""

import json
import shutil
from pathlib import Path

from hybrid_sbir.folder_lock import FolderError, lock, unlock

_FILES = (
    "config.yaml",
    "metrics.csv",
    "metrics.json",
    "predictions.npz",
    "embeddings.npz",
    "refined.json",
    "wandb_run.json",  # which W&B run is this one; W&B's own files, in wandb/, may not be uploaded yet and stay
)


class RunFolder:
    """The folder of one run.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._aside, self._doomed = path / ".previous", path / ".discarded"
        self._lock: int | None = None
        self._mine = False

    @property
    def holds_run(self) -> bool:
        """Whether a run has left anything here that must not be lost: a checkpoint, an epoch or a result."""
        if any((self.path / "checkpoints").glob("*.ckpt")) or any(self.path.glob("hpc_ckpt_*.ckpt")):
            return True
        try:
            record = json.loads((self.path / "metrics.json").read_text())
            return record.get("epochs", 1) > 0 or bool({"validate", "test"} & record.keys())
        except FileNotFoundError:
            return False
        except (OSError, ValueError, AttributeError, TypeError):
            return True  # what cannot be read may be worth mending

    def checkpoint(self, name: str) -> Path | None:
        """Return the run's checkpoint ``"best"`` or ``"last"``, None if there is none.

        What SLURM's requeueing saved (``hpc_ckpt_*.ckpt``) counts as last where it is newer.
        """
        candidates = [self.path / "checkpoints" / f"{name}.ckpt"]
        if name == "last":
            candidates += self.path.glob("hpc_ckpt_*.ckpt")
        return max((c for c in candidates if c.exists()), key=lambda c: c.stat().st_mtime_ns, default=None)

    def to_fit(self, ckpt_path: str | None, overwrite: bool) -> Path | None:
        """Lock the folder until :meth:`close`, and choose where to start training.

        Args:
            ckpt_path: where to continue: ``"last"``, ``"best"``, a file, or None for a new run. ``"last"`` in a folder
                without a checkpoint starts from the beginning, so that one command serves every start.
            overwrite: whether an earlier run may be replaced; see :meth:`put_aside`.

        Returns:
            The checkpoint to continue from; None for a new run.

        Raises:
            FileExistsError: if there is a run that the new one would overwrite.
            FileNotFoundError: if there is no such checkpoint.
            FolderError: if another process is training here, or the folder cannot be written to.
        """
        if overwrite and ckpt_path is not None:
            raise ValueError("--overwrite deletes the run that --ckpt_path continues; give one of them")
        self._lock, self._mine = lock(self.path), True
        self._put_back()
        if overwrite:
            return None
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

    def put_aside(self) -> None:
        """Make room for a new run without losing the old one; :meth:`close` puts it back if nothing came of the new."""
        self._aside.mkdir()
        for path in self._own(self.path):
            path.replace(self._aside / path.name)

    def discard_old(self) -> None:
        """Delete what was put aside: the new run has begun."""
        if self._aside.exists():
            self._aside.replace(self._doomed)  # from here on it never comes back, not even in part
            shutil.rmtree(self._doomed)

    def close(self) -> None:
        """End the use of the folder that :meth:`to_fit` began; an empty one goes."""
        if not self._mine:
            return
        try:
            self._put_back()
            if not any(self.path.iterdir()):
                self.path.rmdir()
        finally:
            unlock(self._lock)
            self._lock, self._mine = None, False

    def to_evaluate(self, ckpt_path: str | None, has_weights: bool) -> Path | None:
        """Choose the weights to evaluate: those asked for, else the run's best, its last, or those it would start from.

        Args:
            ckpt_path: ``"last"``, ``"best"``, a file, or None.
            has_weights: whether the model brings weights of its own (``init_from``).

        Raises:
            FileNotFoundError: if there are none; an untrained model is never scored by mistake.
        """
        if self._aside.exists():  # a killed start left it, unless there is a living one that holds the lock
            held = lock(self.path)
            try:
                self._put_back()
            finally:
                unlock(held)
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

    def _own(self, folder: Path) -> list[Path]:
        """What a run has written into ``folder``, in whole."""
        named = [folder / name for name in (*_FILES, "checkpoints")]
        return [path for path in (*named, *folder.glob("hpc_ckpt_*.ckpt")) if path.exists()]

    def _put_back(self) -> None:
        shutil.rmtree(self._doomed, ignore_errors=True)  # a kill may have come before it was gone
        if not self._aside.exists():
            return
        if any((self.path / "checkpoints").glob("*.ckpt")) and (self._aside / "checkpoints").exists():
            raise FolderError(
                f"{self._aside} holds an earlier run that --overwrite had put aside, and {self.path} another one; move "
                "one of them to a folder of its own"
            )
        if (self.path / "checkpoints").exists() and (self._aside / "checkpoints").exists():
            shutil.rmtree(self.path / "checkpoints")
        for path in self._own(self._aside):
            path.replace(self.path / path.name)
        shutil.rmtree(self._aside)
