"""Which kind of catalogue a path names."""

import zipfile
from pathlib import Path

from hybrid_sbir.search.catalogue.archive import ZipCatalogue
from hybrid_sbir.search.catalogue.entry import Catalogue
from hybrid_sbir.search.catalogue.folder import FolderCatalogue
from hybrid_sbir.search.catalogue.listing import ListCatalogue


def open_catalogue(path: Path | str) -> Catalogue:
    """Open a folder of photos, a zip of photos, or a text file with a path a line.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is none of these.
        OSError: if it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no photos {path}; give a folder, a zip, or a text file with a path a line")
    if path.is_dir():
        return FolderCatalogue(path)
    if not path.is_file():
        raise ValueError(f"{path} is not a regular file; give a folder, a zip, or a text file with a path a line")
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return ZipCatalogue(path)
    return ListCatalogue(path)
