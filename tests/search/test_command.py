"""The verb ``search`` by the command line: its table, its JSON, its page, and what it refuses."""

import io
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.search import SketchSearch
from tests.search.sketching import circle, write_index, write_model

DRAWING = '{"word": "box", "drawing": [[[0, 50, 50, 0, 0], [0, 0, 40, 40, 0]]]}'
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><circle cx="9" cy="9" r="5" stroke="black" fill="none"/></svg>'


@pytest.fixture
def sketches(tmp_path):
    circle().save(tmp_path / "circle.png")
    (tmp_path / "box.ndjson").write_text(DRAWING + "\n")
    (tmp_path / "ring.svg").write_text(SVG)
    return [tmp_path / name for name in ("circle.png", "box.ndjson", "ring.svg")]


@pytest.fixture
def run(small_index, capsys):
    """Run ``search``: what it printed, or the error's words."""

    def ran(*words, index=small_index, error=False):
        arguments = ["search", *map(str, words), "--index", str(index)]
        capsys.readouterr()
        if error:
            with pytest.raises(SystemExit):
                main(arguments)
            return capsys.readouterr().err
        main(arguments)
        return capsys.readouterr().out

    return ran


def test_a_table_of_several_sketches(run, sketches, small_index):
    lines = run(*sketches, "--k", 3).splitlines()
    search = SketchSearch.load(small_index)
    for sketch in sketches:
        head, *rows = lines[:4]
        lines = lines[4:]
        assert head == str(sketch)
        hits = search.search(sketch, 3)
        assert [row.split() for row in rows] == [[str(h.rank), f"{h.score:.3f}", h.id] for h in hits]
        assert len({row.index("class") for row in rows}) == 1, "ids stand below one another"
    assert not lines


def test_sketches_may_stand_behind_the_options(small_index, sketches, capsys):
    names = list(map(str, sketches[:2]))
    index = ["--index", str(small_index)]
    main(["search", *index, "--mirror", "--scales", "1", "0.5", "--k", "2", "--threshold", "-1", *names])
    behind = capsys.readouterr().out
    main(["search", *names, *index, "--mirror", "true", "--scales=[1,0.5]", "--k=2"])
    assert behind == capsys.readouterr().out


def test_json_says_all_of_it(run, sketches, small_index):
    text = run(*sketches[:2], "--k", 4, "--format", "json", "--rerank", "--within", "class0/", "class1/")
    found = json.loads(text)
    assert set(found) == {"format", "index", "recipe", "queries"}
    assert found["format"] == "hybrid_sbir.search.1"
    assert found["index"]["photos"] == 12
    assert found["recipe"] == {
        "k": 4, "scales": [1.0], "mirror": False, "expand": 0, "rerank": True, "threshold": None,
        "within": ["class0/", "class1/"], "photo": False,
    }  # fmt: skip
    search = SketchSearch.load(small_index)
    for sketch, query in zip(sketches[:2], found["queries"], strict=True):
        assert query["sketch"] == str(sketch)
        hits = search.search(sketch, 4, rerank=True, within=("class0/", "class1/"))
        assert [hit["id"] for hit in query["hits"]] == [hit.id for hit in hits]
        assert set(query["hits"][0]) == {"rank", "id", "label", "score", "cosine"}
        assert query["hits"][0]["score"] == pytest.approx(hits[0].score, abs=1e-6)
        assert query["hits"][0]["label"] == hits[0].id.split("/")[0]


@pytest.mark.parametrize("given", [DRAWING.encode(), SVG.encode(), "png"])
def test_standard_input_is_a_sketch(run, given, monkeypatch, sketches):
    content = sketches[0].read_bytes() if given == "png" else given
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    lines = run("-", "--k", 2).splitlines()
    assert lines[0] == "-"
    assert len(lines) == 3


def test_json_and_tables_are_written_to_files(run, sketches, tmp_path):
    printed = run(sketches[0], "--k", 2, "--format", "json")
    assert "wrote" in run(sketches[0], "--k", 2, "--out", tmp_path / "new" / "found.json")
    assert (tmp_path / "new" / "found.json").read_text() == printed
    table = run(sketches[0], "--k", 2)
    run(sketches[0], "--k", 2, "--out", tmp_path / "found.txt")
    assert (tmp_path / "found.txt").read_text() == table


def test_photos_find_photos(run, photo_folder):
    lines = run(photo_folder / "class1" / "01.png", "--photo", "--k", 1).splitlines()
    assert lines[1].split()[-1] == "class1/01.png"
    assert float(lines[1].split()[1]) > 0.999


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.texts, self.alts = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]
        self.alts += [value for name, value in attributes if name in ("alt", "aria-label")]

    def handle_data(self, data):
        self.texts.append(data)


def test_a_page_shows_sketches_and_photos(run, sketches, tmp_path):
    out = tmp_path / "page.html"
    assert "wrote" in run(*sketches, "--k", 5, "--out", out, "--explain", "--mirror")
    page = Page(out.read_text())
    assert page.tags.count("article") == 3
    assert page.tags.count("li") == 15
    assert page.tags.count("img") == 3 + 15 + 3
    assert len(page.alts) == page.tags.count("img"), "every picture has words"
    assert all(address.startswith("data:image/") for address in page.addresses), "nothing is loaded"
    assert "script" not in page.tags
    assert "default-src 'none'" in out.read_text()
    assert not re.search(r"url\(|@import|https?://", out.read_text())


def test_a_page_escapes_names_and_says_what_is_missing(tmp_path, photo_folder, run):
    photos = tmp_path / "photos"
    evil = photos / "<script>alert(1)" / '"><img src=x onerror=alert(2)>&.png'
    evil.parent.mkdir(parents=True)
    shutil.copy(photo_folder / "class0" / "00.png", evil)
    shutil.copy(photo_folder / "class0" / "03.png", photos / "gone.png")
    index = write_index(tmp_path / "index", write_model(tmp_path / "m.safetensors", "resnet26"), photos)
    (photos / "gone.png").unlink()
    sketch = tmp_path / "<b>&'\".png"
    circle().save(sketch)
    out = tmp_path / "page.html"
    printed = run(sketch, "--out", out, "--explain", index=index)
    assert "1 photo on it cannot be read any more" in printed
    page = Page(out.read_text())
    assert "script" not in page.tags
    assert "b" in page.tags, "the label"
    assert page.tags.count("img") == 2, "the sketch, and the photo that is left"
    assert any("cannot be read" in alt for alt in page.alts)
    assert any("<script>alert(1)" in text for text in page.texts)
    assert any("No picture of attention" in text and "no attention block" in text for text in page.texts)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nofile.png"], "nofile.png: No such file"),
        (["{circle}", "nofile.png", "{blank}"], r"2 of 3 sketches\).*nofile.png.*nothing is drawn"),
        (["{circle}", "--k", "0"], "1 or more"),
        (["{circle}", "--threshold", "3"], "a cosine"),
        (["{circle}", "--explain"], "--out PAGE.html"),
        (["{circle}", "--format", "json", "--out", "page.html"], "is a page"),
        (["{circle}", "--format", "xml"], "table"),
        (["-", "-"], "once only"),
        (["{folder}"], "Is a directory"),
        (["{circle}", "--out", "{folder}"], "is a folder"),
        (["{circle}", "--scales", "1", "1"], "each once"),
    ],
)
def test_what_cannot_be_done_is_said(run, words, expected, sketches, tmp_path):
    circle(ink=255).save(tmp_path / "blank.png")
    names = {"circle": sketches[0], "blank": tmp_path / "blank.png", "folder": tmp_path}
    error = run(*[word.format(**names) for word in words], error=True)
    assert re.search(expected, error), error
    assert "Traceback" not in error


def test_without_an_index_the_words_say_how_to_make_one(run, sketches, tmp_path):
    assert "hybrid-sbir index --model" in run(sketches[0], index=tmp_path / "none", error=True)


def test_an_older_file_stays_when_a_search_fails(run, tmp_path):
    out = tmp_path / "found.json"
    out.write_text("old")
    run("nofile.png", "--out", out, error=True)
    assert out.read_text() == "old"
