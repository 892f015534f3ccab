import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.results.gallery import gallery
from hybrid_sbir.results.prediction_page import ModelPredictions, Sample, accuracy, confused_pairs, prediction_page

CLASSES = ("cat", "<dog>", "owl", "bee", "ant", "eel")


def arrays(count=12, seed=0, thumbnail_shape=(16, 20, 1)):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(len(CLASSES)), count).astype(np.float32)
    return {
        "index": np.arange(count),
        "label": np.arange(count) % len(CLASSES),
        "probabilities": probabilities,
        "classes": np.array(CLASSES),
        "thumbnails": rng.integers(0, 255, (8, *thumbnail_shape), dtype=np.uint8),
        "thumbnail_rows": np.arange(0, 8),
    }


def leave_run(folder, record=None, **changes):
    folder.mkdir()
    np.savez(folder / "predictions.npz", **{**arrays(), **changes})
    (folder / "metrics.json").write_text(json.dumps(record or {"name": folder.name, "parameters": 12159802}))
    return folder


class Outline(HTMLParser):
    """Tags that were opened and not closed, pictures, and anything that would be fetched."""

    void = frozenset({"meta", "img", "input", "br", "link"})

    def __init__(self, page):
        super().__init__()
        self.open, self.pictures, self.addresses, self.tags = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag not in self.void:
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(attributes)
        self.addresses += [attributes[key] for key in ("src", "href", "srcset") if key in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_stands_alone_and_says_what_it_shows(tmp_path):
    out = tmp_path / "new" / "page.html"
    lines = gallery([leave_run(tmp_path / "resnet26"), leave_run(tmp_path / "hib")], out, title="Tom & Jerry")
    page = out.read_text()
    outline = Outline(page)
    assert outline.open == []
    assert len(outline.pictures) == 8
    assert all(address.startswith("data:image/png;base64,") for address in outline.addresses)
    assert not {"script", "link", "iframe"} & set(outline.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert outline.pictures[1]["alt"] == "sample 1: <dog>"
    assert "<dog>" not in page.replace('alt="sample 1: <dog>"', "")
    assert "Tom &amp; Jerry" in page
    assert "12,159,802" in page
    assert lines[-1] == f"wrote {out}: 8 of 12 samples, 2 models"


def test_verdicts_are_words_and_signs_and_the_three_best_are_in_order():
    probabilities = np.array([[0.5, 0.3, 0.1, 0.1, 0, 0], [0.1, 0.2, 0.7, 0, 0, 0]])
    samples = [Sample(Image.new("L", (4, 4)), f"s{row}", row) for row in range(2)]
    page = prediction_page("t", CLASSES, np.array([0, 0]), samples, [ModelPredictions("m", probabilities)])
    verdicts = re.findall(r'aria-hidden="true">(.)</span> (\w+)</span>', page)
    assert verdicts == [("✓", "right"), ("✗", "wrong")]
    second = page.split("<figure")[2]
    assert re.findall(r"<li[^>]*><span>([^<]*)</span><span>(\d+) %", second) == [
        ("owl", "70"),
        ("&lt;dog&gt;", "20"),
        ("cat", "10"),
    ]
    assert second.count('class="true"') == 1


def test_filters_know_mistakes_and_disputes():
    right, wrong = np.eye(6)[[0, 0, 0]], np.eye(6)[[0, 1, 1]]
    samples = [Sample(Image.new("RGB", (4, 4)), str(row), row) for row in range(3)]
    models = [ModelPredictions("a", right), ModelPredictions("b", wrong)]
    page = prediction_page("t", CLASSES, np.array([0, 0, 1]), samples, models)
    assert re.findall(r'<figure class="([^"]*)"', page) == ["all-right agreed", "", ""]
    assert 'id="disputes"' in page
    assert 'id="disputes"' not in prediction_page("t", CLASSES, np.array([0, 0, 1]), samples, models[:1])


def test_accuracy_and_confusions_agree_with_counting():
    rng = np.random.default_rng(3)
    probabilities, labels = rng.random((200, 6)), rng.integers(0, 6, 200)
    order = [sorted(range(6), key=lambda k: -p[k]) for p in probabilities]
    for top in (1, 5):
        assert accuracy(probabilities, labels, top) == np.mean(
            [label in o[:top] for o, label in zip(order, labels, strict=True)]
        )
    counts = {}
    for said, true in zip((o[0] for o in order), labels, strict=True):
        if said != true:
            counts[int(true), said] = counts.get((int(true), said), 0) + 1
    expected = sorted(((t, s, n) for (t, s), n in counts.items()), key=lambda pair: (-pair[2], pair[0], pair[1]))
    assert confused_pairs(probabilities, labels, 8) == expected[:8]


def test_a_perfect_model_has_no_confusions():
    page = prediction_page("t", CLASSES, np.arange(6), [], [ModelPredictions("m", np.eye(6))])
    assert confused_pairs(np.eye(6), np.arange(6), 8) == []
    assert "no mistakes" in page


@pytest.mark.parametrize("shape", [(16, 20), (16, 20, 1), (16, 20, 3)])
def test_grey_and_coloured_thumbnails(tmp_path, shape):
    run = leave_run(tmp_path / "run", thumbnails=arrays(thumbnail_shape=shape)["thumbnails"])
    gallery([run], tmp_path / "page.html", samples=3)
    assert len(Outline((tmp_path / "page.html").read_text()).pictures) == 3


def test_unnamed_runs_take_their_folders_name(tmp_path):
    run = leave_run(tmp_path / "third", record={"format": 1})
    gallery([run], tmp_path / "page.html")
    assert 'scope="row">third<' in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("missing", ["predictions.npz", "metrics.json"])
def test_missing_files_are_named(tmp_path, missing):
    run = leave_run(tmp_path / "run")
    (run / missing).unlink()
    with pytest.raises(FileNotFoundError, match=rf"run .*run has no {missing}: run `hybrid-sbir predict`"):
        gallery([run], tmp_path / "page.html")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": np.arange(5)}, "do not fit together"),
        ({"label": np.full(12, 6)}, "not class numbers from 0 to 5"),
        ({"probabilities": np.ones((12, 6), np.int64)}, "probabilities are int64, not floating point"),
        ({"probabilities": np.ones((12, 5), np.float32)}, "do not fit together"),
        ({"thumbnails": np.zeros((13, 4, 4), np.uint8)}, "T up to 12"),
        ({"thumbnails": np.zeros((3, 4, 4, 2), np.uint8)}, r"\(T, H, W, 1\)"),
        ({"thumbnails": np.zeros((3, 4, 4), np.float32)}, "float32"),
        ({"thumbnail_rows": np.arange(5, 13)}, r"thumbnail_rows are int64 \(8,\); \(8,\) row numbers below 12"),
        ({"thumbnail_rows": np.arange(7)}, r"thumbnail_rows are int64 \(7,\)"),
        ({"classes": np.array("cat")}, "damaged"),
        ({"label": np.array([None] * 12)}, "damaged"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changes, words):
    run = leave_run(tmp_path / "run", **changes)
    with pytest.raises(ValueError, match=words):
        gallery([run], tmp_path / "page.html")


def test_damaged_files_are_named_and_leave_the_older_page(tmp_path):
    run, out = leave_run(tmp_path / "run"), tmp_path / "page.html"
    out.write_text("older")
    content = (run / "predictions.npz").read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 30):
        (run / "predictions.npz").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"predictions\.npz is damaged"):
            gallery([run], out)
    (run / "predictions.npz").write_bytes(content)
    for text in ("{", "[]"):
        (run / "metrics.json").write_text(text)
        with pytest.raises(ValueError, match=r"metrics\.json is damaged"):
            gallery([run], out)
    assert out.read_text() == "older"


def test_a_flipped_byte_is_reported_or_harmless(tmp_path):
    run = leave_run(tmp_path / "run")
    content = (run / "predictions.npz").read_bytes()
    gallery([run], tmp_path / "page.html")
    sound, reported = (tmp_path / "page.html").read_text(), 0
    places = [*range(40), *range(len(content) - 330, len(content)), *range(40, len(content) - 330, 31)]
    for place in places:
        (run / "predictions.npz").write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        problem = attempt(run, tmp_path / "page.html")
        assert "predictions.npz is damaged" in problem or (tmp_path / "page.html").read_text() == sound
        reported += bool(problem)
    assert reported > 0.5 * len(places)


def attempt(run, out):
    try:
        gallery([run], out)
    except ValueError as problem:
        return str(problem)
    return ""


def test_runs_of_other_data_are_refused(tmp_path):
    first = leave_run(tmp_path / "first")
    other_classes = leave_run(tmp_path / "second", classes=np.array(CLASSES[::-1]))
    with pytest.raises(ValueError, match="different classes"):
        gallery([first, other_classes], tmp_path / "page.html")
    other_samples = leave_run(tmp_path / "third", index=np.arange(12) + 5)
    with pytest.raises(ValueError, match="different samples"):
        gallery([first, other_samples], tmp_path / "page.html")


def test_no_run_and_no_sample_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one run and one sample; got 0"):
        gallery([], tmp_path / "page.html")
    with pytest.raises(ValueError, match="at least one model"):
        prediction_page("t", CLASSES, np.arange(6), [], [])
    with pytest.raises(ValueError, match=r"shape \(6, 5\)"):
        prediction_page("t", CLASSES, np.arange(6), [], [ModelPredictions("m", np.ones((6, 5)))])


def test_an_overflowed_output_is_no_prediction_and_wrong(tmp_path):
    """Patchwise attention has no bound; one sample far from the others must not cost the page."""
    probabilities = arrays()["probabilities"]
    probabilities[0] = np.nan
    labels = arrays()["label"]
    page = tmp_path / "page.html"
    gallery([leave_run(tmp_path / "run", probabilities=probabilities)], page)
    assert page.read_text().count("no prediction: the output is not finite") == 1
    assert accuracy(probabilities, labels, len(CLASSES)) == 11 / 12
    assert all(said >= 0 for _, said, _ in confused_pairs(probabilities, labels, 99))
