"""Where the official archives keep their images: path inside the archive -> class, part, group.

Members that are no PNG or JPEG file, or lie where the layout has no class, are not data; each is named with the reason.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from hybrid_sbir.data.preparation.flickr import sort_flickr15k, sort_flickr25k
from hybrid_sbir.data.preparation.members import Archive, ArchiveError, Problem
from hybrid_sbir.data.preparation.sorting import Placed, Sorting

EXTENSIONS = (".png", ".jpg", ".jpeg")

_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_WNID = re.compile(r"n\d{8}")
_SKETCHY_RENDERING = "tx_000000000000"  # the other ones are the same images, shifted and scaled


def sort_members(archive: Archive, layout: str) -> Sorting:
    """Sort an archive's members by the ``layout`` of that name.

    Raises:
        ArchiveError: if nothing in the archive is where the layout expects images.
    """
    sorting = Sorting()
    candidates = []
    for path, _ in archive.members:
        parts = path.split("/")
        if "__MACOSX" in parts or any(part.startswith(".") for part in parts):
            sorting.ignored["hidden file of an operating system or tool"].append(path)
        elif not path.lower().endswith(EXTENSIONS):
            sorting.ignored["not a PNG or JPEG file"].append(path)
        else:
            candidates.append(path)
    LAYOUTS[layout](archive, candidates, sorting)
    if not sorting.images:
        raise ArchiveError(
            f"{archive.path} has {len(archive.members)} usable files, but no image where {layout} has them "
            f"({_EXPECTED[layout]}); {_first(archive.members, archive.problems)}"
        )
    return sorting


def _class_and_file(archive: Archive, paths: Sequence[str], sorting: Sorting) -> None:
    """TU-Berlin: ``png/CLASS/ID.png``."""
    for path in paths:
        folder = PurePosixPath(path).parent.name
        if folder:
            sorting.images[path] = Placed(folder)
        else:
            sorting.ignored["outside of any class folder"].append(path)


def _sketchy(archive: Archive, paths: Sequence[str], sorting: Sorting) -> None:
    """Sketchy: ``256x256/photo/RENDERING/CLASS/ID.jpg`` and ``256x256/sketch/RENDERING/CLASS/ID-k.png``."""
    for path in paths:
        parts = path.split("/")
        if len(parts) < 4 or parts[-4] not in ("photo", "sketch"):
            sorting.ignored["not below photo/RENDERING/CLASS or sketch/RENDERING/CLASS"].append(path)
        elif parts[-3] != _SKETCHY_RENDERING:
            sorting.ignored[f"another rendering of the same image ({parts[-3]})"].append(path)
        else:
            stem = PurePosixPath(path).stem
            photo = stem if parts[-4] == "photo" else stem.rpartition("-")[0]
            sorting.images[path] = Placed(parts[-2], parts[-4], f"{parts[-2]}/{photo}")


def _imagenet(archive: Archive, paths: Sequence[str], sorting: Sorting) -> None:
    """ImageNet: ``train/WNID/FILE`` and ``val/WNID/FILE``, or a flat ``val`` with a list of its classes."""
    nested = [path for path, _ in archive.members if re.fullmatch(r"n\d{8}\.tar", path.rpartition("/")[2])]
    if nested and not paths:
        raise ArchiveError(
            f"{archive.path} holds {len(nested)} archives, one a class ({nested[0]}, ...); unpack them into folders "
            f"train/WNID (for f in *.tar: mkdir train/WNID, tar -xf f -C train/WNID) and give the folder as the archive"
        )
    class_of = _validation_classes(archive)
    for path in paths:
        part, wnid, *_ = _below_part(path)
        if part == "val" and not _WNID.fullmatch(wnid):
            wnid = class_of.get(path.rpartition("/")[2], "")
        if part in ("train", "val") and _WNID.fullmatch(wnid):
            sorting.images[path] = Placed(wnid, part)
        elif part == "val":
            sorting.ignored[
                "validation image without a class: not in val_annotations.txt or LOC_val_solution.csv"
            ].append(path)
        else:
            sorting.ignored["test image without a class" if part == "test" else "outside of train/WNID and val"].append(
                path
            )


def _below_part(path: str) -> tuple[str, str]:
    """Return the part (train, val, test) and the name of the folder below, each '' where there is none."""
    folders = path.split("/")[:-1]
    for depth, name in enumerate(folders):
        if name in ("train", "val", "test"):
            return name, (folders[depth + 1] if depth + 1 < len(folders) else "")
    return "", ""


def _validation_classes(archive: Archive) -> dict[str, str]:
    """Read the WNID of each validation file in Tiny-ImageNet's or Kaggle's list; of several boxes the first."""
    class_of: dict[str, str] = {}
    for path, _ in archive.members:
        name = path.rpartition("/")[2]
        if name == "val_annotations.txt":
            rows = (line.split("\t")[:2] for line in archive.read_text(path).splitlines())
            class_of |= {row[0]: row[1] for row in rows if len(row) == 2}
        elif name == "LOC_val_solution.csv":
            cells = (line.split(",", 1) for line in archive.read_text(path).splitlines()[1:])
            class_of |= {f"{cell[0]}.JPEG": cell[1].split(" ", 1)[0] for cell in cells if len(cell) == 2}
    return class_of


def _folder(archive: Archive, paths: Sequence[str], sorting: Sorting) -> None:
    """A folder of class folders, perhaps below others, perhaps below train, val and test."""
    skip = _shared_folders(paths)
    split = {path.split("/")[skip] for path in paths if path.count("/") > skip} <= _PARTS.keys()
    for path in paths:
        names = path.split("/")[skip:-1]
        part = _PARTS.get(names[0], "") if split and names else ""
        names = names[1:] if part else names
        if names:
            sorting.images[path] = Placed(names[0], part)
        else:
            sorting.ignored["outside of any class folder"].append(path)


def _shared_folders(paths: Sequence[str]) -> int:
    """Return how many leading folders hold nothing but one more folder, which then is not the only class."""
    if not paths:
        return 0
    folders = [path.split("/")[:-1] for path in paths]
    shared = 0
    shortest, first = min(map(len, folders)), folders[0]
    while shared < shortest - 1 and all(names[shared] == first[shared] for names in folders):
        shared += 1
    return shared


LAYOUTS: dict[str, Callable[[Archive, Sequence[str], Sorting], None]] = {
    "tu_berlin": _class_and_file,
    "sketchy": _sketchy,
    "imagenet": _imagenet,
    "flickr25k": sort_flickr25k,
    "flickr15k": sort_flickr15k,
    "folder": _folder,
}
_EXPECTED = {
    "tu_berlin": "png/CLASS/ID.png",
    "sketchy": f"256x256/photo/{_SKETCHY_RENDERING}/CLASS/ID.jpg",
    "imagenet": "train/WNID/FILE.JPEG",
    "flickr25k": "CLASS/FILE.jpg, sketches below a folder sketches",
    "flickr15k": "FOLDER/NAME.jpg as in the file groundtruth, and 330sketches/DRAWER/CLASS.png",
    "folder": "CLASS/FILE.png or .jpg",
}


def _first(members: Iterable[tuple[str, int]], problems: Sequence[Problem]) -> str:
    names = [path for path, _ in members][:3]
    words = [f"its first files are {', '.join(names)}"] if names else []
    if problems:
        quoted = "; ".join(f"{path!r}: {reason}" for path, reason in problems[:3])
        words.append(f"{len(problems)} files cannot be used, {'the first ones' if problems[3:] else 'namely'} {quoted}")
    return "; ".join(words) or "it is empty"
