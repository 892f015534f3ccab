"""The implementation ``"cupy"``: every operator that has CUDA kernels, under the name its contract gives it.

Whole attentions are composed of these (:mod:`hybrid_sbir.ops.composed`).
"""

from hybrid_sbir.ops.kernels.cuda.aggregations import (
    aggregation,
    aggregation_backward,
    softmax_aggregation,
    softmax_aggregation_backward,
)
from hybrid_sbir.ops.kernels.cuda.patch_relations import patch_relation, patch_relation_backward
from hybrid_sbir.ops.kernels.cuda.relations import (
    pair_moments,
    pair_moments_backward,
    pair_relation,
    pair_relation_activated,
    pair_relation_backward,
)
from hybrid_sbir.ops.kernels.cuda.subtractions import subtraction, subtraction_backward

__all__ = [
    "aggregation",
    "aggregation_backward",
    "pair_moments",
    "pair_moments_backward",
    "pair_relation",
    "pair_relation_activated",
    "pair_relation_backward",
    "patch_relation",
    "patch_relation_backward",
    "softmax_aggregation",
    "softmax_aggregation_backward",
    "subtraction",
    "subtraction_backward",
]
