r"""The thesis's list files: ``path<TAB>label`` a line, and ``mapping.txt``, ``class<TAB>label`` a line.

Its published lists hold absolute paths of the machine they were made on, so :func:`read_list` can re-base them: an
absolute path is matched by its longest tail that exists below ``root`` (``/home/me/data/png/cat/7.png`` by
``png/cat/7.png``, say), a relative one by ``root/path``.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from hybrid_sbir.durable import write_durably

_SHOWN = 5


class ListFileError(ValueError):
    """A list file or a mapping that cannot be used; the message names the file, the lines and the reason."""


def read_list(
    path: Path | str,
    root: Path | str | None = None,
    mapping: Mapping[str, int] | None = None,
    keep_existing: bool = False,
) -> tuple[list[str], np.ndarray]:
    """Read a list of ``path<TAB>label`` lines.

    Args:
        path: the list file, UTF-8; empty lines are skipped.
        root: where the listed files are now. Without it the paths are returned as they are written and not looked up.
        mapping: class to label, as :func:`read_mapping` returns it; labels it does not have are refused.
        keep_existing: with a root, leave absolute paths of files that exist as they are.

    Returns:
        The paths in the order of the file, (N,), with a root those below it, and their labels, (N,), int64.

    Raises:
        FileNotFoundError: if listed files do not exist under ``root``; the first ones and their number are given.
        ListFileError: if a line is not ``path<TAB>label``, a path is listed twice or two are one file under ``root``,
            a label is not in ``mapping``, or the list is empty.
    """
    path = Path(path)
    paths: list[str] = []
    labels: list[int] = []
    first_line: dict[str, int] = {}
    bad: list[str] = []
    known = None if mapping is None else set(mapping.values())
    for number, name, label, reason in _rows(path):
        if not reason and name in first_line:
            reason = f"'{name}' was already listed in line {first_line[name]}"
        if not reason and known is not None and label not in known:
            reason = f"label {label} is not in the mapping, which has {len(known)} classes"
        if reason:
            bad.append(f"line {number}: {reason}")
            continue
        first_line[name] = number
        paths.append(name)
        labels.append(label)
    _refuse(path, bad)
    if not paths:
        raise ListFileError(f"{path} lists no file; expected lines of path<TAB>label")
    if root is not None:
        places = _rebase(path, paths, Path(root), keep_existing)
        _refuse_merged(path, paths, places, Path(root))
        paths = places
    return paths, np.array(labels, dtype=np.int64)


def write_list(path: Path | str, paths: Sequence[str], labels: Sequence[int] | np.ndarray) -> None:
    """Write :func:`list_bytes` to the side first: an existing list is replaced whole or not at all.

    Raises:
        ListFileError: as :func:`list_bytes`.
    """
    write_durably(path, list_bytes(paths, labels))


def list_bytes(paths: Sequence[str], labels: Sequence[int] | np.ndarray) -> bytes:
    """Return ``path<TAB>label`` lines.

    Raises:
        ListFileError: if the lengths differ, a path cannot stand on a line (tab, line break, empty), is given twice,
            or a label is negative.
    """
    if len(paths) != len(labels):
        raise ListFileError(f"{len(paths)} paths but {len(labels)} labels; each path needs one label")
    if len(set(paths)) != len(paths):
        raise ListFileError(f"{len(paths) - len(set(paths))} of the {len(paths)} paths are given twice")
    return _lines(zip(paths, (int(label) for label in labels), strict=True))


def read_mapping(path: Path | str) -> dict[str, int]:
    """Read ``class<TAB>label`` lines.

    Returns:
        Label by class, in the order of the labels, so that ``tuple(mapping)`` is the class names by label.

    Raises:
        ListFileError: if a line is not ``class<TAB>label``, a class or a label appears twice, or the labels are not
            0 to K-1.
    """
    path = Path(path)
    labels: dict[str, int] = {}
    owner: dict[int, str] = {}
    bad: list[str] = []
    for number, name, label, reason in _rows(path):
        if not reason and name in labels:
            reason = f"class '{name}' appears twice"
        if not reason and label in owner:
            reason = f"label {label} of '{name}' is already the label of '{owner[label]}'"
        if reason:
            bad.append(f"line {number}: {reason}")
            continue
        labels[name] = label
        owner[label] = name
    _refuse(path, bad)
    if not labels or max(owner) != len(owner) - 1:
        gap = next(label for label in range(len(owner) + 1) if label not in owner)
        raise ListFileError(f"{path} has {len(labels)} classes, but no label {gap}; labels must be 0 to classes - 1")
    return dict(sorted(labels.items(), key=lambda item: item[1]))


def write_mapping(path: Path | str, classes: Sequence[str]) -> None:
    """Write :func:`mapping_bytes` to the side first, then in place of what is there.

    Raises:
        ListFileError: as :func:`mapping_bytes`.
    """
    write_durably(path, mapping_bytes(classes))


def mapping_bytes(classes: Sequence[str]) -> bytes:
    """Return ``class<TAB>label`` lines, the label being the position in ``classes``.

    Raises:
        ListFileError: if a class cannot stand on a line or appears twice.
    """
    if len(set(classes)) != len(classes):
        raise ListFileError(f"a class is named twice among {len(classes)}; names must differ")
    return _lines((name, label) for label, name in enumerate(classes))


def _rows(path: Path) -> Iterator[tuple[int, str, int, str]]:
    """Yield (line number, name, label, reason why the line is bad or '') of every line that is not empty."""
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise FileNotFoundError(f"no list file {path}") from None
    for number, line in enumerate(text.split("\n"), start=1):  # splitlines would also split at U+2028 and the like
        line = line.removesuffix("\r")
        if not line:
            continue
        name, tab, label = line.partition("\t")
        if not tab or "\t" in label:
            yield number, name, -1, f"expected name<TAB>label, got {_short(line)} with {line.count(chr(9))} tabs"
        elif not name:
            yield number, name, -1, "the name before the tab is empty"
        elif not (label.isascii() and label.isdecimal() and len(label) <= 18):
            yield number, name, -1, f"the label must be a whole number from 0 on, got {_short(label)}"
        else:
            yield number, name, int(label), ""


def _lines(rows: Iterator[tuple[str, int]]) -> bytes:
    text = []
    for name, label in rows:
        if not name or name.startswith("\ufeff") or any(mark in name for mark in "\t\n\r"):
            raise ListFileError(f"{_short(name)} cannot stand on a line: empty, or with a tab, line break or BOM")
        if label < 0:
            raise ListFileError(f"label {label} of {_short(name)} is negative; labels are whole numbers from 0 on")
        text.append(f"{name}\t{label}\n")
    content = _encode("".join(text))
    if content is None:
        raise ListFileError("a name is not text that can be written and read back")
    return content


def _encode(text: str) -> bytes | None:
    """Encode names as the file system gives them (undecodable bytes are lone surrogates), if that can be undone."""
    try:
        content = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    return content if content.decode("utf-8", "surrogateescape") == text else None


def _rebase(list_file: Path, paths: list[str], root: Path, keep_existing: bool) -> list[str]:
    """Return where the listed files are, below ``root``; absolute only where ``keep_existing`` keeps them."""
    above = os.path.join(root, "")  # noqa: PTH118 joined to a million paths

    @cache
    def folders(parent: str) -> list[str]:
        """Return the existing folders under ``root`` that a file of ``parent`` may lie in, longest tail first."""
        parts = [part for part in parent.split("/") if part not in ("", ".")]
        starts = range(len(parts) + 1) if parent.startswith("/") else (0,)
        tails = ("".join(f"{part}/" for part in parts[start:]) for start in starts)
        return [tail for tail in tails if os.path.isdir(above + tail)]  # noqa: PTH112

    found, missing = [], []
    for path in paths:
        if keep_existing and path.startswith("/") and os.path.isfile(path):  # noqa: PTH113
            found.append(path)
            continue
        if ".." in path.split("/"):
            raise ListFileError(f"{list_file} lists '{path}': '..' is not allowed in a path below {root}")
        parent, _, name = path.rpartition("/")
        parent = parent or ("/" if path.startswith("/") else "")
        places = (folder + name for folder in folders(parent))
        here = next((place for place in places if os.path.isfile(above + place)), None)  # noqa: PTH113
        found.append(here) if here else missing.append(path)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise FileNotFoundError(
            f"{len(missing)} of the {len(paths)} files in {list_file} are not under {root}: "
            f"{', '.join(missing[:_SHOWN])}{more}; root must be the folder that their tails are in"
        )
    return found


def _refuse_merged(list_file: Path, paths: list[str], places: list[str], root: Path) -> None:
    """Refuse different entries that became one file: one of them is missing, and its label would be wrong."""
    above = os.path.abspath(root)  # noqa: PTH100
    listed_as: dict[str, str] = {}
    merged = []
    for path, place in zip(paths, places, strict=True):
        first = listed_as.setdefault(os.path.normpath(os.path.join(above, place)), path)  # noqa: PTH118
        if first is not path:
            merged.append(f"'{first}' and '{path}' are both {place}")
    if merged:
        more = f"; and {len(merged) - _SHOWN} more" if len(merged) > _SHOWN else ""
        raise ListFileError(
            f"{list_file} lists different paths that are one file under {root}: {'; '.join(merged[:_SHOWN])}{more}; "
            "give the root below which all of them lie, or remove the repeated lines"
        )


def _refuse(path: Path, bad: list[str]) -> None:
    if bad:
        more = f"; and {len(bad) - _SHOWN} more bad lines" if len(bad) > _SHOWN else ""
        raise ListFileError(f"{path}, {'; '.join(bad[:_SHOWN])}{more}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
