"""What variants are called in print, and which family a reader takes them for."""

import re
from collections.abc import Sequence
from typing import Literal

Family = Literal["convolutional", "attentional", "hybrid", "non-local"]

FAMILIES: tuple[Family, ...] = ("convolutional", "attentional", "hybrid", "non-local")

_WORDS = {"resnet": "ResNet", "san": "SAN", "hib": "HIB", "pure": "Pure", "nl": "NL", "vit": "ViT", "botnet": "BoTNet"}
_WORDS |= {"googlenet": "GoogLeNet", "se": "SE", "resnext": "ResNeXt", "sasa": "SASA"}
_ATTENTIONAL = ("san", "vit", "sasa", "pure_")


def print_name(backbone: str) -> str:
    """Return a backbone's name as the thesis prints it: ``hib_patch_2_2_nl`` is HIB patch 2-2 (nl)."""
    stem, with_nl = (backbone[:-3], " (nl)") if _is_augmented(backbone) else (backbone, "")
    stem = re.sub(r"_(\d+)_(\d+)", r" \1-\2", stem).replace("_", " ")
    return " ".join(_word(word) for word in stem.split()) + with_nl


def _word(word: str) -> str:
    name = re.match(r"([a-z]+)(\d*)$", word)
    return _WORDS.get(name[1], name[1]) + name[2] if name else word


def _is_augmented(backbone: str) -> bool:
    """Whether some blocks of a variant were replaced by non-local ones; Pure NL consists of them."""
    return backbone.endswith("_nl") and backbone != "pure_nl"


def is_augmented(row: str) -> bool:
    """Whether a row's backbone is one of the thesis's "(nl)" variants."""
    return _is_augmented(row.partition("-")[0].rpartition("/")[2])


def family(row: str) -> Family:
    """Tell a row's family by its backbone's name; what is not known as attentional or hybrid is convolutional."""
    backbone = row.rpartition("/")[2].partition("-")[0]
    if backbone == "pure_nl" or backbone.startswith("hib_nl"):
        return "non-local"
    if backbone.startswith(("hib", "botnet")):
        return "hybrid"
    return "attentional" if backbone.startswith(_ATTENTIONAL) else "convolutional"


def print_names(rows: Sequence[str]) -> dict[str, str]:
    """Return rows' names in print, without the settings that all of them share.

    ``resnet26-pre`` and ``hib_patch_2_2-pre`` are ResNet26 and HIB patch 2-2; beside ``resnet26-post``, the order of
    activation is said of each.
    """
    parts = {row: row.rpartition("/")[2].split("-") for row in rows}
    longest = max((len(words) for words in parts.values()), default=0)
    differ = [len({tuple(words[place : place + 1]) for words in parts.values()}) > 1 for place in range(longest)]
    return {row: ", ".join([print_name(words[0]), *_told(words, differ)]) for row, words in parts.items()}


def _told(words: list[str], differ: list[bool]) -> list[str]:
    told = [word for word, tell in zip(words[1:], differ[1:], strict=False) if tell]
    return [" ".join(told)] if told else []
