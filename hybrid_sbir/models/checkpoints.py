"""Tensors by name from the files that carry them: .safetensors, .pth / .pt / .ckpt, .npz."""

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

State = dict[str, Tensor]

_WRAPPED_BY = ("state_dict", "model", "model_state_dict")  # where training scripts put a model inside a checkpoint


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or does not fit the model it is meant for."""


def read_state(path: str | Path) -> State:
    """Read a file's tensors by name; nothing in it is executed (``weights_only``, no pickled arrays).

    A wrapping dictionary (``state_dict``) and the prefix ``module.`` of parallel training are taken off; from an .npz
    file the arrays under ``w/`` are taken, or all where there are none.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is of another kind, damaged, or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    if path.suffix not in _READERS:
        raise CheckpointError(f"{path.name}: a checkpoint is one of {', '.join(_READERS)}; got '{path.suffix}'")
    try:
        content = _READERS[path.suffix](str(path))
    except pickle.UnpicklingError as e:  # torch's own text advises to turn the protection off
        raise CheckpointError(
            f"{path.name} cannot be read as {path.suffix}: it is damaged, or holds more than tensors and plain values, "
            f"which is refused because loading it could run code"
        ) from e
    except (SafetensorError, zipfile.BadZipFile, RuntimeError, OSError, EOFError, ValueError, TypeError) as e:
        reason = str(e).splitlines()[0] if str(e) else "cut short"
        raise CheckpointError(f"{path.name} cannot be read as {path.suffix} ({type(e).__name__}: {reason})") from e
    return as_state(content, path.name)


def as_state(content: Mapping[str, Any], source: str = "the state dict") -> State:
    """Take off what wraps a state dict, and the prefix ``module.``.

    Raises:
        CheckpointError: if there are no tensors in it, two of one name, or one that no weight can be.
    """
    for key in _WRAPPED_BY:
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break
    state: State = {}
    for name, value in content.items():
        if not isinstance(value, Tensor) or not isinstance(name, str):
            continue
        if (name := name.removeprefix("module.")) in state:
            raise CheckpointError(f"{source} holds '{name}' twice, with and without the prefix 'module.'; remove one")
        if value.layout != torch.strided or value.is_complex() or value.dtype == torch.bool:
            raise CheckpointError(f"'{name}' of {source} is {value.layout}, {value.dtype}; a weight is dense and real")
        state[name] = value
    if not state:
        raise CheckpointError(
            f"{source} holds no tensors by name; its entries are {', '.join(map(str, content)) or 'none'}"
        )
    return state


def _read_torch(path: str) -> Mapping[str, Any]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, not names with tensors")
    return content


def _read_npz(path: str) -> State:
    with np.load(path, allow_pickle=False) as arrays:
        names = [n for n in arrays.files if n.startswith("w/")] or arrays.files
        return {name.removeprefix("w/"): torch.from_numpy(arrays[name]) for name in names}


_READERS: dict[str, Callable[[str], Mapping[str, Any]]] = {
    ".safetensors": load_file,
    ".npz": _read_npz,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".ckpt": _read_torch,
    ".tar": _read_torch,
}
