"""Single samples of the embedded set: each is decided by (seed, split, domain, class, index) and nothing else."""

import zlib
from typing import Literal, get_args

import numpy as np
from PIL import Image

from hybrid_sbir.data.embedded.photo import render_photo
from hybrid_sbir.data.embedded.sketch import render_sketch

Split = Literal["train", "val", "test"]
Domain = Literal["sketch", "photo"]
MIN_SIZE, MAX_SIZE = 16, 2048


def check_choice(what: str, got: str, allowed: object) -> None:
    """Refuse a word that is not among those of a Literal.

    Raises:
        ValueError: naming what was got and what is allowed.
    """
    if got not in get_args(allowed):
        raise ValueError(f"{what} must be one of {', '.join(get_args(allowed))}; got {got!r}")


def check_size(size: int) -> None:
    """Refuse pictures too small to show anything, or absurdly large.

    Raises:
        ValueError: naming the allowed range.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size must be {MIN_SIZE} to {MAX_SIZE} pixels; got {size}")


def sample_generator(seed: int, split: Split, domain: Domain, name: str, index: int) -> np.random.Generator:
    """The random numbers of one sample.

    Raises:
        ValueError: an unknown split or domain, a negative seed or index.
    """
    check_choice("split", split, Split)
    check_choice("domain", domain, Domain)
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index must be 0 or more; got seed {seed}, index {index}")
    return np.random.default_rng([seed, index, zlib.crc32(f"{split}/{domain}/{name}".encode())])


def draw_sketch(name: str, index: int = 0, split: Split = "train", seed: int = 0, size: int = 64) -> Image.Image:
    """One sketch of a class, mode L, black on white.

    Args:
        name: one of CLASSES.
        index: which of the endlessly many.
        split: train, val and test never share a sample.
        seed: another seed is another set.
        size: side of the picture in pixels; the drawing is the same at every size.

    Raises:
        ValueError: an unknown class or split, a size, seed or index out of range.
    """
    check_size(size)
    return render_sketch(name, sample_generator(seed, split, "sketch", name, index), size)


def draw_photo(name: str, index: int = 0, split: Split = "train", seed: int = 0, size: int = 64) -> Image.Image:
    """One photo of a class, mode RGB; arguments and errors are those of `draw_sketch`.

    Only the camera's noise differs between sizes.
    """
    check_size(size)
    return render_photo(name, sample_generator(seed, split, "photo", name, index), size)
