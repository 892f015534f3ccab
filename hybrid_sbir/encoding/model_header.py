"""What a model file says of itself, checked before anything is built from it. S side, C channels."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models.checkpoints import CheckpointError
from hybrid_sbir.models.two_branch import DOMAINS, Domain

FORMAT = "hybrid_sbir.encoder.2"

_KINDS = ("two_branch", "classifier")
_LARGEST_SIDE = 4096  # pixels; above it a photo alone takes 200 MB


class Header(NamedTuple):
    """A header's entries.

    Attributes:
        kind: ``"two_branch"`` or ``"classifier"``.
        plan: what builds the model.
        preparation: how images of each domain are prepared.
        aliases: name of a tensor -> the name under which it is stored.
        about: what is said of the model.
        sha256: of the tensors.
    """

    kind: str
    plan: dict[str, Any]
    preparation: dict[Domain, Preparation]
    aliases: dict[str, str]
    about: dict[str, Any]
    sha256: str


def read_header(metadata: Mapping[str, str], file: str) -> Header:
    """Read the header of a model file.

    Raises:
        CheckpointError: if it is damaged, or holds what no header can.
    """
    text = metadata.get("header", "")
    if hashlib.sha256(text.encode()).hexdigest() != metadata.get("seal"):
        raise CheckpointError(f"{file} is damaged: its header does not match its SHA-256; fetch it again")
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise CheckpointError(f"{file} is damaged: its header is no JSON ({problem}); fetch it again") from problem
    names = Header._fields
    if not isinstance(plain, dict) or set(plain) != set(names):
        held = ", ".join(sorted(map(str, plain))) if isinstance(plain, dict) else type(plain).__name__
        raise CheckpointError(f"{file} is damaged: its header has {held}; it must have {', '.join(names)}")
    for name, kind in (("plan", dict), ("preparation", dict), ("aliases", dict), ("about", dict), ("sha256", str)):
        if not isinstance(plain[name], kind):
            raise CheckpointError(f"{file} is damaged: '{name}' of its header is a {type(plain[name]).__name__}")
    if plain["kind"] not in _KINDS:
        raise CheckpointError(f"{file} holds a model of the kind {plain['kind']!r}; known are {', '.join(_KINDS)}")
    if not all(isinstance(name, str) for name in plain["aliases"].values()):
        raise CheckpointError(f"{file} is damaged: an alias in its header is no name of a tensor")
    return Header(**plain | {"preparation": read_preparation(plain["preparation"], file)})


def read_preparation(plain: Mapping[str, Any], file: str) -> dict[Domain, Preparation]:
    """Read how images of each domain are prepared.

    Raises:
        CheckpointError: if a domain is missing, or there is no such preset, size or number of channels.
    """
    found: dict[Domain, Preparation] = {}
    for domain in DOMAINS:
        try:
            one = Preparation(**plain[domain])
            if not (type(one.size) is int and type(one.channels) is int and isinstance(one.preset, str)):
                raise ValueError("sizes are whole numbers, and a preset is a name")
            if not 1 <= one.size <= _LARGEST_SIDE:
                raise ValueError(f"size is {one.size}; it must be 1 to {_LARGEST_SIDE}")
            if not (one.strokes is None or isinstance(one.strokes, dict)):
                raise ValueError("'strokes' are named numbers, or none")
            one.transform()
        except (KeyError, TypeError, ValueError) as problem:
            raise CheckpointError(f"{file} does not say how a {domain} is prepared: {problem}") from problem
        found[domain] = one
    return found
