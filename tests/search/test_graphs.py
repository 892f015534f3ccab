"""An index that its own model embedded, searched through that model's ONNX graphs."""

import json

import pytest

pytest.importorskip("onnxruntime", reason="graphs run in onnxruntime: pip install 'hybrid-sbir[export]'")

from hybrid_sbir.cli import main
from hybrid_sbir.search import SketchSearch
from tests.search.sketching import write_index, write_model

SKETCH = [[[0, 90, 90, 0, 0], [0, 0, 60, 60, 0]]]


@pytest.fixture(scope="module")
def index(photo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    return write_index(folder / "index", write_model(folder / "model.safetensors", "resnet26"), photo_folder)


@pytest.fixture(scope="module")
def graphs(index):
    main(["export", str(index.parent / "model.safetensors"), "--out", str(index.parent / "graphs")])
    return index.parent / "graphs"


def test_graphs_find_what_the_model_finds(index, graphs, tmp_path, capsys):
    plain, fast = SketchSearch.load(index), SketchSearch.load(index, onnx=graphs)
    assert fast.encoder.runtime == "onnx"
    found, expected = fast.search(SKETCH, 5), plain.search(SKETCH, 5)
    assert [hit.id for hit in found] == [hit.id for hit in expected]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-4)
    assert fast.reopened().encoder is fast.encoder
    (tmp_path / "sketch.json").write_text(json.dumps(SKETCH))
    words = ["search", str(tmp_path / "sketch.json"), "--index", str(index), "--k", "5", "--format", "json"]
    capsys.readouterr()
    main([*words, "--onnx", str(graphs)])
    assert [hit.id for hit in found] == [
        each["id"] for each in json.loads(capsys.readouterr().out)["queries"][0]["hits"]
    ]


def test_graphs_of_another_model_are_refused(small_index, graphs, tmp_path):
    with pytest.raises(ValueError, match="are of another model, or of other preparation, than the index's"):
        SketchSearch.load(small_index, onnx=graphs)
    with pytest.raises(ValueError, match="holds no ONNX graphs"):
        SketchSearch.load(small_index, onnx=tmp_path)
