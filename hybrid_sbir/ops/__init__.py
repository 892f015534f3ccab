"""Local vector attention as functions of tensors."""

from hybrid_sbir.ops.backends import Backend, backend, using
from hybrid_sbir.ops.functional import (
    aggregation,
    pair_attention,
    pair_moments,
    pair_relation,
    patch_attention,
    patch_relation,
    softmax_aggregation,
    subtraction,
    windows,
)
from hybrid_sbir.ops.standard import standard_functions, standard_functions_chosen
from hybrid_sbir.ops.window import Window

__all__ = [
    "Backend",
    "Window",
    "aggregation",
    "backend",
    "pair_attention",
    "pair_moments",
    "pair_relation",
    "patch_attention",
    "patch_relation",
    "softmax_aggregation",
    "standard_functions",
    "standard_functions_chosen",
    "subtraction",
    "using",
    "windows",
]
