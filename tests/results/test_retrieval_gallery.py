"""The page of retrieval: what it shows is what is in the file, it stands alone, and damage is named."""

import math
import re

import numpy as np
import pytest
import torch

from hybrid_sbir.metrics import ranking_metrics
from hybrid_sbir.results.gallery import gallery
from hybrid_sbir.results.retrieval_page import Picture, Ranking, Searched, retrieval_page
from tests.results.retrieval_runs import CLASSES, arrays, leave_retrieval
from tests.results.test_gallery import Outline, leave_run


def values(run):
    parts = [
        torch.from_numpy(run[f"{role}_{part}"]) for part in ("embedding", "label") for role in ("query", "catalogue")
    ]
    return ranking_metrics(*parts)


def test_the_page_stands_alone_and_shows_the_runs_side_by_side(tmp_path):
    out = tmp_path / "new" / "page.html"
    runs = [leave_retrieval(tmp_path / "thesis"), leave_retrieval(tmp_path / "modern", seed=1)]
    lines = gallery(runs, out, title="Tom & Jerry")
    page = out.read_text()
    outline = Outline(page)
    assert outline.open == []
    assert not {"script", "link", "iframe"} & set(outline.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert all(address.startswith("data:image/") for address in outline.addresses)
    assert len(outline.pictures) == 3 + 2 * 3 * 10
    assert outline.tags.count("article") == 3
    assert "Tom &amp; Jerry" in page
    assert "<dog>" not in page
    assert "753,688" in page
    for run, line, seed in zip(("thesis", "modern"), lines, (0, 1), strict=False):
        means = values(arrays(seed)).mean()
        assert line.startswith(f"{run}: mAP {100 * means['ap']:.1f} %, mRR {100 * means['rr']:.1f} %, P@10 ")
        assert f'scope="row">{run}<' in page
        assert f"<td>{100 * means['ap']:.1f} %</td>" in page
    assert lines[-1] == f"wrote {out}: 3 of 9 queries, 2 runs"


def test_each_query_has_its_own_scores_and_its_photos_in_order(tmp_path):
    run = arrays()
    gallery([leave_retrieval(tmp_path / "run")], tmp_path / "page.html")
    cards = (tmp_path / "page.html").read_text().split("<article")[1:]
    found = values(run)
    for card, row, first in zip(cards, run["shown"], run["first"], strict=True):
        score = re.search(r"AP ([0-9.]+) % · reciprocal rank (?:1/)?(\d+)<", card)
        assert float(score[1]) == pytest.approx(100 * float(found["ap"][row]), abs=0.051)
        assert 1 / int(score[2]) == pytest.approx(float(found["rr"][row]))
        marks = re.findall(r'<li class="(\w+)" title="([^"]*)">.*?<span>(\d+) (.)([^<]*)</span>', card)
        assert [int(place) for _, _, place, _, _ in marks] == list(range(1, 11))
        label = run["query_label"][row]
        for (word, title, _, sign, named), photo in zip(marks, first, strict=True):
            name = CLASSES[run["catalogue_label"][photo]].replace("<", "&lt;").replace(">", "&gt;")
            right = run["catalogue_label"][photo] == label
            assert title == f"{name}: photos/{photo}.jpg"
            assert (word, sign) == (("right", "✓") if right else ("wrong", "✗"))
            assert named.strip() == ("" if right else name)


def test_groups_of_classes_are_scored_apart(tmp_path):
    gallery([leave_retrieval(tmp_path / "run")], tmp_path / "page.html")
    page, found = (tmp_path / "page.html").read_text(), values(arrays())
    for name, labels in (("seen", [0, 1]), ("unseen", [2])):
        own = found["ap"][torch.isin(found.labels, torch.tensor(labels))].mean()
        assert f'scope="col">mAP, {name}<' in page
        assert f"<td>{100 * float(own):.1f} %</td>" in page


def test_classes_are_listed_from_the_best_on(tmp_path):
    gallery([leave_retrieval(tmp_path / "run")], tmp_path / "page.html")
    table = (tmp_path / "page.html").read_text().split("<h2>Classes</h2>")[1]
    rows = re.findall(r"<tr><td>([^<]*)</td><td>([0-9.]+)</td>", table)
    numbers = [float(number) for _, number in rows]
    assert len(rows) == 3
    assert numbers == sorted(numbers, reverse=True)
    for label, means in values(arrays()).per_class().items():
        name = CLASSES[label].replace("<", "&lt;").replace(">", "&gt;")
        assert dict(rows)[name] == f"{100 * means['ap']:.1f}"


def test_a_run_without_a_record_goes_by_its_folder(tmp_path):
    lines = gallery([leave_retrieval(tmp_path / "third", record=False)], tmp_path / "page.html")
    assert lines[0].startswith("third: mAP")
    assert lines[0].endswith("parameters unknown")


def test_fewer_queries_are_spread_too(tmp_path):
    run = leave_retrieval(tmp_path / "run")
    assert gallery([run], tmp_path / "page.html", samples=2)[-1].endswith("2 of 9 queries, 1 run")
    heads = re.findall(r"<h3>([^<]*)</h3>", (tmp_path / "page.html").read_text())
    assert heads == ["cat", "owl"]


def test_pictures_that_are_not_there_leave_a_frame(tmp_path):
    none = {
        "thumbnails": np.zeros((0, 12, 12, 3), np.uint8),
        "thumbnail_role": np.arange(0),
        "thumbnail_row": np.arange(0),
    }
    gallery([leave_retrieval(tmp_path / "run", **none)], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert not Outline(page).pictures
    assert page.count('role="img" aria-label="place') == 30


def picture(label="cat", image=None):
    return Picture(image, "x", label)


def test_what_a_reader_must_know_is_on_the_page():
    first = [picture("owl"), picture("cat")]
    nothing, found = Ranking([], math.nan, math.nan), Ranking(first, 0.5, 0.41667)
    runs = [Searched("a", {}, [nothing, found], {"cat": math.nan})]
    page = retrieval_page("t", "about", [picture(), picture()], runs, ["a: 1 of 2 queries have no relevant photo"])
    assert "no photo of this class is in the catalogue" in page
    assert "reciprocal rank 0.417" in page  # the expectation of a tie is no place
    assert "<li>a: 1 of 2 queries have no relevant photo</li>" in page
    assert "<h2>Classes</h2>" not in page


def test_filters_know_who_found_what_first():
    right, wrong = Ranking([picture("cat")], 1, 1), Ranking([picture("owl")], 0.1, 0.1)
    both = [Searched("a", {}, [right, right, wrong], {}), Searched("b", {}, [right, wrong, wrong], {})]
    page = retrieval_page("t", "about", [picture()] * 3, both)
    assert re.findall(r'<article class="([^"]*)"', page) == ["found agreed", "", "agreed"]
    assert 'id="disputes"' in page
    assert 'id="disputes"' not in retrieval_page("t", "about", [picture()] * 3, both[:1])


def test_photos_are_stored_as_jpeg_and_drawings_as_png():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    photo = np.stack([x * 2, y * 2, (x + y)], -1) + rng.integers(-9, 9, (96, 96, 3))
    drawing = np.full((96, 96, 3), 255)
    drawing[48] = 0
    for pixels, kind in ((photo, "jpeg"), (drawing, "png")):
        shown = [picture(image=pixels.clip(0, 255).astype(np.uint8))]
        page = retrieval_page("t", "about", shown, [Searched("a", {}, [Ranking([], 1, 1)], {})])
        assert f'src="data:image/{kind};base64,' in page


def test_runs_of_other_data_or_kinds_are_refused(tmp_path):
    first, page = leave_retrieval(tmp_path / "first"), tmp_path / "page.html"
    changes = {
        "classes": {"classes": np.array(CLASSES[::-1])},
        "labels": {"query_label": np.zeros(9, np.int64)},
        "names": {"catalogue_name": np.array([str(row) for row in range(30)])},
    }
    words = {"classes": "different classes", "labels": "different samples as query", "names": "samples as catalogue"}
    for name, change in changes.items():
        with pytest.raises(ValueError, match=words[name]):
            gallery([first, leave_retrieval(tmp_path / name, **change)], page)
    with pytest.raises(ValueError, match=r"first hold a retrieval, .*other a classification; draw a page of one kind"):
        gallery([first, leave_run(tmp_path / "other")], page)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty has no embeddings\.npz: run `hybrid-sbir predict`"):
        gallery([first, tmp_path / "empty"], page)
    assert not page.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"query_label": np.arange(5)}, "query: embeddings .* do not fit together"),
        ({"catalogue_name": np.array(["x"])}, "catalogue: embeddings .* do not fit together"),
        ({"query_embedding": np.ones((9, 8), np.int64)}, "do not fit together"),
        ({"query_embedding": np.ones((9, 5), np.float32)}, "embeddings of different sizes"),
        ({"catalogue_label": np.full(30, 3)}, "not class numbers from 0 to 2"),
        ({"catalogue_label": np.ones(30)}, "not class numbers"),
        ({"shown": np.array([0, 9, 1])}, "row numbers are int64 .* numbers below 9"),
        ({"first": np.full((3, 10), 30)}, "numbers below 30"),
        ({"first": np.zeros((2, 10), np.int64)}, "3 queries are shown, but 2 have first photos"),
        ({"thumbnails": np.zeros((4, 12, 12), np.uint8)}, r"uint8 \(T, A, A, 3\)"),
        ({"thumbnail_row": np.zeros(1, np.int64)}, "thumbnails are"),
        ({"thumbnails": np.zeros((1, 2, 2, 3)), "thumbnail_role": np.zeros(1)}, "thumbnails are float64"),
        ({"classes": np.array("cat")}, "damaged"),
        ({"query_name": np.array([None] * 9)}, "damaged"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        gallery([leave_retrieval(tmp_path / "run", **changes)], tmp_path / "page.html")


def test_a_damaged_file_is_named_and_leaves_the_older_page(tmp_path):
    run, out = leave_retrieval(tmp_path / "run"), tmp_path / "page.html"
    out.write_text("older")
    content = (run / "embeddings.npz").read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 30):
        (run / "embeddings.npz").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"embeddings\.npz is damaged .*predict` again"):
            gallery([run], out)
    assert out.read_text() == "older"
