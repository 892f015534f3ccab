"""SHA-256 of files and of what stands for a folder."""

import hashlib
from pathlib import Path

from tqdm import tqdm

from hybrid_sbir.data.preparation.members import Archive

_CHUNK = 2**22


def sha256_of_file(path: Path | str, progress: bool = False) -> str:
    """Return the hexadecimal SHA-256 of a file, with a bar on the bytes where ``progress`` is asked for."""
    path = Path(path)
    digest = hashlib.sha256()
    size = path.stat().st_size
    bar = tqdm(total=size, unit="B", unit_scale=True, desc=f"hash {path.name}", disable=None if progress else True)
    with path.open("rb") as file, bar:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def sha256_of_listing(archive: Archive) -> str:
    """Return the hexadecimal SHA-256 of sorted paths and sizes: to read 150 GB to know a folder again is too slow."""
    digest = hashlib.sha256()
    for path, size in sorted(archive.members):
        digest.update(f"{path}\t{size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
