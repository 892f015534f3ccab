"""Writing a small file so that it is either the old one or the new one, whatever happens in between."""

import os
import stat
from pathlib import Path


def write_durably(path: Path | str, content: bytes) -> None:
    """Write ``content`` to the side, flush it to the disk, then put it in the place of ``path`` in one step.

    A reader, a full disk or a killed process sees the old file or the new one, never a part. A device or a pipe, such
    as /dev/null, is written into: put in its place, a file would take it away from everybody.

    Raises:
        OSError: as the file system says it, with the file's name; what stood at ``path`` is untouched.
    """
    path = Path(path)
    if _is_special(path):
        path.write_bytes(content)
        return
    side = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with side.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        side.replace(path)
    except BaseException as e:
        side.unlink(missing_ok=True)
        if isinstance(e, OSError) and e.filename is None:  # a full disk is reported without it
            e.filename = str(path)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries: only then is a rename on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_special(path: Path) -> bool:
    """Whether something stands there that is neither a file nor a folder."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
