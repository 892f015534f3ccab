"""Indexes made by the command line: in this process, or in one that may be killed."""

import hashlib

import lightning.pytorch  # noqa: F401 - its log handler keeps the stderr of its import: not one that a test closes
import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.cli import main
from hybrid_sbir.encoding.model_file import write_model_file
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models import TwoBranch
from tests.cli.conftest import server, start  # noqa: F401 - fixtures


def write_model(path, seed=0, photo="photo_eval"):
    torch.manual_seed(seed)
    branches = TwoBranch("resnet26", 4, width=0.0625, stem="tiny", embedding_size=8)
    for norm in (m for m in branches.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.reset_running_stats()
    preparation = {"sketch": Preparation("sketch_square_eval", 32, 3), "photo": Preparation(photo, 32, 3)}
    write_model_file(path, branches, preparation, {"name": path.stem})
    return path


def draw(path, seed):
    """A photo of noise, of a size of its own; every third one is grey."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (int(rng.integers(20, 60)), int(rng.integers(20, 60)), 3)
    Image.fromarray(rng.integers(0, 256, shape[:2] if seed % 3 == 0 else shape, np.uint8)).save(path)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture
def photos(tmp_path):
    """Eleven photos in three folders, and two files that are none."""
    folder = tmp_path / "photos"
    for number in range(11):
        draw(folder / f"class{number % 3}" / f"{number}.png", number)
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "cut.png").write_bytes((folder / "class0" / "0.png").read_bytes()[:300])
    return folder


@pytest.fixture
def index(model, photos, tmp_path, capfd):
    """Run ``index`` in this process; returns its exit code and what it printed (out, err)."""

    def run(*words, out="index", **options):
        given = {"model": model, "photos": photos, "out": tmp_path / out, "batch_size": 16, "workers": 0, **options}
        line = [part for name, value in given.items() if value is not None for part in (f"--{name}", str(value))]
        capfd.readouterr()
        try:
            main(["index", *line, *map(str, words)])
        except SystemExit as end:
            return (end.code or 0, *capfd.readouterr())
        return (0, *capfd.readouterr())

    return run


@pytest.fixture
def made(index, tmp_path):
    """Make an index, which has to work out; returns its folder."""

    def make(*words, out="index", **options):
        code, _, error = index(*words, out=out, **options)
        assert code == 0, error
        return tmp_path / out

    return make


def content(folder):
    """SHA-256 of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(name="content")
def content_fixture():
    return content
