"""One self-contained HTML page of what sketches found; nothing is loaded from elsewhere, no scripts.

Lengths are in pixels.
"""

import base64
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from hybrid_sbir.data.images import read_image
from hybrid_sbir.search.answers import Answer
from hybrid_sbir.search.hit import Hit
from hybrid_sbir.search.page_layout import PAGE, STYLE

SIDE = 200
_MAX_BYTES = 64 << 20  # of a photo's file


@dataclass(frozen=True)
class Shown:
    """A query on the page.

    Attributes:
        answer: what it found.
        seen: the sketch as the model sees it, 8 bits, (S, S) or (S, S, 3).
        attention: a PNG of what it looks at, or None.
        note: words about the attention, where there is none though it was asked for.
    """

    answer: Answer
    seen: np.ndarray
    attention: bytes | None = None
    note: str = ""


def page(title: str, about: str, queries: Sequence[Shown], read: Callable[[str, int], bytes]) -> tuple[str, int]:
    """Draw the page.

    Args:
        title: its heading.
        about: what was searched, a sentence or two.
        queries: the queries.
        read: gives the bytes of a photo by its id, up to a limit.

    Returns:
        A whole HTML document, and how many photos could not be shown.
    """
    pictures: dict[str, str] = {}
    missing = 0
    for photo in dict.fromkeys(hit.id for query in queries for hit in query.answer.hits):
        try:
            pictures[photo] = thumbnail(read(photo, _MAX_BYTES), photo)
        except (OSError, ValueError):  # it was moved or changed since the index was made
            missing += 1
    cards = "\n".join(_card(query, pictures) for query in queries)
    said = f" Photos that cannot be read any more: {missing}; the index is out of date." if missing else ""
    return PAGE.format(title=_text(title), style=STYLE, about=_text(about + said), queries=cards), missing


def thumbnail(content: bytes, name: str) -> str:
    """Return a photo as a data address, its longer side at most ``SIDE``.

    Raises:
        ImageProblem: if it is no image, or too large.
    """
    image = read_image(content, "RGB", min_side=SIDE, name=name)
    image.thumbnail((SIDE, SIDE))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return _address(buffer.getvalue(), "jpeg")


def _card(query: Shown, pictures: dict[str, str]) -> str:
    name = _text(query.answer.sketch)
    short = _text(query.answer.sketch.rpartition("/")[2])
    buffer = BytesIO()
    Image.fromarray(query.seen).save(buffer, "PNG", optimize=True)
    seen = f'<img class="seen" src="{_address(buffer.getvalue(), "png")}" alt="the sketch {name} as the model sees it">'
    found = "".join(_photo(hit, pictures) for hit in query.answer.hits)
    photos = f"<ol>{found}</ol>" if found else "<p>Nothing was found that is near enough or in that folder.</p>"
    attention = f"<p>{_text(query.note)}</p>" if query.note else ""
    if query.attention is not None:
        picture = f'<img src="{_address(query.attention, "png")}" alt="attention of the sketch {name}">'
        attention = (
            f'<details open><summary>What the sketch looks at</summary><div class="scroll">{picture}</div></details>'
        )
    heading = f'<div class="query">{seen}<h2 title="{name}">{short}</h2></div>'
    return f"<article>{heading}<div>{photos}{attention}</div></article>"


def _photo(hit: Hit, pictures: dict[str, str]) -> str:
    name, words = _text(hit.id), f"place {hit.rank}: {_text(hit.id)}"
    if hit.id in pictures:
        picture = f'<img src="{pictures[hit.id]}" alt="{words}" loading="lazy">'
    else:
        picture = f'<i class="blank" role="img" aria-label="{words}, cannot be read">cannot be read</i>'
    label = f"<b>{_text(hit.label)}</b>" if hit.label else ""
    cosine = f" (cosine {hit.cosine:.3f})" if hit.score != hit.cosine else ""
    return f'<li title="{name}">{picture}<span>{hit.rank} {label}</span><span>{hit.score:.3f}{cosine}</span></li>'


def _text(words: str) -> str:
    """Escape, in bytes that any file may hold."""
    return html.escape(words.encode("utf-8", "backslashreplace").decode())


def _address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
