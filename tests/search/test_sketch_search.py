"""SketchSearch: the options of the recipe, several threads, an index that is brought up to date, attention."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.cli import main
from hybrid_sbir.retrieval import expand_queries, neighbourhood, rerank
from hybrid_sbir.search import Hit, SketchSearch, finding, refining
from hybrid_sbir.search.manifest import IndexProblem
from tests.search.sketching import circle, write_index, write_model

STROKES = [[[0, 50, 50, 0, 0], [0, 0, 40, 40, 0]], [[0, 25, 50], [0, -25, 0]]]


@pytest.fixture(scope="module")
def search(small_index):
    return SketchSearch.load(small_index)


@pytest.fixture(scope="module")
def vectors(small_index, search):
    return torch.from_numpy(np.load(small_index / search.manifest.files["vectors"].name))


def places(search, hits):
    known = [photo.id for photo in search.photos]
    return [known.index(hit.id) for hit in hits]


def test_the_nearest_photos_come_first(search, vectors):
    hits = search.search(circle(), 5)
    cosines = (vectors @ torch.from_numpy(search.embed(circle())[0])).numpy()
    assert places(search, hits) == np.argsort(-cosines, kind="stable")[:5].tolist()
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(cosines)[::-1][:5], atol=1e-6)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert all(hit.cosine == hit.score and hit.label == hit.id.split("/")[0] for hit in hits)


def test_strokes_and_their_image_find_the_same(search):
    assert search.search(STROKES, 3) == search.search(search.picture(STROKES), 3)


def test_more_than_there_are_gives_all(search):
    assert len(search.search(circle(), 1000)) == len(search.photos) == 12


def test_numbers_of_numpy_are_numbers(search):
    assert search.search(circle(), np.int64(3), expand=np.int32(2)) == search.search(circle(), 3, expand=2)
    assert search.search(circle(), 12, threshold=np.float32(-1)) == search.search(circle(), 12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 0}, "0 photos were asked for"),
        ({"k": 2.5}, "2.5 photos were asked for"),
        ({"k": True}, "True photos were asked for"),
        ({"k": None}, "None photos were asked for"),
        ({"threshold": "x"}, "threshold is 'x'; give a cosine"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"within": 5}, "within is 5; give the beginning of an id"),
        ({"within": [5]}, "within is"),
        ({"expand": 1.5}, "cannot be expanded by 1.5 photos"),
        ({"scales": (1, 1e9)}, "below 16"),
    ],
)
def test_mistakes_are_refused_in_words(search, arguments, words):
    with pytest.raises(ValueError, match=words):
        search.search(circle(), **arguments)


def test_views_are_averaged(search):
    image = circle()
    image.paste(0, (0, 0, 9, 9))
    mirrored = search.embed(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    total = search.embed(image) + mirrored
    np.testing.assert_allclose(search.embed(image, mirror=True), total / np.linalg.norm(total), atol=1e-6)
    assert search.search(image, 3, scales=(1.0, 0.5)) != search.search(image, 3)


def test_expanded_queries_are_those_of_the_retrieval_recipe(search, vectors):
    query = torch.from_numpy(search.embed(circle()))
    expected = expand_queries(query, vectors, 4)
    scores = (vectors @ expected[0]).numpy()
    hits = search.search(circle(), 5, expand=4)
    assert places(search, hits) == np.argsort(-scores, kind="stable")[:5].tolist()
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(scores)[::-1][:5], atol=1e-6)


def test_re_ranked_photos_are_those_of_the_retrieval_recipe(search, vectors):
    query = torch.from_numpy(search.embed(circle()))
    scores = rerank(query, vectors, *neighbourhood(len(vectors)))[0].numpy()
    hits = search.search(circle(), 12, rerank=True)
    assert places(search, hits) == np.argsort(-scores, kind="stable").tolist()
    assert [hit.score for hit in hits] == np.sort(scores)[::-1].tolist()
    assert [hit.score for hit in search.search(circle(), 3, rerank=True)] == [hit.score for hit in hits[:3]]


def test_of_a_large_catalogue_only_the_first_are_re_ranked(search, vectors, monkeypatch):
    monkeypatch.setattr(refining, "WHOLE", 8)
    monkeypatch.setattr(finding, "WHOLE", 8)
    monkeypatch.setattr(finding, "FIRST", 6)
    plain, hits = search.search(circle(), 12), search.search(circle(), 12, rerank=True)
    near = sorted(places(search, plain[:6]))
    scores = rerank(torch.from_numpy(search.embed(circle())), vectors[near], *neighbourhood(6))[0].numpy()
    assert places(search, hits[:6]) == [near[i] for i in np.argsort(-scores, kind="stable")]
    assert [hit.id for hit in hits[6:]] == [hit.id for hit in plain[6:]], "the others keep their order behind them"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert [hit.id for hit in search.search(circle(), 2, rerank=True)] == [hit.id for hit in hits[:2]]


def test_a_threshold_leaves_out_what_is_far(search):
    everything = search.search(circle(), 12)
    limit = everything[4].cosine
    assert search.search(circle(), 12, threshold=limit) == everything[:5]
    assert search.search(circle(), 12, threshold=1.0) == []


@pytest.mark.parametrize("within", ["class1/", ("class1/", "class2/0"), "class0/00.png", "none/"])
def test_only_some_folders(search, within):
    prefixes = (within,) if isinstance(within, str) else within
    everything = search.search(circle(), 12)
    expected = [hit for hit in everything if hit.id.startswith(prefixes)]
    for k in (1, 3, 12):
        found = search.search(circle(), k, within=within)
        assert [(hit.id, hit.score) for hit in found] == [(hit.id, hit.score) for hit in expected[:k]]
        assert [hit.rank for hit in found] == list(range(1, len(found) + 1))


def test_several_sketches_at_once_are_as_good_as_one_by_one(search):
    sketches = [circle(), STROKES, circle(ink=120), circle(size=40)] * 10
    together = search.search_many(sketches, 4, mirror=True)
    for sketch, hits in zip(sketches[:4], together[:4], strict=True):
        alone = search.search(sketch, 4, mirror=True)
        assert [hit.id for hit in hits] == [hit.id for hit in alone]
        np.testing.assert_allclose([hit.score for hit in hits], [hit.score for hit in alone], atol=1e-5)
    assert len(together) == 40
    assert search.search_many([], 4) == []


def test_a_photo_finds_itself(search):
    photo = search.photos[7].id
    assert search.search(search.photo_bytes(photo), 1, photo=True)[0].id == photo


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, "1 or more"),
        ({"threshold": 2.0}, "a cosine"),
        ({"expand": -1}, "or 0 for none"),
        ({"scales": ()}, "at least one"),
        ({"scales": (0.0,)}, "above 0"),
    ],
)
def test_options_out_of_range_are_refused(search, options, words):
    with pytest.raises(ValueError, match=words):
        search.search(circle(), **options)


def test_many_threads_find_what_one_finds(search):
    sketches = [circle(size=size) for size in range(40, 60)]
    expected = [search.search(sketch, 3, rerank=True, expand=2) for sketch in sketches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            fresh = SketchSearch.load(search._given[0])
            found = [pool.submit(fresh.search, sketch, 3, rerank=True, expand=2) for sketch in sketches]
            assert [each.result() for each in found] == expected


def test_refresh_takes_up_a_changed_index(photo_folder, small_index, tmp_path):
    photos = shutil.copytree(photo_folder, tmp_path / "photos")
    model = next(small_index.glob("model-*.safetensors"))
    index = write_index(tmp_path / "index", model, photos)
    search = SketchSearch.load(index)
    encoder = search.encoder
    assert not search.refresh()
    shutil.copy(photos / "class0" / "00.png", photos / "class0" / "new.png")
    main(["index", "--out", str(index)])
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(search.search, circle(), 13) for _ in range(20)]
        assert search.refresh()
        assert {len(each.result()) for each in running} <= {12, 13}
    assert len(search.search(circle(), 20)) == 13
    assert search.encoder is encoder, "the same model is not read again"
    (index / "manifest.json").write_text("{}")
    with pytest.raises(IndexProblem):
        search.refresh()
    assert len(search.search(circle(), 20)) == 13, "the old state goes on answering"


def test_attention_is_drawn(search):
    content = search.explain(STROKES)
    image = Image.open(BytesIO(content))
    assert image.format == "PNG"
    assert min(image.size) > 300
    assert content == search.explain(STROKES), "the same bytes every time"
    assert content != search.explain(STROKES, at=(0.0, 0.0))
    block = search.explain(STROKES, blocks=["4.1"])
    assert Image.open(BytesIO(block)).height < image.height
    with pytest.raises(ValueError, match="no attention block 9\\.9"):
        search.explain(STROKES, blocks=["9.9"])
    with pytest.raises(ValueError, match="0 to 1"):
        search.explain(STROKES, at=(2, 0))


def test_attention_and_searches_do_not_disturb_each_other(search):
    expected = search.explain(STROKES)
    with ThreadPoolExecutor(4) as pool:
        pictures = [pool.submit(search.explain, STROKES) for _ in range(2)]
        found = [pool.submit(search.search, circle(size=size), 3) for size in range(30, 60)]
        assert {picture.result() for picture in pictures} == {expected}
        assert all(isinstance(hit, Hit) for each in found for hit in each.result())
    assert not any(module._forward_hooks for module in search.encoder.model.modules())


def test_a_model_without_attention_says_so(photo_folder, tmp_path):
    index = write_index(tmp_path / "index", write_model(tmp_path / "m.safetensors", "resnet26"), photo_folder)
    with pytest.raises(ValueError, match="no attention block"):
        SketchSearch.load(index).explain(circle())


def test_strokes_are_drawn_as_the_model_was_trained(photo_folder, tmp_path):
    from hybrid_sbir.data.strokes import rasterize

    pen = {"size": 37, "stroke_width": 0.03, "padding": 0.1}
    index = write_index(tmp_path / "index", write_model(tmp_path / "m.safetensors", strokes=pen), photo_folder)
    search = SketchSearch.load(index)
    drawn = rasterize([np.array(stroke) for stroke in STROKES], 37, 0.03, 0.1)
    assert np.array_equal(np.asarray(search.picture(STROKES)), drawn)
    expected = search.encoder.prepare(Image.fromarray(drawn), "sketch")
    assert torch.equal(search.prepare(STROKES), expected)


LIGHT = """
import sys
from hybrid_sbir.search import SketchSearch
search = SketchSearch.load(sys.argv[1])
assert len(search.search([[[0, 9], [0, 9]]], 3, mirror=True, rerank=True)) == 3
heavy = {"lightning", "torchmetrics", "torchvision", "matplotlib", "jsonargparse", "wandb", "pymilvus", "svgelements"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_searching_imports_no_trainer(small_index):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(small_index)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
