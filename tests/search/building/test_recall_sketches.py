"""Sketches that recall is measured with, by the command line."""

from hybrid_sbir.search.manifest import read_manifest
from tests.search.building.conftest import draw


def recall(folder):
    return read_manifest(folder).store["recall"]


def test_recall_is_measured_with_the_sketches_given(index, tmp_path):
    for number in range(5):
        draw(tmp_path / "sketches" / f"class{number % 2}" / f"{number}.png", 100 + number)
    assert index(store="hnsw")[0] == 0
    assert recall(tmp_path / "index")["optimistic"]
    assert index(store="hnsw", recall_sketches=tmp_path / "sketches")[0] == 0  # nothing else is new
    found = recall(tmp_path / "index")
    assert (found["of"], found["queries"], found["optimistic"]) == ("5 of the 5 sketches in sketches", 5, False)
    assert index()[0] == 0  # brought up to date without them: what was measured stays
    assert recall(tmp_path / "index") == found


def test_a_folder_without_sketches_is_said_before_photos_are_embedded(index, tmp_path):
    (tmp_path / "nothing").mkdir()
    code, _, error = index(recall_sketches=tmp_path / "nothing")
    assert code != 0
    assert "nothing has no sketches to measure recall with; give a folder of .png" in error
    assert not (tmp_path / "index" / "manifest.json").exists()
