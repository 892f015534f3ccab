"""The parts of a run's metrics.json, checked as they are taken out: what does not fit is a ValueError that names it."""

import re
from typing import Any, NamedTuple

KINDS = {
    "ClassificationTask": "classification",
    "ContrastiveTask": "retrieval",
    "TripletTask": "retrieval",
    "UnimodalRetrieval": "unimodal",
}
"""A task's class -> what kind of result it gives; another class is a kind of its own, by its name."""

MEASURES = ("top1", "top5", "map", "mrr", "p10")
"""Scores that are fractions from 0 to 1, whatever evaluation or group of classes they are of."""

_SEED = re.compile(r"^(?P<row>.+)-seed(?P<seed>\d+)$")


class Name(NamedTuple):
    """A run's name: ``resnet26-pretrained-modern-seed1/stage3`` has the row, the seed and the part that follows.

    A name without a seed is a row as it stands, and its seed None.
    """

    row: str
    seed: int | None
    part: str

    @classmethod
    def of(cls, name: str) -> "Name":
        """Take a name apart."""
        words = name.split("/")
        for place, word in enumerate(words):
            if found := _SEED.match(word):
                return cls("/".join([*words[:place], found["row"]]), int(found["seed"]), "/".join(words[place + 1 :]))
        return cls(name, None, "")


class Scores(NamedTuple):
    """Fractions by name, and the part of the record each is from."""

    values: dict[str, float]
    sections: dict[str, str]

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Scores":
        """Take the scores out of a record: a later evaluation counts more than the best epoch of training.

        Raises:
            ValueError: if a score is no fraction.
        """
        values: dict[str, float] = {}
        sections: dict[str, str] = {}
        for section in ("best", "validate", "test"):
            for name, value in mapping(record, section).items():
                if "/" in name and not name.endswith("loss") and _is_fraction(value, f"{section}'s {name}"):
                    values[name], sections[name] = float(value), section
        return cls(values, sections)


def details(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what was said beside the means, by evaluation: each class's scores, sizes, remarks."""
    found: dict[str, dict[str, Any]] = {}
    for section in ("validate", "test"):
        said = mapping(mapping(record, section), "details")
        found |= {name: about for name, about in said.items() if isinstance(about, dict)}
    return found


def kind(config: dict[str, Any]) -> str:
    """Return what kind of result a run of this configuration gives."""
    task = str(mapping(config, "model", needed=True).get("class_path") or "ClassificationTask").rpartition(".")[2]
    return KINDS.get(task, task)


def mapping(holder: dict[str, Any], name: str, needed: bool = False) -> dict[str, Any]:
    """Return a part that is an object; an empty one where there is none and none is needed.

    Raises:
        ValueError: if it is something else.
    """
    value = holder.get(name)
    if value is None and not needed:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {'missing' if value is None else 'no object'}")
    return value


def count(record: dict[str, Any], name: str, missing: int = 0) -> int:
    """Return a whole number from 0; ``missing`` where there is none.

    Raises:
        ValueError: if it is something else.
    """
    value = record.get(name)
    if value is None:
        return missing
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2**63:
        raise ValueError(f"{name} is {str(value)[:40]}; a number from 0 was expected")
    return int(value)


def _is_fraction(value: Any, what: str) -> bool:
    """Whether it is a score; a measure that is out of its range is damage, another number is none of ours."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 0 <= value <= 1:
        return True
    if value is not None and what.endswith(MEASURES):
        raise ValueError(f"{what} is {str(value)[:40]}; a fraction from 0 to 1 was expected")
    return False
