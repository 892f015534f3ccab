"""The verb that draws the embedded set into a folder, as one's own sketches or photos would lie there."""

import time
from pathlib import Path

from hybrid_sbir.data.embedded.as_files import write_folder
from hybrid_sbir.data.embedded.samples import Domain, Split
from hybrid_sbir.data.embedded.store import EmbeddedStore


def draw(
    *,
    out: Path,
    domain: Domain = "photo",
    split: Split = "test",
    per_class: int = 10,
    size: int = 160,
    seed: int = 0,
    ending: str = ".jpg",
) -> list[str]:
    """Draw pictures of the embedded set's 32 classes into a folder a class.

    Args:
        out: a new folder.
        domain: sketch or photo.
        split: train, val or test; they share no picture.
        per_class: pictures a class.
        size: their side in pixels.
        seed: another seed draws others.
        ending: of the files: .png, .jpg or .webp.

    Returns:
        What was done, in lines.
    """
    start = time.monotonic()
    store = EmbeddedStore(split, domain, per_class, size, seed)
    write_folder(store, out, ending)
    return [f"{out}: {len(store)} pictures of {len(store.classes)} classes in {time.monotonic() - start:.0f} s"]
