"""What may be done with embeddings after training: tensors in, tensors out; knows no model, no data and no metric.

Descriptors of several views use an image alone. Query expansion and re-ranking use the whole catalogue, so that a
photo's place depends on the other photos: results that used them carry the words of :data:`USES_CATALOGUE`.
"""

from hybrid_sbir.retrieval.descriptors import describe
from hybrid_sbir.retrieval.expansion import augment_catalogue, expand_queries
from hybrid_sbir.retrieval.neighbours import nearest
from hybrid_sbir.retrieval.reranking import Reranking, neighbourhood, rerank

USES_CATALOGUE = "uses the catalogue"
"""What stands beside every number that query expansion, database augmentation or re-ranking had a part in."""

__all__ = [
    "USES_CATALOGUE",
    "Reranking",
    "augment_catalogue",
    "describe",
    "expand_queries",
    "nearest",
    "neighbourhood",
    "rerank",
]
