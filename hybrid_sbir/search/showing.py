"""A query as the page shows it: what the model sees, and what it looks at."""

from hybrid_sbir.search.answers import Answer
from hybrid_sbir.search.page import Shown
from hybrid_sbir.search.query import Sketch, photo_image
from hybrid_sbir.search.sketch_search import SketchSearch


def shown(search: SketchSearch, answer: Answer, query: Sketch, photo: bool = False, explain: bool = False) -> Shown:
    """Prepare a query for the page.

    Args:
        search: what it was searched in.
        answer: what it found.
        query: the sketch, or a photo.
        photo: whether it is a photo.
        explain: whether its attention is shown; where the model has none, words say so.
    """
    image = photo_image(query) if photo else search.picture(query)
    seen = search.encoder.transform("photo" if photo else "sketch").pixels(image, None)
    attention, note = None, ""
    if explain:
        try:
            attention = search.explain(query, photo=photo)
        except ValueError as problem:
            note = f"No picture of attention: {problem}."
    return Shown(answer, seen, attention, note)
