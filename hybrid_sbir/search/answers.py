"""What queries found, as a table, as JSON, or as rows of a page. Q queries."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hybrid_sbir.search.hit import Hit
from hybrid_sbir.search.manifest import Manifest

FORMAT = "hybrid_sbir.search.1"


@dataclass(frozen=True)
class Answer:
    """What one query found.

    Attributes:
        sketch: what the query was called: its file, or ``-``.
        hits: nearest first.
    """

    sketch: str
    hits: list[Hit]


@dataclass(frozen=True)
class Recipe:
    """How all queries were searched; the arguments of :meth:`~hybrid_sbir.search.SketchSearch.search`."""

    k: int = 10
    scales: tuple[float, ...] = (1.0,)
    mirror: bool = False
    expand: int = 0
    rerank: bool = False
    threshold: float | None = None
    within: tuple[str, ...] = field(default=())
    photo: bool = False

    def options(self) -> dict[str, Any]:
        """Return the arguments."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def words(self) -> str:
        """Say what differs from a plain search; empty of one."""
        said = ["photos as queries"] if self.photo else []
        said += ["mirrored too"] if self.mirror else []
        said += [f"at scales {', '.join(f'{scale:g}' for scale in self.scales)}"] if self.scales != (1.0,) else []
        said += [f"queries expanded by {self.expand} photos"] if self.expand else []
        said += ["re-ranked"] if self.rerank else []
        said += [f"cosine at least {self.threshold:g}"] if self.threshold is not None else []
        said += [f"within {', '.join(self.within)}"] if self.within else []
        return ", ".join(said)


def as_table(answers: Sequence[Answer], rerank: bool = False) -> list[str]:
    """Return a line a photo, under its sketch: rank, score (and the cosine, where they differ), id."""
    lines = []
    for answer in answers:
        lines.append(answer.sketch)
        if not answer.hits:
            lines.append("      nothing: no photo is near enough, or none is in that folder")
        width = len(str(len(answer.hits)))
        for hit in answer.hits:
            cosine = f"  cosine {hit.cosine:6.3f}" if rerank else ""
            lines.append(f"  {hit.rank:{max(width, 4)}}  {hit.score:6.3f}{cosine}  {printable(hit.id)}")
    return lines


def as_json(answers: Sequence[Answer], recipe: Recipe, manifest: Manifest) -> dict[str, Any]:
    """Return plain values; their names and meanings stay the same under one ``format``."""
    return {
        "format": FORMAT,
        "index": {
            "photos": manifest.photos,
            "source": manifest.source,
            "store": manifest.store.get("kind"),
            "model": manifest.files["model"].sha256,
        },
        "recipe": {**recipe.options(), "scales": list(recipe.scales), "within": list(recipe.within)},
        "queries": [
            {
                "sketch": answer.sketch,
                "hits": [
                    {"rank": h.rank, "id": h.id, "label": h.label, "score": h.score, "cosine": h.cosine}
                    for h in answer.hits
                ],
            }
            for answer in answers
        ],
    }


def json_text(plain: dict[str, Any]) -> str:
    """Return the text of :func:`as_json`'s values."""
    return json.dumps(plain, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def printable(name: str) -> str:
    """Return a file's name on one line, for a terminal: control characters and lone surrogates as escapes."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)
