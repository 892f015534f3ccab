"""A model to publish or to put into an index: weights, how to build it, how images are prepared; one .safetensors file.

Loading it runs no code. Its tensors' SHA-256 stands in its header, so that a flipped bit is found. Layers that both
branches share are stored once.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hybrid_sbir.durable import write_durably
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models import Classifier, TwoBranch
from hybrid_sbir.models.checkpoints import CheckpointError, read_state
from hybrid_sbir.models.two_branch import DOMAINS, Domain
from hybrid_sbir.models.weights import load_strictly

MODEL_SUFFIX = ".safetensors"
_FORMAT = "hybrid_sbir.encoder.1"
_KINDS: dict[str, Any] = {"two_branch": TwoBranch, "classifier": Classifier}


def model_file_bytes(
    model: nn.Module, preparation: Mapping[Domain, Preparation], about: Mapping[str, Any] | None = None
) -> bytes:
    """Return a model file's contents; the same model gives the same bytes."""
    kind = "two_branch" if isinstance(model, TwoBranch) else "classifier"
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    unique, aliases = _unique(state)
    header = {
        "kind": kind,
        "plan": model.plan(),  # type: ignore[operator]
        "preparation": {domain: preparation[domain]._asdict() for domain in DOMAINS},
        "aliases": aliases,
        "about": dict(about or {}),
        "sha256": _digest(unique),
    }
    return save(unique, {"format": _FORMAT, "header": json.dumps(header, sort_keys=True)})


def write_model_file(
    path: Path, model: nn.Module, preparation: Mapping[Domain, Preparation], about: Mapping[str, Any] | None = None
) -> None:
    """Write a model file; it appears whole or not at all."""
    write_durably(path, model_file_bytes(model, preparation, about))


def read_model_file(path: Path) -> tuple[nn.Module, dict[Domain, Preparation], dict[str, Any]]:
    """Build the model in a file, in evaluation mode.

    Returns:
        The model, how images of each domain are prepared, and what is said about it.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if it is damaged, altered, or no model file of this package.
    """
    state = read_state(path)
    with safe_open(str(path), "pt") as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path.name} is no model to search with; make one: hybrid-sbir export RUN --out FILE")
    header = json.loads(metadata["header"])
    if _digest(state) != header["sha256"]:
        raise CheckpointError(f"{path.name} is damaged: its weights do not match their SHA-256; fetch it again")
    for name, stored in header["aliases"].items():
        state[name] = state[stored]
    model = _KINDS[header["kind"]].of(header["plan"])
    load_strictly(model, state)
    preparation: dict[Domain, Preparation] = {d: Preparation(**header["preparation"][d]) for d in DOMAINS}
    return model.eval(), preparation, header["about"]


def _unique(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Leave out what is stored under an earlier name already; name -> that earlier name."""
    first: dict[tuple[int, tuple[int, ...]], str] = {}
    unique, aliases = {}, {}
    for name, tensor in state.items():
        place = (tensor.data_ptr(), tuple(tensor.shape))
        if tensor.numel() and place in first:
            aliases[name] = first[place]
        else:
            first[place] = name
            unique[name] = tensor
    return unique, aliases


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(-1).numpy().tobytes())
    return digest.hexdigest()
