"""A model without training, some photos, their index, and a server of it."""

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.cli import main
from hybrid_sbir.encoding.model_file import write_model_file
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models import TwoBranch
from tests.serving.running import serving

PHOTOS = 24


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    branches = TwoBranch("resnet26", 4, width=0.0625, stem="tiny", embedding_size=8)
    pen = {"size": 256, "stroke_width": 0.02, "padding": 0.04}  # of training on strokes
    sizes = {"sketch": Preparation("sketch_square_eval", 32, 3, pen), "photo": Preparation("photo_eval", 32, 3)}
    write_model_file(path, branches, sizes)
    return path


def write_photos(folder, count=PHOTOS, seed=0):
    rng = np.random.default_rng(seed)
    for i in range(count):
        file = folder / f"class {i % 3} ä&?" / f"{i:02d}.{('png', 'jpg', 'bmp')[i % 3]}"
        file.parent.mkdir(exist_ok=True, parents=True)
        pixels = rng.integers(0, 256, (3, 4, 3), np.uint8).repeat(100, 0).repeat(100, 1)
        Image.fromarray(pixels).save(file)
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def index(model, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "index"
    main(["index", "--model", str(model), "--photos", str(photos), "--out", str(folder)])
    return folder


@pytest.fixture(scope="session")
def server(index):
    with serving(index) as running:
        yield running
