"""Options that are lists: words with commas or spaces between them, checked one by one."""

import re
from collections.abc import Sequence

import torch

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}


def split(text: str) -> list[str]:
    """The words of ``text``, with commas or spaces between them."""
    return [word for word in re.split(r"[,\s]+", text) if word]


def words(noun: str, text: str, known: Sequence[str]) -> list[str]:
    """Split ``text`` into words; all ``known`` ones where it is empty.

    Raises:
        ValueError: if a word is not known; lists those that are.
    """
    chosen = split(text)
    for word in chosen:
        if word not in known:
            raise ValueError(f"no {noun} '{word}'; there are: {', '.join(known)}")
    return chosen or list(known)


def choose_dtypes(text: str) -> list[torch.dtype]:
    """The floating types that ``text`` names.

    Raises:
        ValueError: if one is not known, or none is named.
    """
    if not text.strip():
        raise ValueError(f"dtypes is empty; name some of: {', '.join(_DTYPES)}")
    return [_DTYPES[word] for word in words("type", text, list(_DTYPES))]


def choose_sizes(text: str, batch: int) -> list[tuple[int, int, int]]:
    """Batch, side and channels of each ``SIDE:CHANNELS`` in ``text``.

    Raises:
        ValueError: if a part is not two whole numbers with a colon between them.
    """
    try:
        pairs = [tuple(int(number) for number in part.split(":")) for part in split(text)]
        return [(batch, side, channels) for side, channels in pairs]
    except ValueError as error:
        raise ValueError(f"sizes is '{text}'; give SIDE:CHANNELS, as in 14:256,28:256") from error
