"""A library that an extra brings and that is not installed: one line that names the extra."""

import sys

import numpy as np
import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.search import stores


def test_a_missing_extra_is_one_line(monkeypatch, tmp_path, capsys):
    from tests.search.building.conftest import draw, write_model

    monkeypatch.setitem(sys.modules, "faiss", None)
    draw(tmp_path / "photos" / "a.png", 1)
    model = write_model(tmp_path / "tiny.safetensors")
    line = ["--model", model, "--photos", tmp_path / "photos", "--out", tmp_path / "index", "--store", "ivf"]
    with pytest.raises(SystemExit) as end:
        main(["index", *map(str, line)])
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert "pip install 'hybrid-sbir[search]'" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "index").exists()


def test_without_any_extra_all_photos_are_compared(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    rows = np.eye(4, dtype=np.float32)
    assert stores.ExactStore(rows).search(rows[2:3], 1)[1].tolist() == [[2]]
