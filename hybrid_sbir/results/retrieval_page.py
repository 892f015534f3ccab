"""One self-contained HTML page of retrieval: query sketches with the photos that come first for them.

No scripts, no fonts, no images from elsewhere; for a screen, a phone and paper.

M runs, S shown queries, A side of a picture in pixels.
"""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hybrid_sbir.results.retrieval_layout import DISPUTES, PAGE, STYLE


@dataclass(frozen=True)
class Picture:
    """A sketch or a photo.

    Attributes:
        image: (A, A, 3), uint8, or None where there is none.
        name: what to call it.
        label: name of its class.
    """

    image: np.ndarray | None
    name: str
    label: str


@dataclass(frozen=True)
class Ranking:
    """What one run finds for one query.

    Attributes:
        first: the photos that come first, in order.
        ap: average precision over the whole ranking, a fraction; NaN where no photo is relevant.
        rr: 1 / place of the first right photo.
    """

    first: Sequence[Picture]
    ap: float
    rr: float


@dataclass(frozen=True)
class Searched:
    """One run.

    Attributes:
        name: what to call it.
        scores: columns of the table of runs, in words.
        rankings: of the shown queries, (S,).
        by_class: each class's mean AP, a fraction, by name.
    """

    name: str
    scores: dict[str, str]
    rankings: Sequence[Ranking]
    by_class: dict[str, float]


def retrieval_page(
    title: str, about: str, queries: Sequence[Picture], runs: Sequence[Searched], remarks: Sequence[str] = ()
) -> str:
    """A page that shows, for the same queries, what each run finds.

    Args:
        title: heading of the page.
        about: what was searched for in what, a sentence.
        queries: those that are shown, (S,).
        runs: M runs.
        remarks: what a reader of the numbers must know.

    Returns:
        A whole HTML document.

    Raises:
        ValueError: no run, or one that has not a ranking for each query.
    """
    if not runs or any(len(run.rankings) != len(queries) for run in runs):
        counts = [len(run.rankings) for run in runs]
        raise ValueError(f"a page of {len(queries)} queries needs runs with so many rankings; got {counts}")
    cards = "\n".join(_card(query, [(run.name, run.rankings[i]) for run in runs]) for i, query in enumerate(queries))
    said = "".join(f"<li>{html.escape(remark)}</li>" for remark in dict.fromkeys(remarks))
    return PAGE.format(
        title=html.escape(title),
        style=STYLE,
        about=html.escape(about),
        table=_runs_table(runs),
        remarks=f"<ul>{said}</ul>" if said else "",
        disputes=DISPUTES if len(runs) > 1 else "",
        alone=" alone" if len(runs) == 1 else "",
        queries=cards,
        classes=_classes_table(runs),
    )


def _runs_table(runs: Sequence[Searched]) -> str:
    columns = list(dict.fromkeys(name for run in runs for name in run.scores))
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("run", *columns))
    rows = "".join(
        f'<tr><th scope="row">{html.escape(run.name)}</th>'
        + "".join(f"<td>{html.escape(run.scores.get(column, ''))}</td>" for column in columns)
        + "</tr>\n"
        for run in runs
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>'


def _card(query: Picture, found: Sequence[tuple[str, Ranking]]) -> str:
    right = [bool(ranking.first) and ranking.first[0].label == query.label for _, ranking in found]
    marks = ("found " if all(right) else "") + ("agreed" if len(set(right)) == 1 else "")
    label, name = html.escape(query.label), html.escape(query.name.rpartition("/")[2])
    blocks = "".join(_run(name, ranking, query.label) for name, ranking in found)
    picture = _image(query, f"query: {query.label}")
    return f"""<article class="{marks.strip()}">
<div class="query" title="{html.escape(query.name)}">{picture}<h3>{label}</h3><div class="name">{name}</div></div>
<div class="runs">{blocks}</div>
</article>"""


def _run(name: str, ranking: Ranking, label: str) -> str:
    items = "".join(_photo(photo, place, label) for place, photo in enumerate(ranking.first, start=1))
    if ranking.ap != ranking.ap:
        score = "no photo of this class is in the catalogue"
    else:
        score = f"AP {100 * ranking.ap:.1f} % · reciprocal rank {_reciprocal(ranking.rr)}"
    return f'<div class="run"><b>{html.escape(name)}</b><span class="score">{score}</span><ol>{items}</ol></div>'


def _reciprocal(value: float) -> str:
    """1 / place where it is that; a tie's expectation as a number."""
    place = round(1 / value) if value else 0
    if value == 1:
        return "1"
    return f"1/{place}" if place and abs(1 / place - value) < 1e-9 else f"{value:.3f}"


def _photo(photo: Picture, place: int, label: str) -> str:
    right = photo.label == label
    sign, word = ("✓", "right") if right else ("✗", "wrong")
    shown = f"{place} {sign}" if right else f"{place} {sign} {html.escape(photo.label)}"
    picture = _image(photo, f"place {place}: {photo.label}, {word}")
    return (
        f'<li class="{word}" title="{html.escape(f"{photo.label}: {photo.name}")}">{picture}<span>{shown}</span></li>'
    )


def _image(picture: Picture, words: str) -> str:
    words = html.escape(words)
    if picture.image is None:
        return f'<i class="blank" role="img" aria-label="{words}"></i>'
    return f'<img src="{_source(picture.image)}" alt="{words}" loading="lazy">'


def _source(pixels: np.ndarray) -> str:
    """A data address, PNG or JPEG: a drawing is smaller as the one, a photo as the other."""
    files = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 82})):
        buffer = io.BytesIO()
        grey = (pixels == pixels[..., :1]).all()
        Image.fromarray(pixels[..., 0] if grey else pixels).save(buffer, kind, **options)
        files[kind] = buffer.getvalue()
    kind = min(files, key=lambda each: len(files[each]))
    return f"data:image/{kind};base64,{base64.b64encode(files[kind]).decode()}"


def _classes_table(runs: Sequence[Searched]) -> str:
    known = [name for name, value in runs[0].by_class.items() if value == value]
    order = sorted(known, key=lambda name: (-runs[0].by_class[name], name))
    if not order:
        return ""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("class", *(run.name for run in runs)))
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{100 * run.by_class.get(name, float('nan')):.1f}</td>" for run in runs)
        + "</tr>\n"
        for name in order
    )
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>'
    return f"<section><h2>Classes</h2><p>Mean AP of each class's queries, percent.</p>{table}</section>"
