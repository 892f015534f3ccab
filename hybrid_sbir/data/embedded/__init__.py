"""A data set that the package draws itself: 32 classes of everyday objects, as sketches and as photos.

Endless, seeded, of any size, and needing nothing downloaded. Each object is a small vector model with free proportions
and sub-types; a sketch draws its visible outlines with an unsteady hand, a photo fills, shades and photographs it.
Colours, backgrounds, materials, places, sizes and pens come from distributions that all classes share.
"""

from hybrid_sbir.data.embedded.contact import contact_sheet
from hybrid_sbir.data.embedded.samples import draw_photo, draw_sketch
from hybrid_sbir.data.embedded.shapes import CLASSES
from hybrid_sbir.data.embedded.sketch import draw_strokes
from hybrid_sbir.data.embedded.store import EmbeddedStore

__all__ = ["CLASSES", "EmbeddedStore", "contact_sheet", "draw_photo", "draw_sketch", "draw_strokes"]
