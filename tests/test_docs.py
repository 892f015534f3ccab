"""The documentation: builds without a warning, fetches nothing, and has every public name."""

import ast
import fcntl
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hybrid_sbir"
RESOURCES = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}

pytest.importorskip("mkdocs", reason="the documentation needs the extra docs")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site; one for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "docs_site"
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "objects.inv").exists():
            build(folder)
    return folder


def build(folder):
    words = ["build", "--strict", "--config-file", str(ROOT / "docs/mkdocs.yml"), "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([sys.executable, "-m", "mkdocs", *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


class Page(HTMLParser):
    """What a page loads, links to, shows and names."""

    def __init__(self, path):
        super().__init__()
        self.loaded, self.links, self.names, self.classes, self.words = [], [], set(), set(), ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in RESOURCES and values.get("rel") != "canonical":
            self.loaded.append(values.get(RESOURCES[tag]) or "")
        if tag == "a":
            self.links.append(values.get("href") or "")
        self.names.add(values.get("id"))
        self.classes |= set((values.get("class") or "").split())

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="session")
def pages(site):
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def test_no_page_loads_anything_from_elsewhere(pages):
    foreign = {name: [each for each in page.loaded if "//" in each] for name, page in pages.items()}
    assert not {name: each for name, each in foreign.items() if each}
    # The theme's script would fetch a library for a page with a diagram of this kind.
    assert not [name for name, page in pages.items() if "mermaid" in page.classes]


def test_no_style_sheet_loads_anything_from_elsewhere(site):
    sheets = list(site.rglob("*.css"))
    assert sheets
    assert not [sheet for sheet in sheets if re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", sheet.read_text())]


def test_every_picture_a_page_shows_is_there(site, pages):
    inner = {name: page for name, page in pages.items() if name != "404.html"}  # which a server shows at any address
    shown = [(site / name).parent / each for name, page in inner.items() for each in page.loaded if each]
    assert not [path for path in shown if not path.exists()]
    assert any(path.suffix == ".png" and "experiments" in path.parts for path in shown)


def public_names():
    """Module and name of all that a package says is public."""
    for path in sorted(PACKAGE.rglob("__init__.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                place = ".".join(path.parent.relative_to(ROOT).parts)
                yield from (f"{place}.{name}" for name in ast.literal_eval(node.value))


def test_every_public_name_is_on_a_page(pages):
    there = set().union(*(page.names for name, page in pages.items() if name.startswith("api/")))
    names = list(public_names())
    assert len(names) > 80
    assert not [name for name in names if name not in there]


def test_every_room_is_on_a_page():
    asked = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs/pages/api").glob("*.md"))
    on_a_page = set(re.findall(r"^::: hybrid_sbir\.(\w+)", asked, re.MULTILINE))
    rooms = {path.stem for path in PACKAGE.glob("[a-z]*") if path.suffix in ("", ".py")}
    assert not rooms - on_a_page


def test_no_markup_of_docstrings_is_left_over(pages):
    left = re.compile(r":(func|class|meth|mod|attr):")
    assert not {name: left.findall(page.words) for name, page in pages.items() if left.search(page.words)}


def test_every_comment_that_asks_for_a_part_is_answered(site):
    assert not [path for path in site.rglob("*.html") if "<!-- repository:" in path.read_text(encoding="utf-8")]


PAGES = sorted((ROOT / "docs/pages").rglob("*.md"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT / "docs/pages").as_posix())
def test_files_that_a_page_names_are_there(path):
    named = re.findall(r"\b(?:experiments|docs|tests|hybrid_sbir|notebooks)/[\w./-]+\.\w+", path.read_text())
    assert not [name for name in named if not (ROOT / name).exists()]
