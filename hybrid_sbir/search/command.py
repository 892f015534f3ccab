"""The verb that searches in an index."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hybrid_sbir.durable import write_durably
from hybrid_sbir.search.answers import Answer, Recipe, as_json, as_table, json_text
from hybrid_sbir.search.query import MAX_FILE, Sketch
from hybrid_sbir.search.sketch_search import SketchSearch

STDIN = "-"
_PAGES = (".html", ".htm")


def search(
    sketches: list[str],
    *,
    index: Path,
    k: int = 10,
    mirror: bool = False,
    scales: list[float] = [1.0],  # noqa: B006 - an option's default, never changed
    expand: int = 0,
    rerank: bool = False,
    threshold: float | None = None,
    within: list[str] = [],  # noqa: B006
    photo: bool = False,
    format: Literal["table", "json"] = "table",
    out: Path | None = None,
    explain: bool = False,
    exact: bool = False,
    effort: int | None = None,
    onnx: Path | None = None,
    device: str = "cpu",
) -> list[str]:
    """Find photos for sketches.

    Args:
        sketches: image or SVG files, or strokes in JSON as QuickDraw has them; - reads one from standard input.
        index: the index's folder.
        k: how many photos a sketch.
        mirror: average with the sketch's mirror image.
        scales: factors on the sketch's side, whose descriptors are averaged (1 0.7 1.4).
        expand: add so many of the photos found first to the query, and search again (5).
        rerank: rank again by which photos are neighbours of one another.
        threshold: leave out photos whose cosine is lower.
        within: only photos whose id begins with one of these (birds/ cats/).
        photo: the queries are photos, and photos like them are looked for.
        format: what is printed.
        out: write to this file instead of printing: .html a page with pictures, .json; an older one is replaced in one
            step.
        explain: on the page, show what the sketches look at in the model's attention blocks.
        exact: compare all photos, whatever the index was built for.
        effort: how hard an approximate store looks, instead of what the index says.
        onnx: a folder of ONNX graphs that were exported of the index's model, which embed a sketch faster on a CPU.
        device: where the model runs.

    Returns:
        A table or JSON, in lines; or one line that says what was written.

    Raises:
        ValueError: if a sketch cannot be used, an argument is not as above, or the index is damaged.
        OSError: if a file cannot be read or written.
    """
    _check(sketches, format, out, explain)
    given = Recipe(k, tuple(scales), mirror, expand, rerank, threshold, tuple(within), photo)
    opened = SketchSearch.load(Path(index), device, exact=exact, effort=effort, onnx=onnx)
    names, queries = [str(sketch) for sketch in sketches], [_read(str(sketch)) for sketch in sketches]
    _look(opened, names, queries, photo)
    found = opened.search_many(queries, **given.options())
    answers = [Answer(name, hits) for name, hits in zip(names, found, strict=True)]
    if out is not None and out.suffix.lower() in _PAGES:
        return _write_page(out, opened, answers, queries, given, explain)
    if out is not None and (out.suffix.lower() == ".json" or format == "json"):
        return _write(out, json_text(as_json(answers, given, opened.manifest)), answers)
    lines = as_table(answers, rerank)
    if out is not None:
        return _write(out, "\n".join([*lines, ""]), answers)
    return json_text(as_json(answers, given, opened.manifest)).splitlines() if format == "json" else lines


def _check(sketches: Sequence[str], format: str, out: Path | None, explain: bool) -> None:
    on_page = out is not None and out.suffix.lower() in _PAGES
    if not sketches:
        raise ValueError("no sketch was given; name image, SVG or stroke files, or - for standard input")
    if list(map(str, sketches)).count(STDIN) > 1:
        raise ValueError("standard input (-) can be read once only")
    if explain and not on_page:
        raise ValueError("what sketches look at is shown on a page; give --out PAGE.html")
    if on_page and format == "json":
        raise ValueError(f"--format json writes JSON, {out} is a page; give --out FILE.json, or leave one of them out")
    if out is not None and out.is_dir():
        raise ValueError(f"{out} is a folder; give the file to write")


def _read(sketch: str) -> Sketch:
    return sys.stdin.buffer.read(MAX_FILE + 1) if sketch == STDIN else Path(sketch)


def _look(opened: SketchSearch, names: Sequence[str], queries: Sequence[Sketch], photo: bool) -> None:
    """Refuse all sketches that cannot be used, at once, before anything is searched.

    Raises:
        ValueError: names each, and why.
    """
    problems = []
    for name, query in zip(names, queries, strict=True):
        try:
            opened.prepare(query, photo=photo)
        except (ValueError, OSError) as problem:
            words = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
            problems.append(words if words.startswith(name) else f"{name}: {words}")
    if problems:
        more = f" ({len(problems)} of {len(names)} sketches)" if len(names) > 1 else ""
        raise ValueError(f"cannot be searched with{more}: " + "; ".join(problems))


def _write_page(
    out: Path, opened: SketchSearch, answers: list[Answer], queries: Sequence[Sketch], recipe: Recipe, explain: bool
) -> list[str]:
    from hybrid_sbir.search.page import page
    from hybrid_sbir.search.showing import shown

    several = [
        shown(opened, answer, query, recipe.photo, explain) for answer, query in zip(answers, queries, strict=True)
    ]
    photos, words = len(opened.photos), recipe.words()
    kind = "photo" if recipe.photo else "sketch"
    about = (
        f"The photos nearest to each {kind} among {photos:,}, by the cosine of their embeddings"
        f"{f' ({words})' if words else ''}. At the left: the {kind} as the model sees it."
    )
    text, missing = page("Photos found", about, several, opened.photo_bytes)
    lines = _write(out, text, answers)
    gone = f"{_counted(missing, 'photo')} on it cannot be read any more: bring the index up to date"
    return [*lines, *([gone] if missing else [])]


def _write(out: Path, text: str, answers: Sequence[Answer]) -> list[str]:
    out.parent.mkdir(parents=True, exist_ok=True)
    write_durably(out, text.encode("utf-8", "backslashreplace"))
    photos = sum(len(answer.hits) for answer in answers)
    return [f"wrote {out}: {_counted(len(answers), 'query', 'queries')}, {_counted(photos, 'photo')}"]


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
