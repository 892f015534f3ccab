"""``hybrid-sbir data download``: official archives, resumed where they stopped."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from hybrid_sbir.data.downloads.transfer import DownloadError, Transfer
from hybrid_sbir.data.quickdraw_classes import QUICKDRAW_CLASSES
from hybrid_sbir.data.sources import FORMS, check_form, download_place, quickdraw_url, source


def download(
    name: str,
    root: Path | str = "data",
    form: str = "simplified",
    classes: Sequence[str] | None = None,
    url: str | None = None,
    sha256: str = "",
    retries: int = 5,
    timeout: float = 30.0,
    progress: bool = True,
) -> Path:
    """Fetch a data set's official archive to ROOT/downloads, where ``data prepare`` looks for it.

    Run it again after any interruption: it goes on where it stopped, and does nothing where all is there. ImageNet and
    Sketchy need a person; the error says what to do.

    Args:
        name: which data set: tu_berlin or quickdraw.
        root: the folder of the data.
        form: QuickDraw's form: simplified (strokes, 23 GB) or numpy_bitmap (28 x 28 pixels, 39 GB).
        classes: QuickDraw's classes to fetch; by default all 345.
        url: another address of the archive; of QuickDraw, of the folder that holds CLASS.ndjson or CLASS.npy.
        sha256: what the archive must have (not for QuickDraw, whose server names each file's MD5).
        retries: how often to ask again, waiting longer each time, if there is no progress.
        timeout: seconds that the server may stay silent.
        progress: show progress bars on a terminal.

    Returns:
        The archive, or the folder of QuickDraw's files.

    Raises:
        DownloadError: if it cannot be fetched; what is there is kept.
    """
    facts = source(name)
    check_form(form)
    place = download_place(name, root, form)
    if not facts.url and not url:
        raise DownloadError(f"{facts.title} cannot be fetched by a program. {facts.advice}")
    if name != "quickdraw":
        if classes is not None:
            raise DownloadError(f"classes can be chosen of quickdraw only; {name} is one archive")
        address = url or facts.url
        place = Transfer(address, place, sha256, retries, timeout, progress=progress).fetch()
        print(f"{place}: complete, {place.stat().st_size} bytes; next: hybrid-sbir data prepare {name} --root {root}")
        return place
    if sha256:
        raise DownloadError("sha256 is of one archive; QuickDraw has a file a class, and its server names their MD5")
    chosen = _chosen(classes)
    for class_name in tqdm(chosen, unit="class", desc="quickdraw", disable=None if progress else True):
        address = quickdraw_url(class_name, form, url)
        Transfer(address, place / f"{class_name}{FORMS[form]}", "", retries, timeout, progress=progress).fetch()
    print(
        f"{place}: {len(chosen)} classes complete; next: hybrid-sbir data prepare quickdraw --form {form} --root {root}"
    )
    return place


def _chosen(classes: Sequence[str] | None) -> Sequence[str]:
    if classes is None:
        return QUICKDRAW_CLASSES
    if unknown := [name for name in classes if name not in QUICKDRAW_CLASSES]:
        raise DownloadError(
            f"QuickDraw has no class {', '.join(unknown)}; its names are like 'cell phone', 'The Mona Lisa'"
        )
    return classes
