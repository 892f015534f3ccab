"""Parts of the repository as Markdown: sections of its texts, tables, published numbers, pictures, notebooks, files."""

import csv
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from textwrap import indent

import sizing

ROOT = Path(__file__).parents[1]
PICTURES = ("experiments/pictures", "experiments/figures")
LANGUAGES = {".yaml": "yaml", ".mk": "make", ".py": "python"}
PRESETS = {"thesis": "The thesis's regime", "quick": "Cut down to two CPU cores"}

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)\)")


@cache  # one build shows what it began with
def pictures() -> list[str]:
    """Return the paths of the pictures that pages may show, from the repository's root."""
    found = (path for folder in PICTURES for path in (ROOT / folder).rglob("*") if path.suffix in (".png", ".svg"))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def section(file: str, heading: str, up: str = "") -> str:
    """Return what stands below a heading of a Markdown file, up to the next one of its level.

    Raises:
        ValueError: if there is no such heading.
    """
    text = (ROOT / file).read_text(encoding="utf-8")
    bare = _FENCED.sub(lambda found: re.sub(r"^#", "%", found[0], flags=re.MULTILINE), text)  # a comment is no heading
    start = re.search(rf"^(#+) {re.escape(heading)}$", bare, re.MULTILINE)
    if start is None:
        raise ValueError(f"{file} has no heading '{heading}'")
    end = re.search(rf"^#{{1,{len(start[1])}}} ", bare[start.end() :], re.MULTILINE)
    return _relinked(text[start.end() : start.end() + end.start() if end else None].strip(), file, up)


def paragraph(file: str, beginning: str, up: str = "") -> str:
    """Return the paragraphs of a Markdown file from the one with this beginning to the next bold one or heading.

    Raises:
        ValueError: if none begins so.
    """
    parts = re.split(r"\n\n(?=\*\*|#)", (ROOT / file).read_text(encoding="utf-8"))
    found = [part for part in parts if part.startswith(beginning)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} paragraphs of {file} begin with '{beginning}', not one")
    return _relinked(found[0], file, up)


def text(file: str, up: str = "") -> str:
    """Return a Markdown file without its first heading."""
    whole = (ROOT / file).read_text(encoding="utf-8")
    return _relinked(re.sub(r"\A# .*\n+", "", whole), file, up)


def results(folder: str, name: str = "table", up: str = "") -> str:
    """Return a table's committed results, a part for each preset that has any; says so if none has."""
    parts = []
    for preset, words in PRESETS.items():
        path = ROOT / folder / preset / f"{name}.md"
        if path.exists():
            own = path.read_text(encoding="utf-8").strip()
            parts.append(f"### {words} (`{preset}`)\n\n{_relinked(own, f'{folder}/{preset}/{name}.md', up)}")
    return "\n\n".join(parts) or "*No run of this table is in the repository yet.*"


def published(file: str, up: str = "") -> str:
    """Return a CSV file of published numbers as a table."""
    with (ROOT / file).open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    rule = [":--", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def picture(stem: str, words: str, up: str = "") -> str:
    """Return the pictures whose path, without its ending, matches ``stem``, each with its caption to fold out.

    An SVG goes before a PNG. Where there is none, that is said.
    """
    found = {path.rsplit(".", 1)[0]: path for path in pictures() if Path(path).with_suffix("").match(stem)}
    shown = [
        f"![{words}]({up}{path})\n\n*{words}: `{path}`*\n\n{_caption(name)}" for name, path in sorted(found.items())
    ]
    return "\n\n".join(shown) or "*This picture is not in the repository yet.*"


def _caption(name: str) -> str:
    path = ROOT / f"{name}.caption.md"
    if not path.exists():
        return ""
    words = indent(path.read_text(encoding="utf-8").strip(), " " * 4)
    return f'??? quote "What it shows, and of which runs"\n\n{words}'


def notebook(file: str, up: str = "") -> str:
    """Return a notebook (jupytext, py:percent) without its title: its words, and its cells as blocks of code."""
    cells = re.split(r"^# %%", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return re.sub(r"\A# .*\n+", "", "\n\n".join(_cell(cell) for cell in cells))


def _cell(cell: str) -> str:
    head, _, body = cell.partition("\n")
    if head.strip() != "[markdown]":
        return f"```python\n{body.strip()}\n```"
    return re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)


def file(path: str, up: str = "") -> str:
    """Return a file as a block of code, its path above."""
    whole = (ROOT / path).read_text(encoding="utf-8").rstrip()
    return f'```{LANGUAGES.get(Path(path).suffix, "text")} title="{path}"\n{whole}\n```'


def verbs(up: str = "") -> str:
    """Return the verbs of the command line, each with its sentence, as a table."""
    from hybrid_sbir.cli.verbs import VERBS

    rows = [f"| `{name}` | {verb.summary} |" for name, verb in VERBS.items()]
    return "\n".join(["| verb | what it does |", "|---|---|", *rows])


def search(part: str, up: str = "") -> str:
    """Return a part of what the growth of a search's cost was measured and reckoned to be.

    Raises:
        KeyError: if there is no such part.
    """
    return sizing.ANSWERS[part](up=up)


def _relinked(markdown: str, file: str, up: str) -> str:
    """Make links of a file that is no page: pictures are at their path in the site, other files are named."""

    def link(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        if target.startswith(("http://", "https://", "mailto:")):
            return found[0]
        path = (ROOT / file).parent.joinpath(target).resolve().relative_to(ROOT).as_posix()
        if mark:
            return f"![{words}]({up}{path})"
        own_name = words == target or path.endswith(words.strip("`"))
        return f"`{path}`" if own_name else f"{words} (`{path}`)"

    return _LINK.sub(link, markdown)


ANSWERS: dict[str, Callable[..., str]] = {
    each.__name__: each
    for each in (section, paragraph, text, results, published, picture, notebook, file, verbs, search)
}
