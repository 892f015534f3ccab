"""Checkpoints that are written whole or not at all, and that know when they have been damaged.

A checkpoint is PyTorch's zip file with its own SHA-256 as the archive's comment: one file, so contents and checksum can
not be separated, and ``torch.load`` and ``unzip`` read it as any other.
"""

import hashlib
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from hybrid_sbir.durable import write_durably

_MARK = b"sha256:"
_COMMENT = len(_MARK) + 64  # hexadecimal digits of a SHA-256
_LENGTH = 2  # the zip format stores the comment's length in the two bytes before it


class CheckpointFileError(OSError):
    """A checkpoint that could not be written or read; the message says what to do."""


class DurableCheckpointIO(TorchCheckpointIO):
    """Lightning's way to the disk, made atomic and verified.

    What stands at the path survives everything that can happen while its successor is written: the new file is
    written beside it, flushed, and takes its place in one step.
    """

    _proven = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``.

        Raises:
            CheckpointFileError: if the disk is full or the folder not writable, or (looked at once a run) the contents
                could not be read again; what stood at ``path`` is untouched.
        """
        path = Path(path)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        if not self._proven:
            _prove_readable(buffer, path)
            self._proven = True
        content = seal(buffer.getvalue())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, content)
        except OSError as error:
            raise CheckpointFileError(_write_refusal(path, len(content), error)) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Callable | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read and verify a checkpoint.

        Raises:
            CheckpointFileError: if it is missing, damaged, no run's, or holds more than tensors and plain values; names
                the whole ones beside it.
        """
        content = read_checkpoint(path, map_location or (lambda storage, _: storage), weights_only is not False)
        missing = [name for name in ("state_dict", "pytorch-lightning_version") if name not in content]
        if missing:
            raise CheckpointFileError(
                f"{path} is no run's checkpoint: it has no {' and no '.join(missing)}. If it holds weights, start from "
                f"them: --model.init_args.init_from {path}"
            )
        return content


def read_checkpoint(path: str | Path, map_location: Any = "cpu", weights_only: bool = True) -> dict[str, Any]:
    """Read and verify a checkpoint; one without a checksum (from elsewhere) must at least be complete.

    Raises:
        CheckpointFileError: see :meth:`DurableCheckpointIO.load_checkpoint`.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointFileError(f"cannot read checkpoint {path}: {error.strerror}{_siblings(path)}") from error
    if not is_whole(content):
        raise CheckpointFileError(
            f"checkpoint {path} is damaged: its contents do not match its SHA-256{_siblings(path)}"
        )
    try:
        loaded = torch.load(io.BytesIO(content), map_location=map_location, weights_only=weights_only)
    except Exception as error:  # torch raises half a dozen kinds for cut and foreign files
        raise CheckpointFileError(
            f"checkpoint {path} ({len(content):,} bytes) cannot be read: it is cut short, no checkpoint, or holds more "
            f"than tensors and plain values ({_reason(error)}){_siblings(path)}"
        ) from error
    if not isinstance(loaded, dict):
        raise CheckpointFileError(f"{path} is no checkpoint: it holds a {type(loaded).__name__}, not named entries")
    return loaded


def _reason(error: Exception) -> str:
    """What torch found, without its advice to load the file unchecked, which would run code in it."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f"it holds {found[1]}" if found else type(error).__name__


def seal(content: bytes) -> bytes:
    """Put the SHA-256 of a zip archive without a comment into its comment."""
    body = content[:-_LENGTH]
    return body + _COMMENT.to_bytes(_LENGTH, "little") + _MARK + hashlib.sha256(body).hexdigest().encode()


def is_whole(content: bytes) -> bool:
    """Whether the contents match their seal; True too where there is none (a file from elsewhere)."""
    comment = content[-_COMMENT:]
    if _MARK not in comment:
        return True
    body = content[: -_COMMENT - _LENGTH]
    return hashlib.sha256(body).hexdigest().encode() == comment[len(_MARK) :]


def _prove_readable(buffer: io.BytesIO, path: Path) -> None:
    """Refuse a checkpoint that could be written but, under ``weights_only``, not be read again when it is needed."""
    buffer.seek(0)
    try:
        torch.load(buffer, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointFileError(
            f"checkpoint {path} would not be readable, it holds more than tensors and plain values: {_reason(error)}"
        ) from error


def _is_sealed_and_whole(path: Path) -> bool:
    content = path.read_bytes()
    return content[-_COMMENT:].startswith(_MARK) and is_whole(content)


def _siblings(path: Path) -> str:
    """Advice for a message: the checkpoints in the same folder that can be used instead."""
    others = sorted(path.parent.glob("*.ckpt"), key=lambda p: p.stat().st_mtime, reverse=True)
    whole = [str(other) for other in others if other != path and _is_sealed_and_whole(other)]
    return f"; whole checkpoints beside it: {', '.join(whole)}" if whole else "; there is no other checkpoint beside it"


def _write_refusal(path: Path, size: int, error: OSError) -> str:
    try:
        free = f"{shutil.disk_usage(path.parent).free / 1e6:.1f} MB are free"
    except OSError:
        free = "the folder does not exist"
    kept = "the previous one is untouched" if path.exists() else "there was none before"
    return (
        f"cannot write checkpoint {path} ({size / 1e6:.1f} MB): {error.strerror}; {free}; {kept}. Make room or the "
        "folder writable, then continue with --ckpt_path last"
    )
