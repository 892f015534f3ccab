"""Local vector attention as functions of tensors."""

from hybrid_sbir.ops.functional import (
    aggregation,
    pair_relation,
    patch_relation,
    softmax_aggregation,
    subtraction,
    windows,
)
from hybrid_sbir.ops.window import Window

__all__ = [
    "Window",
    "aggregation",
    "pair_relation",
    "patch_relation",
    "softmax_aggregation",
    "subtraction",
    "windows",
]
