"""Flickr25k and Flickr15k, the training and the test photos of the thesis's retrieval.

Flickr25k (Bui et al., CVIU 2017) is photos in class folders named as TU-Berlin's; its sketches are TU-Berlin's, and may
lie beside them.

Flickr15k (Hu & Collomosse, CVIU 2013) is photos in folders by subject, ``FOLDER/NAME.jpg``, sketches by drawer,
``330sketches/DRAWER/CLASS.png``, and a file ``groundtruth`` of lines ``CLASS FOLDER/NAME``, classes being numbers from
1 on. It alone says what class a photo is of, photo by photo: a class of shapes has photos of several folders, and a
folder may have photos of several classes.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from hybrid_sbir.data.preparation.members import Archive, ArchiveError
from hybrid_sbir.data.preparation.sorting import Placed, Sorting

_SKETCH_FOLDERS = {"sketch", "sketches", "png", "tu_berlin", "tu-berlin", "tuberlin"}
_TRUTH = re.compile(r"ground[_ -]?truth(\.txt)?", re.IGNORECASE)
_LINE = re.compile(r"(\d+)[\s,]+(\S.*?/[^/]+?)\s*")
_NAMED = 3  # so many folders are in a class's name
_SHOWN = 5


def sort_flickr25k(archive: Archive, paths: Sequence[str], sorting: Sorting) -> None:
    """``CLASS/FILE``, of sketches below a folder ``sketches`` (or ``png``, as TU-Berlin's archive has it)."""
    for path in paths:
        *above, folder = path.split("/")[:-1] or [""]
        if folder:
            sketch = not _SKETCH_FOLDERS.isdisjoint(name.lower() for name in above)
            sorting.images[path] = Placed(folder, "sketch" if sketch else "photo")
        else:
            sorting.ignored["outside of any class folder"].append(path)


def sort_flickr15k(archive: Archive, paths: Sequence[str], sorting: Sorting) -> None:
    """Photos by the ground truth, sketches by their file's number.

    A photo that the ground truth gives to several classes counts for the first one, because an image has one label; how
    many there are is remarked. Classes are named by number and folders, ``07 bridge+viaduct``, so that class k of the
    ground truth has label k - 1.

    Raises:
        ArchiveError: if there is no ground truth, or it cannot be read.
    """
    truth = _read_truth(archive)
    names = _class_names(truth)
    class_of: dict[str, int] = {}
    several: dict[str, None] = {}
    for number, photo in truth:
        if class_of.setdefault(photo, number) != number:
            several[photo] = None
    found = dict.fromkeys(class_of, False)
    for path in sorted(paths):
        sketch_class = _sketch_class(path)
        photo = _photo_key(path)
        if sketch_class in names:
            sorting.images[path] = Placed(names[sketch_class], "sketch")
        elif sketch_class:
            sorting.ignored["a sketch of a class that the ground truth does not have"].append(path)
        elif photo not in class_of:
            sorting.ignored["a photo that the ground truth does not have"].append(path)
        elif found[photo]:
            sorting.ignored["another copy of a photo"].append(path)
        else:
            found[photo] = True
            sorting.images[path] = Placed(names[class_of[photo]], "photo")
    missing = [photo for photo, there in found.items() if not there]
    if missing:
        sorting.remarks.append(f"{len(missing)} photos of the ground truth are not there: {_first(missing)}")
    if several:
        sorting.remarks.append(
            f"{len(several)} photos are in several classes of the ground truth, of which the first one counts: "
            f"{_first(several)}"
        )


def _read_truth(archive: Archive) -> list[tuple[int, str]]:
    """Return (class, photo) of each line; a photo is its folder and name without a suffix."""
    files = [path for path, _ in archive.members if _TRUTH.fullmatch(path.rpartition("/")[2])]
    if not files:
        raise ArchiveError(
            f"{archive.path} has no file groundtruth, which says what classes Flickr15k's photos are of; put it beside "
            "the folders of photos and sketches"
        )
    contents = {archive.read_text(path) for path in files}
    if len(contents) > 1:
        raise ArchiveError(f"{archive.path} has different ground truths: {', '.join(files)}; keep one of them")
    return list(_lines(files[0], contents.pop()))


def _lines(file: str, text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip().replace("\\", "/"))
        if not match or not 1 <= int(match[1]) <= 99:
            raise ArchiveError(f"{file}, line {number}: expected CLASS FOLDER/NAME.jpg, got {line[:80]!r}")
        yield int(match[1]), _photo_key(match[2])


def _photo_key(path: str) -> str:
    """Return ``FOLDER/NAME``: lists and archives differ in what is above, and in the suffix."""
    place = PurePosixPath(path)
    return f"{place.parent.name}/{place.stem}"


def _sketch_class(path: str) -> int:
    """Return the class of ``DRAWER/CLASS.png``, both numbers; 0 of anything else."""
    place = PurePosixPath(path)
    numbers = place.parent.name.isdecimal() and place.stem.isdecimal()
    return int(place.stem) if numbers and place.suffix.lower() == ".png" else 0


def _class_names(truth: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Return a name for each class: its number, and the folders that most of its photos are in."""
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for number, photo in truth:
        counts[number][photo.partition("/")[0]] += 1
    names = {}
    for number, folders in sorted(counts.items()):
        ranked = [folder for _, folder in sorted((-count, folder) for folder, count in folders.items())]
        more = f" and {len(ranked) - _NAMED} more" if len(ranked) > _NAMED else ""
        names[number] = f"{number:02d} {'+'.join(ranked[:_NAMED])}{more}"
    return names


def _first(names: Sequence[str] | dict[str, None]) -> str:
    return ", ".join(list(names)[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
