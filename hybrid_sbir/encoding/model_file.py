"""A model to publish or to put into an index: weights, how to build it, how images are prepared; one .safetensors file.

Loading it runs no code, and builds nothing larger than what is stored. Its header carries the SHA-256 of the tensors
and its own, so that a flipped bit is found. Layers that both branches share are stored once.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hybrid_sbir.durable import write_durably
from hybrid_sbir.encoding.model_header import FORMAT, Header, read_header
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models import Classifier, TwoBranch
from hybrid_sbir.models.checkpoints import CheckpointError, read_state
from hybrid_sbir.models.two_branch import DOMAINS, Domain
from hybrid_sbir.models.weights import check_fits, load_strictly

MODEL_SUFFIX = ".safetensors"
_KINDS: dict[str, Any] = {"two_branch": TwoBranch, "classifier": Classifier}
_KEPT = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)


class ModelFile(NamedTuple):
    """A model file's contents.

    Attributes:
        model: in evaluation mode.
        preparation: how images of each domain are prepared.
        about: what is said of the model.
    """

    model: nn.Module
    preparation: dict[Domain, Preparation]
    about: dict[str, Any]


def model_file_bytes(
    model: nn.Module, preparation: Mapping[Domain, Preparation], about: Mapping[str, Any] | None = None
) -> bytes:
    """Return a model file's contents; the same model gives the same bytes."""
    unique, aliases = _unique(model.state_dict())
    header = {
        "kind": "two_branch" if isinstance(model, TwoBranch) else "classifier",
        "plan": model.plan(),  # type: ignore[operator]
        "preparation": {domain: preparation[domain]._asdict() for domain in DOMAINS},
        "aliases": aliases,
        "about": dict(about or {}),
        "sha256": _digest(unique),
    }
    text = json.dumps(header, sort_keys=True)
    return _labelled(
        save(unique), {"format": FORMAT, "header": text, "seal": hashlib.sha256(text.encode()).hexdigest()}
    )


def _labelled(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Add metadata to a .safetensors, in the order of its names; the library's own order changes from call to call."""
    length = int.from_bytes(content[:8], "little")
    entries = {"__metadata__": dict(metadata), **json.loads(content[8 : 8 + length])}
    text = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of a model's tensors by name, hexadecimal: the ``sha256`` in its file's header."""
    return _digest(_unique(model.state_dict())[0])


def write_model_file(
    path: Path, model: nn.Module, preparation: Mapping[Domain, Preparation], about: Mapping[str, Any] | None = None
) -> None:
    """Write a model file; it appears whole or not at all."""
    write_durably(path, model_file_bytes(model, preparation, about))


def read_model_file(path: Path) -> ModelFile:
    """Build the model in a file.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if it is damaged, altered, or no model file of this package.
    """
    header = _header(path)
    state = _state(path, header)
    kind = _KINDS[header.kind]
    _check_size(header.plan, len(state), path.name)
    try:
        with torch.device("meta"):  # nothing of the size that a header claims is allocated before the tensors fit it
            check_fits(kind.of(header.plan), state)
        model = kind.of(header.plan)
    except CheckpointError as problem:
        raise CheckpointError(f"{path.name}: {problem}") from problem
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError, MemoryError) as problem:
        raise CheckpointError(f"{path.name} describes no model of this package: {problem}") from problem
    load_strictly(model, state)
    return ModelFile(model.eval(), header.preparation, header.about)


def _header(path: Path) -> Header:
    if not path.is_file():
        raise FileNotFoundError(f"no model file {path}")
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError, MemoryError) as problem:
        raise CheckpointError(f"{path.name} is cut short, damaged or no .safetensors file ({problem})") from problem
    if metadata.get("format") != FORMAT:
        kind = metadata.get("format", "without a word on its format")
        raise CheckpointError(
            f"{path.name} ({kind}) does not say how images are prepared for it, so nothing can be searched with it; "
            "make a file that does: hybrid-sbir export RUN --out FILE.safetensors (of a classifier without its run: "
            "with --transform and --size)"
        )
    return read_header(metadata, path.name)


def _state(path: Path, header: Header) -> dict[str, Tensor]:
    """Every tensor by every name, known to be those that were written."""
    stored = read_state(path)
    other = sorted({str(tensor.dtype) for tensor in stored.values() if tensor.dtype not in _KEPT})
    if other:
        raise CheckpointError(f"{path.name} holds {', '.join(other)}; weights are floating point numbers")
    if _digest(stored) != header.sha256:
        raise CheckpointError(f"{path.name} is damaged: its weights do not match their SHA-256; fetch it again")
    for alias, name in header.aliases.items():
        if alias in stored or name not in stored:
            raise CheckpointError(f"{path.name} is damaged: '{alias}' stands for '{name}', which cannot be")
    return stored | {alias: stored[name] for alias, name in header.aliases.items()}


def _check_size(plan: Mapping[str, Any], tensors: int, name: str) -> None:
    """Refuse a plan of more blocks than there are tensors before its blocks are built, one after the other."""
    stages = (plan.get("spec") or {}).get("stages") if isinstance(plan.get("spec"), dict) else None
    try:
        depth = sum(max(int(stage["depth"]), 1) for stage in stages or [])
    except (TypeError, KeyError, ValueError, OverflowError) as problem:
        raise CheckpointError(f"{name} describes no model of this package: {problem!r} in its stages") from problem
    if depth > tensors:
        raise CheckpointError(f"{name} describes {depth:,} blocks, but holds {tensors:,} tensors: it is damaged")


def _unique(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Leave out what is stored under an earlier name already; name -> that earlier name."""
    first: dict[tuple[Any, ...], str] = {}
    unique, aliases = {}, {}
    for name, tensor in state.items():
        place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride())
        if tensor.numel() and place in first:
            aliases[name] = first[place]
        else:
            first[place] = name
            unique[name] = tensor.detach().cpu().contiguous()
    return unique, aliases


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
