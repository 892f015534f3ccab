"""Trained models as encoders: sketches and photos -> unit vectors, from a run, a published file or an export."""

from hybrid_sbir.encoding.encoder import Encoder, load_encoder

__all__ = ["Encoder", "load_encoder"]
