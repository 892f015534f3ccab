"""Stores that FAISS builds: same bytes, true cosines, found again by recall; damage is refused."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from hybrid_sbir.search import stores
from hybrid_sbir.search.manifest import IndexProblem
from hybrid_sbir.search.stores import faiss_library, kinds
from hybrid_sbir.search.stores.recall import Queries, made_up
from tests.search.stores.vectors import manifest_of, photos_and_sketches, unit

PHOTOS, SKETCHES = photos_and_sketches()
APPROXIMATE = sorted(kinds.APPROXIMATE)


@pytest.fixture(scope="module", params=APPROXIMATE)
def built(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return folder, stores.build(request.param, PHOTOS, folder, queries=Queries(SKETCHES, "40 drawings"))


def opened(built, **how):
    folder, made = built
    return stores.open(manifest_of(made, PHOTOS), folder, **how)


def test_what_is_found_has_its_true_cosine_and_order(built):
    cosines, places = opened(built).search(SKETCHES, 10)
    exact = stores.ExactStore(PHOTOS).search(SKETCHES, len(PHOTOS))
    for row in range(len(SKETCHES)):
        rank = {place: at for at, place in enumerate(exact[1][row])}
        ranks = [rank[place] for place in places[row]]
        assert ranks == sorted(ranks)
        assert len(set(ranks)) == 10
        assert cosines[row].tolist() == exact[0][row][ranks].tolist()


def test_the_manifest_says_the_recall_of_the_sketches(built):
    about = built[1].description
    assert about["recall"]["of"] == "40 drawings"
    assert not about["recall"]["optimistic"]
    nearest = stores.ExactStore(PHOTOS).search(SKETCHES, 100)[1]
    for k, said in about["recall"]["at"].items():
        found = opened(built).search(SKETCHES, int(k))[1]
        shared = [len(set(a) & set(b)) / int(k) for a, b in zip(found, nearest[:, : int(k)], strict=True)]
        assert said == pytest.approx(np.mean(shared), abs=1e-4)
    assert set(about["recall"]["at"]) == {"1", "10", "100"}
    assert about["recall"]["reached"] == (about["recall"]["at"]["10"] >= 0.99)


def test_the_whole_ranking_is_the_exact_one(built):
    exact = stores.ExactStore(PHOTOS).search(SKETCHES[:3], len(PHOTOS))
    found = opened(built).search(SKETCHES[:3], len(PHOTOS) + 7)
    assert all(np.array_equal(a, b) for a, b in zip(found, exact, strict=True))
    assert np.array_equal(
        opened(built, kind="exact").search(SKETCHES, 10)[1], opened(built).exact.search(SKETCHES, 10)[1]
    )


def test_least_effort_still_gives_as_many_as_asked_for(built):
    """One cell, or a narrow walk through the graph, may hold fewer."""
    cosines, places = opened(built, effort=1).search(SKETCHES, 300)
    assert all(len(set(row)) == 300 for row in places)
    assert (np.diff(cosines, axis=1) <= 0).all()


def test_more_effort_finds_more():
    """In a catalogue without clusters, where the least is not enough."""
    rng = np.random.default_rng(0)
    photos, queries = unit(rng.standard_normal((4000, 32))), unit(rng.standard_normal((30, 32)))
    store = stores.ApproximateStore("ivf", kinds.train_and_add("ivf", photos), photos, 1)
    nearest = store.exact.search(queries, 10)[1]

    def shared(effort):
        return np.mean(
            [len(set(a) & set(b)) / 10 for a, b in zip(store.search(queries, 10, effort)[1], nearest, strict=True)]
        )

    assert shared(1) < 0.6 < shared(16) < shared(102) == 1


def test_effort_is_chosen_for_the_wanted_recall_or_taken(tmp_path):
    queries = Queries(SKETCHES, "drawings")
    some, all_of = (stores.build("ivf", PHOTOS, tmp_path, queries=queries, wanted=w).description for w in (0.5, 1.0))
    assert some["effort"] < all_of["effort"]
    assert some["recall"]["at"]["10"] < all_of["recall"]["at"]["10"] == 1
    taken = stores.build("ivf", PHOTOS, tmp_path, queries=queries, effort=3).description
    assert taken["effort"] == 3
    unreachable = stores.build("ivf", PHOTOS, tmp_path, queries=queries, wanted=1.01).description
    assert unreachable["recall"]["reached"] is False


def test_without_sketches_the_manifest_calls_the_recall_optimistic(tmp_path):
    about = stores.build("hnsw", PHOTOS, tmp_path).description["recall"]
    assert about["optimistic"]
    assert "optimistic: sketches lie farther" in about["of"]
    queries = made_up(PHOTOS)
    assert len(queries.vectors) == about["queries"] == 256
    own = PHOTOS[np.linspace(0, len(PHOTOS) - 1, 256).astype(int)]
    assert (queries.vectors * own).sum(1) == pytest.approx(0.9, abs=1e-5)


AGAIN = """
import sys, pathlib
from hybrid_sbir.search import stores
from tests.search.stores.vectors import photos_and_sketches
for kind in sys.argv[2:]:
    print(kind, stores.build(kind, photos_and_sketches()[0], pathlib.Path(sys.argv[1]), effort=4).files["ann"].sha256)
"""


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_the_bytes_are_the_same_with_other_threads(kind, tmp_path):
    one = stores.build(kind, PHOTOS, tmp_path, effort=4).files["ann"].sha256
    with faiss_library.threads(4):
        assert stores.build(kind, PHOTOS, tmp_path, effort=4).files["ann"].sha256 == one


@pytest.mark.slow
def test_the_bytes_are_the_same_in_another_process_with_other_threads(tmp_path):
    env = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    ran = subprocess.run(
        [sys.executable, "-c", AGAIN, str(tmp_path), *APPROXIMATE], capture_output=True, text=True, env=env, check=True
    )
    for kind in APPROXIMATE:
        here = stores.build(kind, PHOTOS, tmp_path, effort=4).files["ann"].sha256
        assert f"{kind} {here}" in ran.stdout.splitlines()


@pytest.mark.parametrize("role", ["ann", "vectors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_refused_before_it_is_read(built, role, damage, tmp_path):
    folder, made = built
    for file in made.files.values():
        (tmp_path / file.name).write_bytes((folder / file.name).read_bytes())
    path = tmp_path / made.files[role].name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if damage == "flip" else content[:-1])
    if damage == "gone":
        path.unlink()
    with pytest.raises(IndexProblem, match=rf"{role}-.*(altered|bytes, not|cannot be read).*make the index again"):
        stores.open(manifest_of(made, PHOTOS), tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "psychic"}, "kind 'psychic', which is not known here"),
        ({"effort": None}, "names an effort of None"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(built, change, words):
    folder, made = built
    manifest = manifest_of(replace(made, description=made.description | change), PHOTOS)
    with pytest.raises(IndexProblem, match=words):
        stores.open(manifest, folder)


def test_an_index_of_other_photos_is_refused(built):
    folder, made = built
    with pytest.raises(IndexProblem, match=r"\(3000, 32\) vectors for 2999 photos"):
        stores.open(manifest_of(made, PHOTOS[1:]), folder)
    with pytest.raises(ValueError, match="the index holds 3000 x 32 numbers"):
        stores.ApproximateStore("sq8", kinds.train_and_add("sq8", PHOTOS), PHOTOS[1:], 2)


def test_a_kind_goes_by_size(tmp_path, monkeypatch):
    assert kinds.chosen("auto", kinds.EXACT_UP_TO) == "exact"
    assert kinds.chosen("auto", kinds.EXACT_UP_TO + 1) in kinds.APPROXIMATE
    monkeypatch.setattr(kinds, "EXACT_UP_TO", 100)
    assert stores.build("auto", PHOTOS, tmp_path).description["kind"] == kinds.BEYOND
    assert stores.build("hnsw", PHOTOS[:0], tmp_path).description["kind"] == "exact"
    with pytest.raises(ValueError, match=r"'fast' is not known; give auto, exact, sq8"):
        stores.build("fast", PHOTOS, tmp_path)


@pytest.mark.parametrize("count", [1, 2, 50])
@pytest.mark.parametrize("kind", APPROXIMATE)
def test_few_photos_will_do(kind, count, tmp_path):
    photos = PHOTOS[:count]
    store = stores.open(manifest_of(stores.build(kind, photos, tmp_path), photos), tmp_path)
    assert store.search(SKETCHES[:2], 1)[1].tolist() == stores.ExactStore(photos).search(SKETCHES[:2], 1)[1].tolist()


def test_bad_requests_are_refused(built, tmp_path):
    with pytest.raises(ValueError, match="an effort of 0 was asked for"):
        opened(built, effort=0)
    with pytest.raises(ValueError, match="an effort of -1 was asked for"):
        opened(built).search(SKETCHES, 1, effort=-1)
    with pytest.raises(ValueError, match="0 photos were asked for"):
        opened(built).search(SKETCHES, 0)
    with pytest.raises(ValueError, match="give that or exact"):
        opened(built, kind="psychic")
    with pytest.raises(ValueError, match=r"vector 0 has norm 0\.5"):
        stores.build("hnsw", PHOTOS / 2, tmp_path)


def test_without_faiss_the_extra_is_named_and_exact_search_works(built, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"pip install 'hybrid-sbir\[search\]'"):
        opened(built)
    assert opened(built, kind="exact").search(SKETCHES, 3)[1].shape == (40, 3)


def test_threads_are_given_back():
    faiss = faiss_library.library()
    before = faiss.omp_get_max_threads()
    with faiss_library.threads(before + 3):
        assert faiss.omp_get_max_threads() == before + 3
    assert faiss.omp_get_max_threads() == before


def test_several_threads_may_search_at_once(built):
    store, exact = opened(built), stores.ExactStore(PHOTOS)
    for each in (store, exact):
        alone = [each.search(query[None], 10)[1].tolist() for query in SKETCHES]
        with ThreadPoolExecutor(4) as pool:
            together = [pool.submit(each.search, query[None], 10) for query in SKETCHES]
        assert [done.result()[1].tolist() for done in together] == alone
