"""What a run is called in W&B: group, job type, name and tags, from its folder and its configuration.

Runs of a table lie in ``.../table-4.1/PRESET/ROW-seedN``, those of a stage in a folder below that.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TABLE = re.compile(r"table-\d+(\.\d+)?")
_SEEDED = re.compile(r"(?P<row>.+)-seed(?P<seed>\d+)")
_LONGEST = 64  # characters of a W&B tag
_ACTIVATIONS = ("pre", "post")


@dataclass(frozen=True)
class RunNames:
    """What W&B groups, filters and labels a run by.

    Attributes:
        group: the table, "table-4.1"; outside of tables the folder of its runs, unless that is plain "runs".
        job_type: the row, which is the variant: what all seeds have in common.
        name: row, seed and stage.
        tags: activation, data set, preset, recipe and stage, as far as the run has them.
        facts: the same one by one: columns to filter and group by.
    """

    group: str | None
    job_type: str
    name: str
    tags: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def name_run(folder: Path, config: Mapping[str, Any] | None = None, more: Sequence[str] = ()) -> RunNames:
    """Name the run in ``folder``.

    Args:
        folder: of the run, RUNS/NAME.
        config: the command line's whole configuration; without it only the folder speaks.
        more: further tags.
    """
    config = config or {}
    model = (config.get("model") or {}).get("init_args") or {}
    facts = _of_folder(folder) | {"backbone": _word(model.get("backbone")), "dataset": _data_name(config.get("data"))}
    seed = facts.get("seed", config.get("seed_everything"))
    facts["seed"] = seed
    facts["activation"] = model.get("activation") or _activation(facts["row"])
    if facts.get("table") == "table-4.4" and facts.get("stage") in ("stage2", "stage3"):
        facts["recipe"] = facts["row"].rpartition("-")[2]  # BACKBONE-INIT-RECIPE
    name = facts["row"] if seed is None else f"{facts['row']}-seed{seed}"
    if facts.get("stage"):
        name = f"{name}/{facts['stage']}"
    shown = [*(facts.get(key) for key in ("activation", "dataset", "preset", "recipe", "stage")), *more]
    tags = tuple(dict.fromkeys(str(word)[:_LONGEST] for word in shown if word))
    group = facts.get("table") or (folder.parent.name if folder.parent.name not in ("runs", "") else None)
    return RunNames(group, facts["row"], name, tags, {key: value for key, value in facts.items() if value is not None})


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without its nesting: ``{"model/backbone": "resnet26", "model/optimizer": "SGD", ...}``.

    A class stands under its own place, by its short name, and its settings below it. Lists of plain values stay lists.
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        _flatten(str(key), value, found)
    return found


def _flatten(place: str, value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, Mapping) and "class_path" in value:
        found[place] = str(value["class_path"]).rpartition(".")[2]
        for key, inner in (value.get("init_args") or {}).items():
            _flatten(f"{place}/{key}", inner, found)
    elif isinstance(value, Mapping) and value:
        for key, inner in value.items():
            _flatten(f"{place}/{key}", inner, found)
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        for number, part in enumerate(value):
            _flatten(f"{place}/{number}", part, found)
    else:
        found[place] = value


def _of_folder(folder: Path) -> dict[str, Any]:
    """Table, preset, row, seed and stage, as far as the folder's path has them."""
    parts = folder.resolve().parts
    tables = [place for place, part in enumerate(parts) if _TABLE.fullmatch(part)]
    facts: dict[str, Any] = {}
    inner = parts[-1:]
    if tables and len(parts) > tables[-1] + 2:
        facts["table"], facts["preset"] = parts[tables[-1]], parts[tables[-1] + 1]
        inner = parts[tables[-1] + 2 :]
    seeded = _SEEDED.fullmatch(inner[0]) or _SEEDED.fullmatch(inner[-1])
    facts["row"] = seeded["row"] if seeded else inner[-1]
    if seeded:
        facts["seed"] = int(seeded["seed"])
    if len(inner) > 1:  # ROW-seedN/stage3, but also stage1/BACKBONE-INIT-photo and pretrained/BACKBONE
        facts["stage"] = inner[-1] if _SEEDED.fullmatch(inner[0]) else inner[0]
    return facts


def _word(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else "custom"


def _activation(row: str) -> str | None:
    words = [word for word in row.split("-") if word in _ACTIVATIONS]
    return words[0] if words else None


def _data_name(data: Any) -> str | None:
    """The data set: the class's name, or that of prepared data; of two domains both."""
    if not isinstance(data, Mapping) or "class_path" not in data:
        return None
    settings = data.get("init_args") or {}
    parts = [name for key in ("sketches", "photos", "images") if (name := _data_name(settings.get(key)))]
    kind = str(data["class_path"]).rpartition(".")[2]
    own = settings.get("name") if kind == "Prepared" else None
    return "+".join(dict.fromkeys(parts)) or str(own or kind)
