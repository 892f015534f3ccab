"""``hybrid-sbir data prepare``: from an archive to a folder that training can trust.

Everything is built to the side (:mod:`~hybrid_sbir.data.preparation.staging`) and switched in when it is complete; the
folder's layout is described in :mod:`~hybrid_sbir.data.manifest`.
"""

import errno
from pathlib import Path
from typing import Any

from hybrid_sbir.data.hashing import sha256_of_file, sha256_of_listing
from hybrid_sbir.data.manifest import Manifest
from hybrid_sbir.data.preparation.archive import open_archive
from hybrid_sbir.data.preparation.intake import Intake, take_images
from hybrid_sbir.data.preparation.members import Archive
from hybrid_sbir.data.preparation.quickdraw import take_bitmaps, take_strokes
from hybrid_sbir.data.preparation.record import summary, write_record
from hybrid_sbir.data.preparation.staging import recover, staged
from hybrid_sbir.data.sources import check_form, download_place, source


class PrepareError(ValueError):
    """Data that cannot be prepared as asked; the message says what to do, and nothing that was there is touched."""


def prepare(
    name: str,
    archive: Path | str | None = None,
    root: Path | str = "data",
    form: str = "simplified",
    per_class: int = 1000,
    split_seed: int = 0,
    into: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> Manifest:
    """Unpack, check, index and split a data set, a well-known one or any folder of class folders.

    Every image is decoded once. What cannot be used is named with the reason, on the screen and in manifest.json, and
    the run goes on. A second run with the same archive and options changes nothing.

    Args:
        name: which data set: tu_berlin, quickdraw, imagenet, sketchy, flickr25k, flickr15k or folder.
        archive: the official archive (zip or tar), or a folder with its content unpacked. Images of a folder are used
            in place, through a symbolic link; QuickDraw's files are always converted. By default what
            ``data download`` fetched.
        root: the data set comes to ROOT/NAME.
        form: QuickDraw's form: simplified (strokes) or numpy_bitmap (28 x 28 pixels).
        per_class: how many of a QuickDraw class's drawings to take, at random; the thesis takes 1000.
        split_seed: seed of the random splits (and of QuickDraw's drawings).
        into: another folder name than NAME below ROOT, for a second variant or a second folder of one's own.
        overwrite: replace what another archive or other options made.
        workers: threads that decode; by default one a core.
        progress: show progress bars on a terminal.

    Returns:
        The manifest of the prepared data.

    Raises:
        FileNotFoundError: if there is no archive.
        ArchiveError: if it is damaged as a whole, unsafe, or not of this data set.
        PrepareError: if something else is in the way, or the disk is full.
    """
    facts = source(name)
    check_form(form)
    if per_class < 1:
        raise PrepareError(f"per_class is {per_class}; it must be at least 1")
    target = Path(root) / (into or name)
    if target.parent.resolve() != Path(root).resolve():
        raise PrepareError(f"into is '{into}'; it must be the plain name of a folder below {root}")
    options: dict[str, Any] = {"split_seed": split_seed}
    if name == "quickdraw":
        options |= {"form": form, "per_class": per_class}
    recover(target)
    place = _find_archive(name, archive, root, form)
    with open_archive(place) as opened:
        _check_place(opened, target)
        record = _describe(opened, progress)
        if not overwrite and (existing := _existing(target, name, record, options)):
            print(f"{target} is already prepared from this archive with these options; nothing to do")
            return existing
        try:
            with staged(target) as folder:
                intake = _take(opened, folder, facts.layout, options, workers, progress)
                write_record(folder, name, intake, options, record)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise PrepareError(
                f"the disk of {target} is full; free some space and run it again. Nothing changed"
            ) from error
    manifest = Manifest.load(target)
    print(summary(manifest))
    return manifest


def _take(
    archive: Archive, folder: Path, layout: str, options: dict[str, Any], workers: int | None, progress: bool
) -> Intake:
    if layout:
        return take_images(archive, folder, layout, workers, progress)
    take = take_strokes if options["form"] == "simplified" else take_bitmaps
    return take(archive, folder, options["per_class"], options["split_seed"], progress)


def _find_archive(name: str, archive: Path | str | None, root: Path | str, form: str) -> Path:
    if archive is not None:
        return Path(archive)
    place = download_place(name, root, form)
    if not place.exists():
        how = source(name).advice or f"hybrid-sbir data download {name} --root {root}"
        raise FileNotFoundError(f"no archive given and no {place}; give --archive, or get the data first: {how}")
    return place


def _check_place(archive: Archive, target: Path) -> None:
    """Refuse to put the data where something else would be lost."""
    ours = (target / "manifest.json").is_file() and (target / "index.tsv").is_file()
    if target.is_symlink() or (target.exists() and not ours):
        raise PrepareError(f"{target} exists and was not made by data prepare; move it away, or choose another root")
    if archive.kind == "folder" and target.resolve().is_relative_to(archive.path.resolve()):
        raise PrepareError(f"{target} lies in the folder {archive.path} that it is made from; choose another root")


def _describe(archive: Archive, progress: bool) -> dict[str, Any]:
    folder = archive.kind == "folder"
    return {
        "name": archive.path.resolve().name,
        "kind": archive.kind,
        "bytes": sum(member.bytes for member in archive.members) if folder else archive.path.stat().st_size,
        "sha256": sha256_of_listing(archive) if folder else sha256_of_file(archive.path, progress),
    }


def _existing(target: Path, name: str, record: dict[str, Any], options: dict[str, Any]) -> Manifest | None:
    """Return what stands at ``target`` if it is the same, None if nothing does; refuse everything else."""
    if not target.exists():
        return None
    manifest = Manifest.load(target)
    for what, was, now in (
        ("data set", manifest.name, name),
        ("archive", _short(manifest.archive), _short(record)),
        ("options", manifest.options, options),
    ):
        if was != now:
            raise PrepareError(
                f"{target} was prepared with another {what}: {was}, now {now}; give --overwrite true to replace it, "
                f"or --into another name to keep both"
            )
    return manifest


def _short(record: dict[str, Any]) -> str:
    return f"{record['kind']} of {record['bytes']} bytes, sha256 {record['sha256'][:16]}"
