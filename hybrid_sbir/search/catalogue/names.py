"""Names of files as ids and back: an id is one line of UTF-8 that shows what it says, whatever the file is called.

Characters that would break a line, turn the direction of text round, or are no UTF-8 stand as ``%XX``, a byte each;
so does a ``%`` that could be taken for one of these. All other names are ids as they are.
"""

import os
import re
import unicodedata

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")

_ESCAPED = re.compile(r"%([0-9A-F]{2})")
_LOOKS_ESCAPED = re.compile(r"%(?=[0-9A-F]{2})")
_ODD = ("Cc", "Cs", "Zl", "Zp")  # controls, bytes that are no UTF-8, separators of lines and paragraphs
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def quoted(name: str) -> str:
    """Return the id of a path; different paths have different ids."""
    if name.isascii() and name.isprintable() and "%" not in name:
        return name
    name = _LOOKS_ESCAPED.sub("%25", name)
    return "".join(_escape(c) if c in _BIDI or unicodedata.category(c) in _ODD else c for c in name)


def unquoted(photo: str) -> str:
    """Return the path that an id stands for, as the file system's functions take it."""
    if "%" not in photo:
        return photo
    return os.fsdecode(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), _as_latin(photo)).encode("latin-1"))


def _as_latin(photo: str) -> str:
    """The UTF-8 bytes of an id, a character each."""
    return photo.encode("utf-8", "surrogateescape").decode("latin-1")


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in os.fsencode(character))


def is_photo(name: str) -> bool:
    """Whether a name ends as image files' names do."""
    return name.lower().endswith(SUFFIXES)


def is_hidden(part: str) -> bool:
    """Whether a part of a path is hidden: begins with a dot, or is what another system keeps beside its files."""
    return part.startswith(".") or part == "__MACOSX"


def path_of(photo: str) -> str | None:
    """Return the relative path that an id stands for; None where it is absolute, leads upwards, or is no id of ours."""
    try:
        name = unquoted(photo)
        safe = "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))
        return name if safe and quoted(name) == photo else None
    except ValueError:  # no UTF-8
        return None
