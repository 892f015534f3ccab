"""The type that sums are made in, the same for every implementation."""

import torch
from torch import Tensor


def accumulation_type(*dtypes: torch.dtype) -> torch.dtype:
    """float64 if any of ``dtypes`` is, else float32: K additions in bfloat16 would lose the small weights."""
    return torch.float64 if torch.float64 in dtypes else torch.float32


def accumulation_dtype(*tensors: Tensor) -> torch.dtype:
    """:func:`accumulation_type` of the tensors' types."""
    return accumulation_type(*(t.dtype for t in tensors))
