"""Matching the class names of two sets: by equal names or by an explicit map, never by a guess.

A map is a JSON object, ``{"name of one set": "name of the other" or null}``, perhaps one level down
(``{"tu_berlin_class_of": {...}}``). Which of its sides is whose is seen from the names.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

ClassMap = Mapping[str, str | None]

_SHOWN = 20
_NEAR = 0.8  # difflib's ratio from which on names look alike


class ClassMapError(ValueError):
    """A map of class names that cannot be used; the message says what was found and what to do."""


@dataclass(frozen=True)
class Matching:
    """Which classes of a set of sketches are which of a set of photos.

    Attributes:
        pairs: (sketch class, photo class), in the order of the sketch classes. A map may give two classes of one set
            the same partner; each of the pairs is here.
        only_sketch: sketch classes without a partner, in their order.
        only_photo: photo classes without a partner, in their order.
        text: all of that in words, with names that look alike: for a person who writes a map.
    """

    pairs: tuple[tuple[str, str], ...]
    only_sketch: tuple[str, ...]
    only_photo: tuple[str, ...]
    text: str

    @property
    def photo_of(self) -> dict[str, str]:
        """The photo class of each sketch class that has one (the first one, where a map names several)."""
        return dict(reversed(self.pairs))

    @property
    def sketch_of(self) -> dict[str, str]:
        """The sketch class of each photo class that has one (the first one, where a map names several)."""
        return {photo: sketch for sketch, photo in reversed(self.pairs)}


def match_classes(
    sketch_classes: Sequence[str], photo_classes: Sequence[str], class_map: ClassMap | Path | str | None = None
) -> Matching:
    """Match the class names of two sets.

    Names that the map has, on either side, are matched as it says, ``null`` meaning that there is no partner; all
    others where they are equal to the letter. Names that only look alike are never matched, but suggested in words.

    Args:
        sketch_classes: names of one set.
        photo_classes: names of the other.
        class_map: the map or its JSON file; it may name more classes than there are here.

    Raises:
        FileNotFoundError: if there is no such file.
        ClassMapError: if the file is no map, a name stands twice in a set, or the map mixes up its two sides.
    """
    sketches, photos = _distinct(sketch_classes, "sketch"), _distinct(photo_classes, "photo")
    table = read_class_map(class_map) if isinstance(class_map, Path | str) else dict(class_map or {})
    entries = _sketch_first(table, sketches, photos)
    ruled_sketches, ruled_photos = {sketch for sketch, _ in entries}, {photo for _, photo in entries}
    pairs = [(sketch, photo) for sketch, photo in entries if sketch in sketches and photo in photos]
    pairs += [
        (name, name) for name in sketches if name in photos and name not in ruled_sketches and name not in ruled_photos
    ]
    pairs.sort(key=lambda pair: (sketches[pair[0]], photos[pair[1]]))
    only_sketch = tuple(name for name in sketches if name not in {sketch for sketch, _ in pairs})
    only_photo = tuple(name for name in photos if name not in {photo for _, photo in pairs})
    near = [
        (name, other)
        for name in only_sketch
        if name not in ruled_sketches
        for other in _near(name, [photo for photo in only_photo if photo not in ruled_photos])
    ]
    unknown = [name for name, other in table.items() if not {name, other} & {*sketches, *photos}]
    near += _near_the_map(entries, sketches, photos)
    return Matching(
        tuple(pairs), only_sketch, only_photo, _describe(len(pairs), only_sketch, only_photo, near, unknown)
    )


def read_class_map(path: Path | str) -> dict[str, str | None]:
    """Read a map of class names from a JSON file.

    Raises:
        FileNotFoundError: if there is no such file.
        ClassMapError: if it is no object of names (or null) by name, or holds several of them.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no map of class names {path}")
    try:
        table = json.loads(path.read_text("utf-8"), object_pairs_hook=_without_repeats)
    except ClassMapError as error:
        raise ClassMapError(f"{path}: {error}") from None
    except ValueError as error:
        raise ClassMapError(f"{path} is no JSON file: {error}") from None
    if isinstance(table, dict) and table and all(isinstance(value, dict) for value in table.values()):
        if len(table) > 1:
            raise ClassMapError(f"{path} holds {len(table)} maps ({', '.join(table)}); keep the one that is meant")
        table = next(iter(table.values()))
    if not isinstance(table, dict):
        raise ClassMapError(f"{path} holds a {type(table).__name__}; it must be an object: {_FORM}")
    for name, other in table.items():
        if not isinstance(other, str | None):
            raise ClassMapError(f"{path} gives '{name}' the value {json.dumps(other)[:60]}; it must be {_FORM}")
    return table


_FORM = '{"name of one set": "name of the other" or null}'


def _without_repeats(items: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(items)
    if len(table) < len(items):
        names = [name for name, _ in items]
        raise ClassMapError(f"'{next(name for name in names if names.count(name) > 1)}' stands there twice")
    return table


def _distinct(names: Sequence[str], what: str) -> dict[str, int]:
    """Return the position of each name."""
    positions = {name: position for position, name in enumerate(names)}
    if len(positions) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise ClassMapError(f"the {what} class '{twice}' is named twice; names must differ")
    return positions


def _sketch_first(table: ClassMap, sketches: Mapping[str, int], photos: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the map's entries as (sketch class, photo class), '' where there is no partner.

    Raises:
        ClassMapError: if some entries lead from sketches to photos only, and others from photos to sketches only.
    """
    named = {name: other for name, other in table.items() if other is not None}
    forward = [name for name, other in named.items() if name in sketches and other in photos]
    backward = [name for name, other in named.items() if name in photos and other in sketches]
    if (ahead := set(forward) - set(backward)) and (back := set(backward) - set(forward)):
        raise ClassMapError(
            f"the map of class names mixes its sides: '{min(ahead)}' is a sketch class with a photo class, "
            f"'{min(back)}' a photo class with a sketch class; all names on the left must be of one set"
        )
    one_side = [
        sum((name in keys) + (other in values) for name, other in table.items())
        for keys, values in ((sketches, photos), (photos, sketches))
    ]
    keys_are_photos = (len(backward), one_side[1]) > (len(forward), one_side[0])
    return [(other or "", name) if keys_are_photos else (name, other or "") for name, other in table.items()]


def _describe(
    matched: int,
    only_sketch: Sequence[str],
    only_photo: Sequence[str],
    near: Sequence[tuple[str, str]],
    unknown: Sequence[str],
) -> str:
    lines = [f"{matched} {'class is' if matched == 1 else 'classes are'} in both sets"]
    for names, of in ((only_sketch, "sketches"), (only_photo, "photos")):
        lines += [f"{len(names)} only among the {of}: {_first(names)}"] if names else []
    if near:
        lines.append("names that look alike; if they mean the same, say so in a map of class names:")
        lines += [f"  {json.dumps(name)}: {json.dumps(other)}" for name, other in near[:_SHOWN]]
        lines += [f"  and {len(near) - _SHOWN} more"] if len(near) > _SHOWN else []
    if unknown:
        lines.append(f"{len(unknown)} entries of the map name no class of either set: {_first(unknown)}")
    return "\n".join(lines)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _near_the_map(
    entries: Sequence[tuple[str, str]], sketches: Mapping[str, int], photos: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Entries with one side that is a class and another that is none but looks like one: a mistyping, perhaps."""
    typed = [
        (sketch, near)
        for sketch, photo in entries
        if sketch in sketches and photo and photo not in photos
        for near in get_close_matches(photo, photos, n=1, cutoff=_NEAR)
    ]
    return typed + [
        (near, photo)
        for sketch, photo in entries
        if photo in photos and sketch and sketch not in sketches
        for near in get_close_matches(sketch, sketches, n=1, cutoff=_NEAR)
    ]


def _near(name: str, others: Sequence[str]) -> list[str]:
    """Return the names that look like ``name``: the same but for case and marks, with a common word, or similar."""
    words = {*_plain(name).split()}
    alike = [other for other in others if words & {*_plain(other).split()}]
    return list(dict.fromkeys([*alike, *get_close_matches(name, others, n=2, cutoff=_NEAR)]))


def _plain(name: str) -> str:
    return " ".join("".join(mark if mark.isalnum() else " " for mark in name.casefold()).split())
