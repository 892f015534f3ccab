"""From a folder of photos to what a sketch finds in it, by the command line."""

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.cli import main
from hybrid_sbir.encoding.model_file import write_model_file
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models import TwoBranch
from hybrid_sbir.search import SketchSearch


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    branches = TwoBranch("resnet26", 4, width=0.0625, stem="tiny", embedding_size=8)
    write_model_file(
        path,
        branches,
        {"sketch": Preparation("sketch_square_eval", 32, 3), "photo": Preparation("photo_eval", 32, 3)},
    )
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(9):
        file = folder / f"class{i % 3}" / f"{i}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(file)
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def test_a_sketch_finds_photos(model, photos, tmp_path, capsys):
    main(["index", "--model", str(model), "--photos", str(photos), "--out", str(tmp_path / "index")])
    assert "9 photos, 1 skipped" in capsys.readouterr().out
    sketch = tmp_path / "sketch.png"
    Image.new("L", (32, 32), 255).save(sketch)
    main(["search", str(sketch), "--index", str(tmp_path / "index"), "--k", "3"])
    lines = capsys.readouterr().out.splitlines()
    found = SketchSearch.load(tmp_path / "index").search(sketch, 3)
    assert [line.split()[-1] for line in lines[1:4]] == [hit.id for hit in found]
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
