"""A folder of ONNX graphs: ``sketch.onnx`` and ``photo.onnx``, the weights as a model file, and a manifest of them.

The manifest carries the SHA-256 of every file and its own. S side, E embedding size.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybrid_sbir.encoding.model_header import read_preparation
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models.checkpoints import CheckpointError
from hybrid_sbir.models.two_branch import DOMAINS, Domain

MANIFEST = "manifest.json"
FORMAT = "hybrid_sbir.onnx.1"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class OnnxManifest:
    """What a folder of graphs says of itself.

    Attributes:
        embedding_size: E.
        smallest: side in pixels of the smallest image that the model takes.
        opset: version of ONNX's operators.
        graphs: "sketch:64" -> file of the graph of sketches of side 64.
        files: name -> length and SHA-256, of every file beside the manifest.
        difference: the largest from PyTorch that was found, in any component of a unit vector.
        preparation: how images of each domain are prepared.
        about: what is said of the model.
        weights: SHA-256 of its tensors, as in the header of its model file.
        versions: of what made it.
    """

    embedding_size: int
    smallest: int
    opset: int
    graphs: dict[str, str]
    files: dict[str, dict[str, Any]]
    difference: float
    preparation: dict[Domain, Preparation]
    about: dict[str, Any]
    weights: str
    versions: dict[str, str]


def graph_key(domain: Domain, side: int) -> str:
    """Return how a graph is called in the manifest."""
    return f"{domain}:{side}"


def is_onnx_folder(path: Path) -> bool:
    """Whether a path is a folder of graphs, be it damaged."""
    try:
        return path.is_dir() and FORMAT.rpartition(".")[0].encode() in (path / MANIFEST).read_bytes()
    except OSError:
        return False


def file_record(path: Path) -> dict[str, Any]:
    """Return a file's length and SHA-256."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def manifest_bytes(manifest: OnnxManifest) -> bytes:
    """Return the manifest's file, sealed."""
    plain = asdict(manifest) | {"preparation": {d: manifest.preparation[d]._asdict() for d in DOMAINS}}
    return (json.dumps({"format": FORMAT, **plain, "seal": _seal(plain)}, indent=1, sort_keys=True) + "\n").encode()


def read_onnx_manifest(folder: Path) -> OnnxManifest:
    """Read a folder's manifest.

    Raises:
        CheckpointError: if there is none, or it is damaged.
    """
    path = folder / MANIFEST
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise CheckpointError(f"{path} cannot be read ({problem}); export the model again") from problem
    if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} is not of the format {FORMAT}; export the model again")
    if plain.pop("seal", None) != _seal(plain):
        raise CheckpointError(f"{path} is damaged: it does not match its SHA-256; export the model again")
    try:
        plain["preparation"] = read_preparation(plain["preparation"], str(path))
        return OnnxManifest(**plain)
    except (TypeError, KeyError, AttributeError) as problem:
        raise CheckpointError(f"{path} is damaged ({problem}); export the model again") from problem


def verified(folder: Path, manifest: OnnxManifest, name: str) -> Path:
    """Return the path of a folder's file once its contents are known to be those that were written.

    Raises:
        CheckpointError: if it is missing, cut short or altered, or none of the manifest's.
    """
    meant = manifest.files.get(name)
    if meant is None or Path(name).name != name:
        raise CheckpointError(f"{folder / MANIFEST} knows no file '{name}'; export the model again")
    path = folder / name
    try:
        found = file_record(path)
    except OSError as problem:
        raise CheckpointError(f"{path} cannot be read: {problem.strerror}; export the model again") from problem
    if found != meant:
        how = "its contents were altered"
        if found["bytes"] != meant["bytes"]:
            how = f"it has {found['bytes']:,} bytes, not {meant['bytes']:,}"
        raise CheckpointError(f"{path} is damaged: {how}; export the model again")
    return path


def weights_of(folder: Path) -> Path:
    """Return the path of the model file in a folder of graphs; errors as :func:`verified`."""
    return verified(folder, read_onnx_manifest(folder), WEIGHTS)


def _seal(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
