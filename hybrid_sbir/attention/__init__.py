"""What a position looks at: the learned footprints of attention blocks, and pictures of them."""

from hybrid_sbir.attention.blocks import AttentionBlock, attention_blocks
from hybrid_sbir.attention.footprint import Footprint, footprints
from hybrid_sbir.attention.grid import Grid, stage_grids
from hybrid_sbir.attention.picture import draw, save
from hybrid_sbir.attention.seen import Seen, look_at
from hybrid_sbir.attention.weights import attention_weights
from hybrid_sbir.encoding.trained_model import eval_transform, load_model

__all__ = [
    "AttentionBlock",
    "Footprint",
    "Grid",
    "Seen",
    "attention_blocks",
    "attention_weights",
    "draw",
    "eval_transform",
    "footprints",
    "load_model",
    "look_at",
    "save",
    "stage_grids",
]
