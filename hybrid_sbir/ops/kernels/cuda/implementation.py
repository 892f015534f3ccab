"""The implementation ``"cupy"``: every operator that has CUDA kernels, under the name its contract gives it."""

from hybrid_sbir.ops.kernels.cuda.aggregations import (
    aggregation,
    aggregation_backward,
    softmax_aggregation,
    softmax_aggregation_backward,
)
from hybrid_sbir.ops.kernels.cuda.subtractions import subtraction, subtraction_backward

__all__ = [
    "aggregation",
    "aggregation_backward",
    "softmax_aggregation",
    "softmax_aggregation_backward",
    "subtraction",
    "subtraction_backward",
]
