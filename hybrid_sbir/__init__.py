"""Hybrid convolution-attention backbones for sketch classification and sketch-based image retrieval."""

__version__ = "0.1.0"
