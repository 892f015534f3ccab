"""The embedded set as folders of image files, as one's own sketches and photos would lie."""

from pathlib import Path

from hybrid_sbir.data.embedded.store import EmbeddedStore


def write_folder(store: EmbeddedStore, root: Path | str, ending: str = ".png") -> Path:
    """Write each sample of a store to ``root/CLASS/NUMBER``, as the data module ``Folder`` reads them.

    Args:
        store: sketches or photos.
        root: a new folder.
        ending: of the files: .png, .jpg or .webp.

    Returns:
        The folder.

    Raises:
        ValueError: another ending.
        FileExistsError: if something is there; nothing is written.
    """
    root = Path(root)
    if ending not in (".png", ".jpg", ".webp"):
        raise ValueError(f"ending is '{ending}'; it can be .png, .jpg or .webp")
    if root.exists():
        raise FileExistsError(f"{root} is there already; name a new folder")
    for index in range(len(store)):
        path = root / Path(store.name(index)).parent.name / f"{index // len(store.classes):03d}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        store.read(index).save(path)
    return root
