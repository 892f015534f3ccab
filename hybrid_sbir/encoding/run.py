"""What a run left, as an encoder's parts: its model, how it prepared images, and what is to be said of it."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

import hybrid_sbir
from hybrid_sbir.encoding.preparation import Preparation, of_run
from hybrid_sbir.encoding.trained_model import TrainedModel, backbone_of, load_model, run_name
from hybrid_sbir.models import TwoBranch
from hybrid_sbir.models.two_branch import DOMAINS, Domain

_EVALUATIONS = ("test", "validate")


def load_run(
    path: Path, transform: str | None = None, size: int | None = None
) -> tuple[nn.Module, dict[Domain, Preparation], dict[str, Any]]:
    """Load the model of a run.

    Args:
        path: the run's folder (its best checkpoint, else its last) or a .ckpt inside it; of a classifier also a
            published file, with the next two.
        transform: preset that prepares the images, where no configuration beside the file says it.
        size: side in pixels that it gives, likewise.

    Returns:
        The model in evaluation mode, how images of each domain are prepared, and what is said of it.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError, ValueError: if the file or the run's record is damaged, it holds no model, or nothing says how images
            are prepared.
    """
    if path.is_dir() and not (path / "checkpoints").is_dir():
        raise FileNotFoundError(f"{path} is no run's folder: it has no folder 'checkpoints'; give a run, or a file")
    trained = load_model(path)
    if transform is None and size is None:
        preparation = of_run(trained)
    elif transform is None or size is None:
        raise ValueError("give --transform and --size together: a preset and the side in pixels that it gives")
    else:
        own = Preparation(transform, size, backbone_of(trained.model).in_channels)
        own.transform()  # refuses what there is not
        preparation = dict.fromkeys(DOMAINS, own)
    return trained.model, preparation, about(trained)


def about(trained: TrainedModel) -> dict[str, Any]:
    """Say of a run's model what its files say: plain values, without any path of this machine.

    Returns:
        ``name``, ``kind``, ``backbone``, ``parameters``, ``classes``, ``checkpoint`` and ``versions``; where the run
        has a metrics.json also ``data`` (module, sets, fingerprint, number of classes), ``task``, ``trained`` and, if
        it was this checkpoint that was scored, ``scores``: evaluation -> ``values`` and ``sets`` (their sizes and
        remarks).

    Raises:
        ValueError: if that file is damaged.
    """
    model = trained.model
    found: dict[str, Any] = {
        "name": run_name(trained.path),
        "kind": "two_branch" if isinstance(model, TwoBranch) else "classifier",
        "parameters": sum(p.numel() for p in model.parameters()),
        "classes": list(trained.classes),
        "checkpoint": trained.path.name,
        "versions": {"hybrid-sbir": hybrid_sbir.__version__, "torch": str(torch.__version__)},
    }
    record = trained.path.parent.parent / "metrics.json"
    if trained.path.parent.name != "checkpoints" or not record.is_file():
        return found
    try:
        return found | _recorded(json.loads(record.read_bytes()), trained.path.name)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as problem:
        raise ValueError(
            f"{record} is damaged ({problem!r}): evaluate the run again, or move the file away to go on without scores"
        ) from problem


def _recorded(record: dict[str, Any], checkpoint: str) -> dict[str, Any]:
    config = record.get("config") or {}
    model = config.get("model") or {}
    options = model.get("init_args") or {}
    kept = ("activation", "width", "stem", "shared_stages", "shared_norm", "head", "embedding_size")
    return {
        "backbone": options.get("backbone"),
        "options": {name: options[name] for name in kept if name in options},
        "data": dict(record["data"]) | {"sets": _sets((config.get("data") or {}).get("init_args") or {})},
        "task": str(model.get("class_path")).rpartition(".")[2],
        "trained": {
            "seed": record.get("seed"),
            "epochs": record.get("epochs"),
            "precision": (record.get("device") or {}).get("precision"),
            "versions": dict(record.get("versions") or {}),
            "commit": (record.get("git") or {}).get("commit"),
        },
        "scores": {
            name: _evaluation(record[name])
            for name in _EVALUATIONS
            if name in record and Path(record[name].get("checkpoint") or "").name == checkpoint
        },
    }


def _sets(options: dict[str, Any]) -> dict[str, str]:
    """What the sets of a retrieval are: role -> class and name."""
    found = {}
    for role in ("sketches", "photos", "test_sketches", "test_photos"):
        given = options.get(role) or {}
        kind, name = str(given.get("class_path", "")).rpartition(".")[2], (given.get("init_args") or {}).get("name")
        if kind:
            found[role] = f"{kind} ({name})" if name else kind
    return found


def _evaluation(scored: dict[str, Any]) -> dict[str, Any]:
    """Its numbers, and of each set the sizes and the remarks without which a number means nothing."""
    values = {name: value for name, value in scored.items() if isinstance(value, float)}
    details = scored.get("details") or {}
    sets = {
        name: {key: each[key] for key in ("queries", "catalogue", "samples", "remarks") if key in each}
        for name, each in details.items()
    }
    return {"values": values, "sets": sets, "data": dict(scored.get("data") or {})}
