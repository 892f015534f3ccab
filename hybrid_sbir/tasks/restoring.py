"""What a checkpoint says about its model and classes, and whether it fits the present ones."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

KEY = "classifier"
BRANCHES_KEY = "two_branch"

_NAMES = {"spec": "backbone", "options": "backbone", "branches": "pair of branches"}

_ADVICE = (
    "use the data it was trained with, or start a new run from its weights: --model.init_args.init_from FILE "
    "--model.init_args.init_head false"
)


class Planned(Protocol):
    """A model that can say how it was built."""

    @property
    def num_classes(self) -> int:
        """How many classes it tells apart."""

    def plan(self) -> dict[str, Any]:
        """Return what is needed to build it again, as plain values."""


def describe(model: Planned, classes: Sequence[str], fingerprint: str | None = None) -> dict[str, Any]:
    """Return what is needed to build ``model`` again, the classes it tells apart, and the fingerprint of its data.

    ``plan`` is what :func:`hybrid_sbir.models.weights.save_classifier` stores too.
    """
    return {"plan": model.plan(), "classes": list(classes), "data": fingerprint}


def check_same_data(checkpoint: Mapping[str, Any], fingerprint: str | None, key: str = KEY) -> None:
    """Refuse to continue a run with other data; one that does not say what it was trained on passes.

    Raises:
        ValueError: names both fingerprints, and what to do.
    """
    stored = checkpoint.get(key, {}).get("data")
    if stored and fingerprint and stored != fingerprint:
        raise ValueError(
            f"the run was trained on data with the fingerprint {stored[:12]}, these have {fingerprint[:12]} (other "
            "samples, split or order; metrics.json names the data); continue with the same data, or start a new run "
            "from its weights: --model.init_args.init_from FILE"
        )


def check_restorable(checkpoint: Mapping[str, Any], model: Planned, classes: Sequence[str], key: str = KEY) -> None:
    """Refuse a checkpoint of another model or of other classes; one without a description passes.

    Raises:
        ValueError: says what the checkpoint holds, what the configuration asks for, and what to do.
    """
    other = {KEY, BRANCHES_KEY} & set(checkpoint) - {key}
    if other:
        raise ValueError(
            f"the checkpoint holds a {other.pop()} model, this task trains a {key} model; give a checkpoint "
            "of the same kind, or start from its weights (init_from; ContrastiveTask: init_sketch, init_photo)"
        )
    if key not in checkpoint:
        return
    own, stored = describe(model, classes), checkpoint[key]
    if stored["classes"] and own["classes"] and stored["classes"] != own["classes"]:
        raise ValueError(_other_classes(stored["classes"], own["classes"]))
    if stored["plan"]["num_classes"] != model.num_classes:
        raise ValueError(
            f"the checkpoint's model tells {stored['plan']['num_classes']} classes apart, but the data has "
            f"{model.num_classes}; {_ADVICE}"
        )
    check_same_plan(own["plan"], stored["plan"])


def check_same_plan(own: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Refuse weights of a model that was built otherwise: shapes alone do not tell a stem or a footprint.

    Args:
        own: the plan of the present model, or some of its parts.
        stored: the plan of the model in a file.

    Raises:
        ValueError: says where they differ.
    """
    for part in (name for name, value in own.items() if isinstance(value, dict)):
        ours, theirs = own[part], stored.get(part, {})
        differing = [name for name in ours if _plain(ours[name]) != _plain(theirs.get(name))]
        if differing:
            words = "; ".join(_difference(name, theirs.get(name), ours[name]) for name in differing)
            raise ValueError(
                f"the checkpoint holds another {_NAMES.get(part, part)}: {words}. Use the configuration it was trained "
                "with"
            )


def _difference(name: str, there: Any, here: Any) -> str:
    """Where two values first differ, inside lists and dictionaries of the same shape."""
    if isinstance(there, dict) and isinstance(here, dict) and there.keys() == here.keys():
        inside = [(f"{name}.{key}", there[key], here[key]) for key in there]
    elif isinstance(there, list | tuple) and isinstance(here, list | tuple):
        if len(there) != len(here):
            return f"{name} has {len(there)} entries there and {len(here)} here"
        inside = [(f"{name}[{place}]", *pair) for place, pair in enumerate(zip(there, here, strict=True))]
    else:
        return f"{name} is {_short(there)} there and {_short(here)} here"
    return next(_difference(*parts) for parts in inside if _plain(parts[1]) != _plain(parts[2]))


def _other_classes(stored: Sequence[str], own: Sequence[str]) -> str:
    gone, new = sorted(set(stored) - set(own)), sorted(set(own) - set(stored))
    difference = f"missing in the data: {_some(gone)}; new in the data: {_some(new)}"
    if not gone and not new:
        difference = "the same names in another order"
    return f"the checkpoint was trained on {len(stored)} classes, the data has {len(own)} ({difference}); {_ADVICE}"


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"


def _plain(value: Any) -> str:
    """A value as text, in which tuples and lists are alike."""
    return json.dumps(value, sort_keys=True)


def _short(value: Any) -> str:
    text = _plain(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
