"""The documentation: builds without a warning, fetches nothing, and has every public name."""

import ast
import fcntl
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hybrid_sbir.cli.verbs import VERBS
from hybrid_sbir.models import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hybrid_sbir"
RESOURCES = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}

pytest.importorskip("mkdocs", reason="the documentation needs the extra docs")
pytestmark = pytest.mark.timeout(1200)  # the build is seconds of work, but minutes beside trainings that want all cores


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
TEXTS = {path.relative_to(ROOT / "docs/pages").as_posix(): path.read_text(encoding="utf-8") for path in PAGES}


def blocks(language):
    """Blocks of code of a language: page and code."""
    found = {
        name: re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for name, text in TEXTS.items()
    }
    return {name: codes for name, codes in found.items() if codes}


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_a_page_names_are_there(name):
    named = re.findall(r"\b(?:experiments|docs|tests|hybrid_sbir|notebooks)/[\w./-]+\.\w+", TEXTS[name])
    assert not [each for each in named if not (ROOT / each).exists()]


@pytest.mark.parametrize("name", blocks("python"))
def test_examples_run(name, monkeypatch):
    monkeypatch.setattr(registry, "_BACKBONES", dict(registry._BACKBONES))  # an example registers one
    names = {}
    for code in blocks("python")[name]:
        exec(code, names)
    assert names


def test_verbs_of_commands_are_known():
    words = [
        line for codes in blocks("sh").values() for code in codes for line in code.replace("\\\n", " ").splitlines()
    ]
    commands = [re.search(r"hybrid-sbir ((?:(?:data|figure|bench) )?[a-z]+)", line) for line in words]
    verbs = {found[1] for found in commands if found}
    assert len(verbs) > 10
    assert not {verb for verb in verbs if verb not in VERBS and verb.split()[0] not in VERBS}


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_targets_of_make_are_known():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-pRrq", ":"], cwd=ROOT, capture_output=True, text=True, env=environment)
    known = set(re.findall(r"^([a-z0-9.-]+):", done.stdout, re.MULTILINE))
    named = {
        each for text in TEXTS.values() for each in re.findall(r"(?:^|`)make (?:-n )?([a-z0-9.-]+)", text, re.MULTILINE)
    }
    assert len(named) > 8
    assert not named - known


def test_each_defect_has_its_test_and_its_switch():
    rows = re.findall(r"^\| (\d+) \|.*\|([^|]*)\|$", TEXTS["thesis/defects.md"], re.MULTILINE)
    tests = (ROOT / "tests/test_defects.py").read_text(encoding="utf-8")
    switches = ROOT / "experiments/table_4_4/switches"
    assert [int(number) for number, _ in rows] == list(range(1, 14))
    assert not [number for number, _ in rows[:-1] if f"def test_{number}_" not in tests]
    assert not [each for _, cell in rows for each in re.findall(r"\d\d", cell) if not list(switches.glob(f"{each}_*"))]
