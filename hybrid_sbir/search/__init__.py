"""Search in any photos with sketches: a catalogue of photos, its index, queries, and what they find."""

from hybrid_sbir.search.hit import Hit
from hybrid_sbir.search.sketch_search import SketchSearch

__all__ = ["Hit", "SketchSearch"]
